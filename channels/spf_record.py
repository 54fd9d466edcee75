"""The words of an SPF record (RFC 7208, 4.6, 5 and 12): read, refused where they are wrong, expanded. Asks nobody."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Characters of the longest name that DNS holds; of a longer one the labels on the left go (7.3).
LONGEST_NAME: Final = 253
#: Letters that stand for something in a name; c, r and t only in the explanation of a refusal (7.2).
_LETTERS, _LETTERS_OF_TEXTS = "slodiphv", "slodiphvcrt"
_EXPAND: Final = r"%(?:\{{[{letters}][0-9]*r?[.\-+,/_=]*\}}|[%_-])"
_LITERAL: Final = r"[\x21-\x24\x26-\x7e]"
_IN_NAME: Final = _EXPAND.format(letters=_LETTERS)
_IN_TEXT: Final = _EXPAND.format(letters=_LETTERS_OF_TEXTS)
_TOP_LABEL: Final = r"(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])"
_NAME: Final = re.compile(rf"(?:{_IN_NAME}|{_LITERAL})*(?:\.{_TOP_LABEL}\.?|{_IN_NAME})", re.I)
_TEXT: Final = re.compile(rf"(?:{_IN_TEXT}|{_LITERAL})*", re.I)
_MACRO: Final = re.compile(r"%(?:\{([a-z])([0-9]*)(r?)([.\-+,/_=]*)\}|([%_-]))", re.I)
_ESCAPED: Final = {"%": "%", "_": " ", "-": "%20"}
_DIRECTIVE: Final = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?=[:/]|\Z)(.*)", re.I | re.S)
_MODIFIER: Final = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.I | re.S)
_LENGTH: Final = r"0|[1-9][0-9]{0,2}"
_TARGET: Final = re.compile(rf"(?::(.+?))?(?:/({_LENGTH}))?(?://({_LENGTH}))?", re.S)
_NETWORK: Final = re.compile(rf":([^/]+)(?:/({_LENGTH}))?", re.S)


class Fault(StrEnum):
    """Why a record is broken."""

    SEVERAL = "several"
    SYNTAX = "syntax"
    LOOKUPS = "lookups"
    #: More than two look-ups that find nothing.
    VOID = "void"
    INCLUDE = "include"


class BrokenRecord(Exception):
    """A record that receivers take for a mistake (permerror)."""

    def __init__(self, fault: Fault, culprit: str = "") -> None:
        super().__init__(fault)
        self.fault = fault
        #: The term or the name that is at fault.
        self.culprit = culprit


@dataclass(frozen=True, kw_only=True)
class Term:
    """One mechanism of a record."""

    qualifier: str
    mechanism: str
    #: The name that it is about, with its macros; '' for the domain itself.
    target: str = ""
    #: Of `ip4` and `ip6`.
    network: Network | None = None
    #: Bits that count, of the addresses that `a` and `mx` lead to.
    length4: int = 32
    length6: int = 128

    def __str__(self) -> str:
        return self.target or self.mechanism


@dataclass(frozen=True, kw_only=True)
class SpfRecord:
    """A record whose every word is right."""

    terms: tuple[Term, ...]
    #: Where the modifier leads, with its macros; '' without one, or where `all` makes it void (6.1).
    redirect: str


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def parse(record: str) -> SpfRecord:
    """All terms in their order.

    Raises:
        BrokenRecord: one of them is wrong; so is then the whole record (4.6), whatever stands in front of it.
    """
    terms: list[Term] = []
    names: dict[str, str] = {}
    for word in filter(None, record[len("v=spf1") :].split(" ")):
        if found := _DIRECTIVE.fullmatch(word):
            terms.append(_term(word, found[1] or "+", found[2].lower(), found[3]))
        elif found := _MODIFIER.fullmatch(word):
            _read_modifier(word, found[1].lower(), found[2], names)
        else:
            raise BrokenRecord(Fault.SYNTAX, word)
    redirect = "" if any(term.mechanism == "all" for term in terms) else names.get("redirect", "")
    return SpfRecord(terms=tuple(terms), redirect=redirect)


def _term(word: str, qualifier: str, mechanism: str, rest: str) -> Term:
    if mechanism in ("ip4", "ip6"):
        return Term(qualifier=qualifier, mechanism=mechanism, network=_network(word, mechanism, rest))
    found = _TARGET.fullmatch(rest)
    takes_length, needs_target = mechanism in ("a", "mx"), mechanism in ("include", "exists")
    if not found or (mechanism == "all" and rest) or (needs_target and not found[1]):
        raise BrokenRecord(Fault.SYNTAX, word)
    target, length4, length6 = found[1] or "", int(found[2] or 32), int(found[3] or 128)
    has_length = found[2] or found[3]
    if (target and not _NAME.fullmatch(target)) or length4 > 32 or length6 > 128 or (has_length and not takes_length):
        raise BrokenRecord(Fault.SYNTAX, word)
    _refuse_no_labels(word, target)
    return Term(qualifier=qualifier, mechanism=mechanism, target=target, length4=length4, length6=length6)


def _network(word: str, mechanism: str, rest: str) -> Network:
    found = _NETWORK.fullmatch(rest)
    try:
        if not found:
            raise ValueError
        network = ipaddress.ip_network(f"{found[1]}/{found[2]}" if found[2] else found[1], strict=False)
        if f"ip{network.version}" != mechanism:
            raise ValueError
    except ValueError as err:
        raise BrokenRecord(Fault.SYNTAX, word) from err
    return network


def _read_modifier(word: str, name: str, value: str, names: dict[str, str]) -> None:
    """`redirect` and `exp` name one place each, once; of others only the form counts (6)."""
    is_known = name in ("redirect", "exp")
    if not (_NAME if is_known else _TEXT).fullmatch(value) or (is_known and name in names):
        raise BrokenRecord(Fault.SYNTAX, word)
    _refuse_no_labels(word, value)
    if is_known:
        names[name] = value


def _refuse_no_labels(word: str, text: str) -> None:
    """A macro that keeps no label, such as %{d0} (7.1)."""
    if any(macro[2] and int(macro[2]) == 0 for macro in _MACRO.finditer(text)):
        raise BrokenRecord(Fault.SYNTAX, word)


def expand(text: str, value: Callable[[str], str]) -> str:
    """A name with its macros replaced (7), no longer than DNS holds. `value` says what a small letter stands for."""
    name = _MACRO.sub(lambda macro: _ESCAPED[macro[5]] if macro[5] else _expanded(macro, value), text)
    while len(name) > LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _expanded(macro: re.Match[str], value: Callable[[str], str]) -> str:
    parts = re.split(f"[{re.escape(macro[4] or '.')}]", value(macro[1].lower()))
    if macro[3]:
        parts.reverse()
    text = ".".join(parts[-int(macro[2]) :] if macro[2] else parts)
    return quote(text, safe="-._~") if macro[1].isupper() else text


def with_mechanism(record: str, mechanism: str) -> str:
    """The record with one mechanism more, in front of what ends it."""
    words = record.split()
    end = next((at for at, word in enumerate(words) if re.fullmatch(r"[+?~-]?all|redirect=.*", word, re.I)), len(words))
    return " ".join([*words[:end], mechanism, *words[end:]])
