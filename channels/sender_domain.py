"""Reads from DNS what mail servers will read of a sender: SPF, DKIM, DMARC, MX, reverse DNS, TLS-RPT.

Only the looking up is here; what the answers mean stands in `domain_findings`. A resolver that is silent is said, and
is no trouble of the account.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from channels.addresses import is_public
from channels.alignment import judge_alignment, judge_spf_alignment
from channels.base import Account, AccountProblem, Problem
from channels.dkim import Key, Signer
from channels.dns_records import Resolver, ResolverSilent, pointer_name
from channels.domain_findings import (
    REPORTS,
    Policy,
    judge_dkim,
    judge_dmarc,
    judge_exchanges,
    judge_report_consent,
    judge_reverse,
    judge_spf,
    judge_tls_reports,
    judge_unsigned,
    read_tags,
)
from channels.mailboxes import address_of, envelope_form
from channels.spf import judge_address
from channels.spf_record import is_spf

#: Addresses that one check looks at.
MOST_ADDRESSES: Final = 8
#: DMARC records are looked for this many names up (draft-ietf-dmarc-dmarcbis, 4.10).
_MOST_STEPS: Final = 8
_MAILBOX: Final = re.compile(r"mailto:([^,;!\s]+)", re.I)


def check_sender_domain(account: Account, signer: Signer | None) -> list[Problem]:
    """What receivers find in DNS about the account's sender; nothing where the account names no resolver."""
    if not account.resolver:
        return []
    try:
        resolver = Resolver(account.resolver)
        return list(_Check(account, signer, resolver).run())
    except AccountProblem as err:
        message, remedy = "The setting OUTREACH_RESOLVER cannot be used", "Correct it. It is no trouble of the account."
        return [Problem(severity="note", code="dns_unusable", message=f"{message}: {err.detail}", remedy=remedy)]


