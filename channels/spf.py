"""Whether a domain's SPF record (RFC 7208) lets an address send for it. Macros are not expanded, but said."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from channels.dns_records import Resolver

#: RFC 7208, 4.6.4: terms that ask DNS, in a record and all that it includes.
MOST_LOOKUPS: Final = 10
_TERM: Final = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(.*))?", re.I)
_MODIFIER: Final = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.I)
_DUAL_LENGTH: Final = re.compile(r"(.*?)(?:/(\d{1,2}))?(?://(\d{1,3}))?")


class SpfResult(StrEnum):
    """RFC 7208, 2.6; `unjudged` where the record holds what we do not evaluate."""

    PASS = "pass"  # noqa: S105 -- a result, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    BROKEN = "permerror"
    UNJUDGED = "unjudged"


class Fault(StrEnum):
    """Why a record is broken."""

    SEVERAL = "several"
    SYNTAX = "syntax"
    LOOKUPS = "lookups"
    INCLUDE = "include"


@dataclass(frozen=True, kw_only=True)
class SpfVerdict:
    """What the record says of one address."""

    result: SpfResult
    fault: Fault | None = None
    #: The term or the name that is at fault.
    culprit: str = ""


class Term(NamedTuple):
    qualifier: str
    mechanism: str
    value: str


class _Broken(Exception):
    def __init__(self, fault: Fault, culprit: str = "") -> None:
        super().__init__(fault)
        self.fault = fault
        self.culprit = culprit


class _Unjudged(Exception):
    """A macro."""


_RESULTS: Final = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def judge_address(domain: str, address: str, resolver: Resolver) -> SpfVerdict:
    """What the domain's record says of mail from the address.

    Raises:
        ResolverSilent: a name that the record leads to cannot be looked up.
    """
    try:
        return SpfVerdict(result=_Evaluation(address, resolver).result(domain))
    except _Broken as err:
        return SpfVerdict(result=SpfResult.BROKEN, fault=err.fault, culprit=err.culprit)
    except _Unjudged:
        return SpfVerdict(result=SpfResult.UNJUDGED)


def parse(record: str) -> tuple[list[Term], str]:
    """The mechanisms in their order, and where `redirect=` leads."""
    terms: list[Term] = []
    redirect = ""
    for word in record.split()[1:]:
        if found := _TERM.fullmatch(word):
            value = (found[3] if found[3] == "/" else "") + (found[4] or "")
            terms.append(Term(found[1] or "+", found[2].lower(), value))
        elif found := _MODIFIER.fullmatch(word):
            redirect = found[2] if found[1].lower() == "redirect" else redirect
        else:
            raise _Broken(Fault.SYNTAX, word)
    return terms, redirect


class _Evaluation:
    """One address, one walk through the record and all that it includes."""

    def __init__(self, address: str, resolver: Resolver) -> None:
        self._address = ipaddress.ip_address(address)
        self._resolver = resolver
        self._lookups = 0

    def result(self, domain: str) -> SpfResult:
        records = [text for text in self._resolver.texts(domain) if is_spf(text)]
        if not records:
            return SpfResult.NONE
        if len(records) > 1:
            raise _Broken(Fault.SEVERAL, domain)
        terms, redirect = parse(records[0])
        for term in terms:
            if self._matches(term, domain):
                return _RESULTS[term.qualifier]
        if not redirect or any(term.mechanism == "all" for term in terms):
            return SpfResult.NEUTRAL
        return self._follow(redirect)

    def _matches(self, term: Term, domain: str) -> bool:
        if term.mechanism == "all":
            return True
        if term.mechanism in ("ip4", "ip6"):
            return self._lies_in(term.value)
        if term.mechanism == "include":
            return self._follow(term.value) is SpfResult.PASS
        self._count(term)
        if term.mechanism == "ptr":  # deprecated (RFC 7208, 5.5), and asked of no large receiver
            return False
        return self._is_named(term, domain)

    def _is_named(self, term: Term, domain: str) -> bool:
        """By `a`, `mx` or `exists`."""
        found = _DUAL_LENGTH.fullmatch(term.value)
        target, length4, length6 = (found[1], found[2], found[3]) if found else (term.value, None, None)
        target = _plain(target) or domain
        if term.mechanism == "exists":
            return bool(self._resolver.addresses(target))
        hosts = self._resolver.exchanges(target)[:MOST_LOOKUPS] if term.mechanism == "mx" else (target,)
        length = length4 if self._address.version == 4 else length6
        return any(
            self._lies_in(f"{address}/{length}" if length else address)
            for host in hosts
            if host
            for address in self._resolver.addresses(host)
        )

    def _follow(self, name: str) -> SpfResult:
        self._count(Term("+", "include", name))
        found = self.result(_plain(name))
        if found is SpfResult.NONE:
            raise _Broken(Fault.INCLUDE, name)
        return found

    def _count(self, term: Term) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise _Broken(Fault.LOOKUPS, term.value or term.mechanism)

    def _lies_in(self, network: str) -> bool:
        try:
            return self._address in ipaddress.ip_network(network, strict=False)
        except ValueError as err:
            raise _Broken(Fault.SYNTAX, network) from err


def _plain(name: str) -> str:
    if "%" in name:
        raise _Unjudged
    return name


def with_mechanism(record: str, mechanism: str) -> str:
    """The record with one mechanism more, in front of what ends it."""
    words = record.split()
    end = next((at for at, word in enumerate(words) if re.fullmatch(r"[+?~-]?all|redirect=.*", word, re.I)), len(words))
    return " ".join([*words[:end], mechanism, *words[end:]])
