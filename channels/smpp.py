"""SMS by SMPP 3.4: the protocol of operators and of gateways such as Kannel.

The sending stands in `smpp_session`, the connection in `smpp_link`, what an SMSC says in `smpp_answers`.
"""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from typing import Any, ClassVar, Final

from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    Capabilities,
    ChannelError,
    Field,
    ForgedHook,
    Hook,
    Problem,
    ProviderEvent,
    Take,
)
from channels.exchange import find_missing, probe, secrets_of
from channels.senders import find_sender_faults, find_sender_warnings
from channels.smpp_link import ANSWER_SECONDS, CONNECT_SECONDS, Broken, Link, Smsc, bind
from channels.smpp_session import WINDOW, SmppSession

#: Seconds of silence after which an SMSC has nothing more for us.
QUIET: Final = 2.0
#: Messages and receipts that are kept in one go.
AT_ONCE: Final = 200
#: ESME_RALYBND, and ESME_RBINDFAIL as some say instead: no more sessions than there are.
_BOUND_ALREADY: Final = (0x05, 0x0D)
#: What the specification has room for: longer ones would be cut off.
_LONGEST: Final = {"system_id": 15, "password": 8, "system_type": 12}


class Smpp:
    """Hands SMS to an operator's message centre."""

    name: ClassVar[str] = "smpp"
    kind: ClassVar[str] = "sms"
    label: ClassVar[str] = "SMS (SMPP)"
    can: ClassVar[Capabilities] = Capabilities(
        window=WINDOW,
        unknown_policy="hold",
        inbound=True,
        receipts=True,
        paid=True,
        timeout=CONNECT_SECONDS + ANSWER_SECONDS,
    )
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(name="host", label="Server", help="The name or address of the operator's message centre."),
        Field(name="port", label="Port", kind="number", default="2775", help="Usually 2775, with TLS 3550."),
        Field(name="system_id", label="User name", help="The operator calls it system_id."),
        Field(name="password", label="Password", secret=True, help="At most 8 characters, as the protocol has it."),
        Field(
            name="sender",
            label="Sender",
            kind="phone",
            help="A number, a short code, or a name of at most 11 letters. Nobody can answer a name.",
        ),
        Field(
            name="security",
            label="Encryption",
            kind="choice",
            choices=("none", "tls"),
            default="none",
            help="None only where the way to the operator is closed, as within a VPN.",
        ),
        Field(
            name="verify",
            label="Verify the certificate",
            kind="choice",
            choices=("yes", "no"),
            required=False,
            default="yes",
            help="Only a server with a certificate of its own making needs no.",
        ),
        Field(name="system_type", label="System type", required=False, help="Where the operator asks for one."),
        Field(
            name="bind",
            label="Session",
            kind="choice",
            choices=("transceiver", "separate"),
            default="transceiver",
            help="Transceiver: one session sends and receives. Separate: where the operator has one for each.",
        ),
        Field(
            name="keywords",
            label="Answer STOP, START and HELP",
            kind="choice",
            choices=("yes", "no"),
            required=False,
            default="yes",
            help="They are obeyed in any case. No where the provider confirms them by itself.",
        ),
        Field(
            name="receipt_ids",
            label="Message ids in receipts",
            kind="choice",
            choices=("same", "decimal", "hexadecimal"),
            default="same",
            help="Some operators answer with an id in one base and write receipts in the other; ask them.",
        ),
    )

    def open(self, account: Account) -> SmppSession:
        return SmppSession(account)

    def open_listening(self, account: Account, take: Take) -> SmppSession:
        return SmppSession(account, take=take)

    def receive(self, account: Account, take: Take, *, seconds: float) -> int:
        role = "receiver" if account.settings.get("bind") == "separate" else "transceiver"
        until = time.monotonic() + seconds
        try:
            with bind(Smsc.of(account), take=take, role=role) as link:
                return _drain(link, until)
        except Broken as err:
            raise AccountWideFailure(str(err), reason="temporary") from err
        except AccountWideFailure as err:
            if err.status in _BOUND_ALREADY:
                return 0  # a session of ours that sends hears it instead
            raise

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook("A message centre calls nobody: receipts and messages come over its session.")

    def find_faults(self, settings: Mapping[str, Any], kept: Container[str]) -> list[Problem]:
        too_long = [name for name, most in _LONGEST.items() if len(str(settings.get(name) or "")) > most]
        faults = [
            Problem(
                severity="error",
                code="too_long",
                message="The protocol has room for 15 characters of a user name, 8 of a password, 12 of a system type.",
                remedy="Ask the operator for a shorter one.",
                field=name,
            )
            for name in too_long
        ]
        return faults + find_sender_faults(str(settings.get("sender") or ""))

    def check(self, account: Account) -> list[Problem]:
        problems = find_missing(account, self.account_fields) + self.find_faults(account.settings, ())
        if problems:
            return problems
        found = probe(lambda: _log_in(account), remedies=_REMEDIES, secrets=secrets_of(account, self.account_fields))
        return found or find_sender_warnings(str(account.settings.get("sender") or ""))


def _drain(link: Link, until: float) -> int:
    count = 0
    while found := link.collect(min(until, time.monotonic() + QUIET), most=AT_ONCE):
        count += found
    return count


def _log_in(account: Account) -> None:
    bind(Smsc.of(account), role="transmitter").close(politely=True)


_REMEDIES: Final[Mapping[type[ChannelError], str]] = {
    AccountProblem: "Compare the user name, the password and the system type with what the operator gave.",
    ChannelError: "Look at the server, the port and the way to the operator, then try again.",
}