class _Check:
    """One account's questions, in the order in which their answers are shown."""

    def __init__(self, account: Account, signer: Signer | None, resolver: Resolver) -> None:
        self._settings: Mapping[str, Any] = account.settings
        self._keys: tuple[Key, ...] = signer.keys if signer else ()
        self._dns = resolver
        self._host = str(self._settings.get("host") or "").strip().lower()
        sender = envelope_form(address_of(str(self._settings["sender"])))
        self._domain = sender.rpartition("@")[2].lower()
        returns_to = str(self._settings.get("bounce_address") or "")
        #: The envelope's sender, whose domain SPF speaks of.
        self._returns_to = envelope_form(returns_to) if returns_to else sender
        self._envelope = self._returns_to.rpartition("@")[2].lower()

    def run(self) -> Iterator[Problem]:
        parts: tuple[tuple[str, Callable[[], Iterator[Problem]]], ...] = (
            ("SPF", self._spf),
            ("DKIM", self._dkim),
            ("DMARC", self._dmarc),
            ("MX", self._mx),
            ("PTR", self._reverse),
            ("TLS-RPT", self._tls_reports),
        )
        try:
            if not self._dns.exists(self._domain):
                yield self._no_domain()
                return
        except ResolverSilent:
            yield _silence(", ".join(name for name, _part in parts))
            return
        silent = []
        for name, part in parts:
            try:
                yield from list(part())
            except ResolverSilent:
                silent.append(name)
        if silent:
            yield _silence(", ".join(silent))

    def _no_domain(self) -> Problem:
        message, remedy = (
            "There is no domain %(domain)s in DNS, so receivers refuse what it sends.",
            "Correct the sender, or register the domain.",
        )
        return Problem(
            severity="error",
            code="no_domain",
            message=message,
            remedy=remedy,
            field="sender",
            values={"domain": self._domain},
        )

    def _spf(self) -> Iterator[Problem]:
        records = [text for text in self._dns.texts(self._envelope) if is_spf(text)]
        addresses, is_told = self._addresses()
        if not addresses:
            yield _unknown_address()
        verdicts = {
            address: judge_address(
                self._envelope, address, self._dns, sender=self._returns_to, greeting=self._host_name()
            )
            for address in addresses
        }
        yield from judge_spf(self._envelope, self._host, records, verdicts, is_told=is_told)

    def _dkim(self) -> Iterator[Problem]:
        if not self._keys:
            yield judge_unsigned(self._domain)
        for key in self._keys:
            yield judge_dkim(key, self._dns.texts(key.host))

    def _dmarc(self) -> Iterator[Problem]:
        policy = self._policy()
        yield from judge_dmarc(self._domain, policy, reports_to=self._mailbox())
        signing = [key.domain.decode() for key in self._keys]
        yield from judge_alignment(self._domain, policy, signing)
        yield from judge_spf_alignment(self._domain, policy, self._envelope, signing)
        for mailbox in _MAILBOX.findall(policy.tags.get("rua", "")):
            other = mailbox.rpartition("@")[2].lower()
            if other != policy.domain and not other.endswith(f".{policy.domain}"):
                texts = self._dns.texts(f"{policy.domain}._report._dmarc.{other}")
                yield from judge_report_consent(policy.domain, mailbox, texts)

    def _policy(self) -> Policy:
        """The nearest record upwards, and how far up the organisation reaches."""
        labels = self._domain.split(".")
        found: list[tuple[str, tuple[str, ...]]] = []
        for name in (".".join(labels[at:]) for at in range(min(len(labels), _MOST_STEPS))):
            records = tuple(text for text in self._dns.texts(f"_dmarc.{name}") if read_tags(text).get("v") == "DMARC1")
            if records:
                found.append((name, records))
        if not found:
            return Policy(domain=self._domain)
        return Policy(domain=found[0][0], records=found[0][1], organisational=found[-1][0])

    def _mx(self) -> Iterator[Problem]:
        for domain in dict.fromkeys((self._domain, self._envelope)):
            exchanges = self._dns.exchanges(domain)
            has_address = not exchanges and bool(self._dns.addresses(domain))
            yield judge_exchanges(domain, exchanges, has_address=has_address, host=self._host_name())

    def _reverse(self) -> Iterator[Problem]:
        for address in self._addresses()[0]:
            names = self._dns.names_of(address)
            confirmed = [name for name in names[:MOST_ADDRESSES] if address in self._dns.addresses(name)]
            yield judge_reverse(address, pointer_name(address), names, confirmed, self._host_name())

    def _tls_reports(self) -> Iterator[Problem]:
        texts = self._dns.texts(f"_smtp._tls.{self._domain}")
        yield judge_tls_reports(self._domain, texts, reports_to=self._mailbox())

    def _addresses(self) -> tuple[list[str], bool]:
        """The addresses that messages leave from, and whether somebody named them; none where the server is private."""
        told = read_addresses(str(self._settings.get("sends_from") or ""))
        if told:
            return told[:MOST_ADDRESSES], True
        is_literal = _is_address(self._host)
        own = (self._host,) if is_literal else self._dns.addresses(self._host)
        return [address for address in own if is_public(ipaddress.ip_address(address))][:MOST_ADDRESSES], is_literal

    def _host_name(self) -> str:
        """The mail server's name for records that need one."""
        return f"mail.{self._domain}" if _is_address(self._host) or "." not in self._host else self._host

    def _mailbox(self) -> str:
        """Where reports go: the mailbox that the account reads, if it has one."""
        imap = self._settings.get("imap")
        named = str(imap.get("username") or "") if isinstance(imap, Mapping) else ""
        mailbox = str(self._settings.get("reply_address") or "") or named
        return mailbox if "@" in mailbox else f"{REPORTS}@{self._domain}"


def read_addresses(text: str) -> list[str]:
    """IP addresses separated by commas or spaces.

    Raises:
        ValueError: one of them is none.
    """
    return [str(ipaddress.ip_address(part)) for part in re.split(r"[,\s]+", text.strip()) if part]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _unknown_address() -> Problem:
    message, remedy = (
        "The mail server is in a private network, so it cannot be told from which address messages reach the Internet.",
        "Write the public addresses into the account to have SPF and reverse DNS looked at.",
    )
    return Problem(severity="note", code="address_unknown", message=message, remedy=remedy, field="sends_from")


def _silence(parts: str) -> Problem:
    message, remedy = (
        "The DNS server did not answer, so this was not looked at: %(parts)s.",
        "This is no trouble of the account. Check again later, or name another DNS server in OUTREACH_RESOLVER.",
    )
    return Problem(severity="note", code="dns_silent", message=message, remedy=remedy, values={"parts": parts})
