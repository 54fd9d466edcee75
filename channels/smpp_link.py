"""One bound SMPP connection: its socket, its PDUs (made and read by smpplib), and what an SMSC asks of us on it.

Of smpplib only the PDUs are used: nothing here reconnects, retries or sends a second time.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from smpplib import consts, exceptions, smpp

from channels.addresses import connect_to
from channels.base import Account, AccountProblem, AccountWideFailure, ProviderEvent, Take, TemporaryFailure
from channels.smpp_answers import read_delivered, refusal

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
#: A PDU has at most 64 kB of a message and its heads; one that says it is longer lies.
_LONGEST_PDU: Final = 70_000
_HEAD: Final = struct.Struct(">LLLL")
#: What smpplib stumbles over in a PDU that is not as the specification has it.
_STUMBLES: Final = (struct.error, ValueError, LookupError, TypeError, exceptions.UnknownCommandError)


@dataclass(frozen=True, kw_only=True)
class Smsc:
    """Where to connect to and as whom: an account's settings, read and typed."""

    host: str
    port: int
    is_secure: bool
    verify: bool
    system_id: str
    password: str = field(repr=False)
    system_type: str
    #: How receipts write the ids of messages: `same`, `decimal` or `hexadecimal`.
    ids: str
    allow_private: tuple[str, ...]

    @classmethod
    def of(cls, account: Account) -> Self:
        """Read the settings of an account.

        Raises:
            AccountProblem: the port is none.
        """
        settings: Mapping[str, Any] = account.settings
        port = str(settings.get("port") or 2775)
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
            raise AccountProblem("The port is not a number from 1 to 65535.", reason="account_problem")
        return cls(
            host=str(settings.get("host") or "").strip(),
            port=int(port),
            is_secure=settings.get("security") == "tls",
            verify=settings.get("verify") != "no",
            system_id=str(settings.get("system_id") or ""),
            password=str(settings.get("password") or ""),
            system_type=str(settings.get("system_type") or ""),
            ids=str(settings.get("receipt_ids") or "same"),
            allow_private=account.allow_private,
        )


class Broken(Exception):
    """The connection is gone, or says what is no SMPP."""


