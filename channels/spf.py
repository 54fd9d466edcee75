"""Whether a domain's SPF record (RFC 7208) lets an address send for it, as receivers reckon it.

Why no library: docs/adr/0022. What a refusing domain would have said to the refused (`exp=`) is read, but not fetched.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from channels.dns_records import Resolver, ResolverSilent
from channels.spf_record import BrokenRecord, Fault, Term, expand, is_spf, parse

#: RFC 7208, 4.6.4: terms that ask DNS, in a record and all that it includes; also servers or names that one leads to.
MOST_LOOKUPS: Final = 10
#: RFC 7208, 4.6.4: terms whose questions may find nothing.
MOST_VOID: Final = 2


class SpfResult(StrEnum):
    """RFC 7208, 2.6; for a temporary mistake `ResolverSilent` is raised."""

    PASS = "pass"  # noqa: S105 -- a result, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    BROKEN = "permerror"


@dataclass(frozen=True, kw_only=True)
class SpfVerdict:
    """What the record says of one address."""

    result: SpfResult
    fault: Fault | None = None
    #: The term or the name that is at fault.
    culprit: str = ""


_RESULTS: Final = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


def judge_address(domain: str, address: str, resolver: Resolver, *, sender: str = "", greeting: str = "") -> SpfVerdict:
    """What the domain's record says of mail from the address.

    `sender` is the envelope's, and `greeting` the name that the server says HELO with: what macros may ask for.

    Raises:
        ResolverSilent: a name that the record leads to cannot be looked up.
    """
    try:
        return SpfVerdict(result=_Evaluation(address, resolver, sender or domain, greeting or domain).result(domain))
    except BrokenRecord as err:
        return SpfVerdict(result=SpfResult.BROKEN, fault=err.fault, culprit=err.culprit)


class _Evaluation:
    """One address, one walk through the record and all that it includes."""

    def __init__(self, address: str, resolver: Resolver, sender: str, greeting: str) -> None:
        given = ipaddress.ip_address(address)
        mapped = given.ipv4_mapped if isinstance(given, ipaddress.IPv6Address) else None
        self._address = mapped or given
        self._resolver = resolver
        local, _, host = sender.rpartition("@")
        #: Without a local part it is postmaster's (4.3).
        self._local, self._sender_domain = local or "postmaster", host
        self._greeting = greeting
        self._lookups = 0
        self._void = 0

    def result(self, domain: str) -> SpfResult:
        records = [text for text in self._resolver.texts(domain) if is_spf(text)]
        if not records:
            return SpfResult.NONE
        if len(records) > 1:
            raise BrokenRecord(Fault.SEVERAL, domain)
        record = parse(records[0])
        for term in record.terms:
            if self._matches(term, domain):
                return _RESULTS[term.qualifier]
        return self._follow(record.redirect, domain) if record.redirect else SpfResult.NEUTRAL

    def _matches(self, term: Term, domain: str) -> bool:
        if term.mechanism == "all":
            return True
        if term.network is not None:
            return self._address in term.network
        if term.mechanism == "include":
            return self._follow(term.target, domain) is SpfResult.PASS
        self._count(str(term))
        target = self._expanded(term.target, domain) or domain
        if term.mechanism == "ptr":
            return any(_lies_below(name, target) for name in self._confirmed_names(str(term)))
        if term.mechanism == "exists":
            return bool(self._found(self._resolver.addresses(target, version=4), str(term)))
        return self._is_of_hosts(term, self._hosts(term, target))

    def _hosts(self, term: Term, target: str) -> tuple[str, ...]:
        if term.mechanism == "a":
            return (target,)
        hosts = self._found(self._resolver.exchanges(target), str(term))
        if len(hosts) > MOST_LOOKUPS:
            raise BrokenRecord(Fault.LOOKUPS, str(term))
        return hosts

    def _is_of_hosts(self, term: Term, hosts: tuple[str, ...]) -> bool:
        length = term.length4 if self._address.version == 4 else term.length6
        for host in filter(None, hosts):  # an empty one says "no mail here" (RFC 7505)
            found = self._addresses(host)
            if any(self._address in ipaddress.ip_network(f"{address}/{length}", strict=False) for address in found):
                return True
            if term.mechanism == "a":
                self._found(found, str(term))
        return False

    def _follow(self, name: str, domain: str) -> SpfResult:
        self._count(name)
        found = self.result(self._expanded(name, domain))
        if found is SpfResult.NONE:
            raise BrokenRecord(Fault.INCLUDE, name)
        return found

    def _confirmed_names(self, culprit: str) -> list[str]:
        """What the address is called, as far as the names lead back to it (5.5); silence on the way is no mistake."""
        names: tuple[str, ...] = ()
        with suppress(ResolverSilent):
            names = self._found(self._resolver.names_of(str(self._address)), culprit)
        return [name for name in names[:MOST_LOOKUPS] if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        with suppress(ResolverSilent):
            return any(ipaddress.ip_address(address) == self._address for address in self._addresses(name))
        return False

    def _addresses(self, host: str) -> tuple[str, ...]:
        return self._resolver.addresses(host, version=self._address.version)

    def _found(self, values: tuple[str, ...], culprit: str) -> tuple[str, ...]:
        """What a question found; finding nothing is counted."""
        self._void += not values
        if self._void > MOST_VOID:
            raise BrokenRecord(Fault.VOID, culprit)
        return values

    def _count(self, culprit: str) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise BrokenRecord(Fault.LOOKUPS, culprit)

    def _expanded(self, text: str, domain: str) -> str:
        return expand(text, lambda letter: self._meaning(letter, domain)) if "%" in text else text

    def _meaning(self, letter: str, domain: str) -> str:
        """What a macro's letter stands for (7.2)."""
        if letter == "p":
            return self._own_name(domain)
        is_four = self._address.version == 4
        nibbles = ".".join(self._address.exploded.replace(":", ""))
        return {
            "s": f"{self._local}@{self._sender_domain}",
            "l": self._local,
            "o": self._sender_domain,
            "d": domain,
            "i": str(self._address) if is_four else nibbles,
            "v": "in-addr" if is_four else "ip6",
            "h": self._greeting,
        }[letter]

    def _own_name(self, domain: str) -> str:
        """The address's confirmed name: the domain's own first, then one below it, then any (7.3)."""
        self._count("%{p}")
        names = self._confirmed_names("%{p}")
        ranked = sorted(names, key=lambda name: (name != domain, not _lies_below(name, domain)))
        return ranked[0] if ranked else "unknown"


def _lies_below(name: str, above: str) -> bool:
    name, above = name.lower().rstrip("."), above.lower().rstrip(".")
    return name == above or name.endswith(f".{above}")