class Link:
    """A bound connection; a context manager that unbinds."""

    def __init__(self, smsc: Smsc, sock: socket.socket, *, take: Take | None) -> None:
        self._smsc = smsc
        self._sock = sock
        self._take = take
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(politely=error is None)

    def next_sequence(self) -> int:
        """The next sequence number; smpplib asks for it by this name."""
        return next(self._numbers)

    def write(self, command: str, **fields: Any) -> int:
        """Send one PDU; return its sequence number.

        Raises:
            Broken: it may have left in part.
        """
        pdu = smpp.make_pdu(command, client=self, **fields)
        try:
            self._sock.settimeout(ANSWER_SECONDS)
            self._sock.sendall(pdu.generate())
        except OSError as err:
            raise Broken(f"The connection broke: {err}") from err
        return int(pdu.sequence)

    def read(self, deadline: float) -> Any | None:
        """The next PDU that answers one of ours; what the SMSC asks meanwhile is answered. None at the deadline.

        Raises:
            Broken: the SMSC hung up, unbound, or does not speak SMPP.
        """
        while self._is_readable(deadline):
            answer, delivered = self._sort(self._read_pdu())
            if delivered is not None:
                self._confirm([delivered])
            if answer is not None:
                return answer
        return None

    def collect(self, deadline: float, *, most: int) -> int:
        """Wait for messages and receipts, hand on those that came together, confirm them; say how many there were.

        Raises:
            Broken: as `read`.
        """
        delivered: list[Any] = []
        until = deadline
        while len(delivered) < most and self._is_readable(until):
            _answer, found = self._sort(self._read_pdu())
            if found is not None:
                delivered.append(found)
                until = 0.0  # only what is there already
        self._confirm(delivered)
        return len(delivered)

    def close(self, *, politely: bool = False) -> None:
        try:
            if politely:
                self.write("unbind")
                self.read(time.monotonic() + 1.0)
        except Broken:
            logger.debug("an SMSC hung up before we did", extra={"action": "smpp.unbind"})
        finally:
            self._sock.close()

    def _sort(self, pdu: Any) -> tuple[Any | None, Any | None]:
        """What answers us, and what was delivered to us; the rest is answered here."""
        if pdu.command == "deliver_sm":
            return None, pdu
        if pdu.command == "enquire_link":
            self._answer("enquire_link_resp", pdu.sequence)
        elif pdu.command == "unbind":
            self._answer("unbind_resp", pdu.sequence)
            raise Broken("The SMSC ended the session.")
        elif pdu.is_response():
            return pdu, None
        return None, None

    def _confirm(self, delivered: list[Any]) -> None:
        """Confirm what was kept; of the rest the SMSC learns that it may come again later (5.1.3, ESME_RX_T_APPN)."""
        if not delivered:
            return
        events = [self._read_event(pdu) for pdu in delivered]
        known = [event for event in events if event is not None]
        is_kept = not known or (self._take is not None and self._take(known))
        for pdu, event in zip(delivered, events, strict=True):
            status = consts.SMPP_ESME_ROK if is_kept else consts.SMPP_ESME_RX_T_APPN
            self._answer("deliver_sm_resp", pdu.sequence, consts.SMPP_ESME_RX_P_APPN if event is None else status)

    def _read_event(self, pdu: Any) -> ProviderEvent | None:
        try:
            return read_delivered(pdu, ids=self._smsc.ids)
        except _STUMBLES:
            logger.warning("an SMSC delivered what cannot be read", extra={"action": "smpp.deliver"})
            return None

    def _answer(self, command: str, sequence: int, status: int = consts.SMPP_ESME_ROK) -> None:
        pdu = smpp.make_pdu(command, client=self, sequence=sequence, status=status)
        pdu.sequence, pdu.status = sequence, status
        try:
            self._sock.settimeout(ANSWER_SECONDS)
            self._sock.sendall(pdu.generate())
        except OSError as err:
            raise Broken(f"The connection broke: {err}") from err

    def _is_readable(self, deadline: float) -> bool:
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        try:
            return bool(select.select([self._sock], [], [], max(0.0, deadline - time.monotonic()))[0])
        except (OSError, ValueError) as err:
            raise Broken(f"The connection broke: {err}") from err

    def _read_pdu(self) -> Any:
        """One whole PDU; bounded in bytes and in time, whatever its head says."""
        until = time.monotonic() + ANSWER_SECONDS
        head = self._read_exactly(_HEAD.size, until)
        length, command, status, sequence = _HEAD.unpack(head)
        if not _HEAD.size <= length <= _LONGEST_PDU:
            raise Broken("The SMSC said what is no SMPP.")
        octets = head + self._read_exactly(length - _HEAD.size, until)
        try:
            pdu = smpp.parse_pdu(octets, client=self, allow_unknown_opt_params=True)
        except _STUMBLES as err:
            return self._make_do(command, status, sequence, err)
        if pdu is None:
            raise Broken("The SMSC said what is no SMPP.")
        return pdu

    def _make_do(self, command: int, status: int, sequence: int, error: Exception) -> Any:
        """A PDU whose head alone can be read: enough for an answer, and for a delivery to be turned away."""
        names = {0x80000004: "submit_sm_resp", 0x00000005: "deliver_sm", 0x80000000: "generic_nack"}
        if command not in names:
            raise Broken("The SMSC said what is no SMPP.") from error
        pdu = smpp.make_pdu(names[command], client=self, sequence=sequence)
        pdu.sequence, pdu.status = sequence, status
        return pdu

    def _read_exactly(self, size: int, until: float) -> bytes:
        octets = b""
        while len(octets) < size:
            try:
                self._sock.settimeout(max(0.01, until - time.monotonic()))
                piece = self._sock.recv(size - len(octets))
            except OSError as err:
                raise Broken(f"The connection broke: {err}") from err
            if not piece:
                raise Broken("The SMSC hung up.")
            octets += piece
        return octets


def bind(smsc: Smsc, *, take: Take | None = None, role: str = "transceiver") -> Link:
    """Connect and log in as `transceiver`, `transmitter` or `receiver`.

    Raises:
        ChannelError: the SMSC is away, is not to be trusted, or refuses us. Nothing was sent.
    """
    sock = connect_to(smsc.host, smsc.port, smsc.allow_private, seconds=CONNECT_SECONDS)
    link = Link(smsc, _secured(smsc, sock) if smsc.is_secure else sock, take=take)
    try:
        link.write(
            f"bind_{role}",
            system_id=smsc.system_id,
            password=smsc.password,
            system_type=smsc.system_type,
            interface_version=consts.SMPP_VERSION_34,
        )
        answer = link.read(time.monotonic() + CONNECT_SECONDS)
        if answer is None:
            raise AccountWideFailure(f"{smsc.host}:{smsc.port} does not answer.", reason="temporary")
        if answer.status:
            raise _refused(answer.status)
    except Broken as err:
        link.close()
        raise AccountWideFailure(f"{smsc.host}:{smsc.port}: {err}", reason="temporary") from err
    except BaseException:
        link.close()
        raise
    return link


def _refused(status: int) -> AccountProblem | AccountWideFailure:
    """A refusal to let us in concerns the account, whatever it is."""
    error = refusal(status)
    kind = AccountWideFailure if isinstance(error, TemporaryFailure) else AccountProblem
    reason = error.reason if kind is AccountWideFailure else "account_problem"
    return kind(f"The SMSC refused the log-in: {error.detail}", reason=reason, status=status)


def _secured(smsc: Smsc, sock: socket.socket) -> socket.socket:
    context = ssl.create_default_context()
    if not smsc.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(sock, server_hostname=smsc.host)
    except ssl.SSLCertVerificationError as err:
        sock.close()
        detail = f"The certificate of {smsc.host} is not valid: {err.verify_message}"
        raise AccountProblem(detail, reason="account_problem") from err
    except OSError as err:
        sock.close()
        raise AccountWideFailure(f"{smsc.host}:{smsc.port}: {err}", reason="temporary") from err
