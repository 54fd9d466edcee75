"""Why a domain puts off, refuses or returns our e-mails: from its servers' words to one vocabulary. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from outreach.core.vocabulary import Reason, TroubleCause
from outreach.events.bounces import classify

#: Longest words of a server that are looked at and shown.
LONGEST: Final = 240

#: What `bounces.classify` and providers call it -> what it means for us.
_BY_WORD: Final[Mapping[str, TroubleCause]] = {
    "authfailure": TroubleCause.AUTHENTICATION,
    "requireptr": TroubleCause.REVERSE_NAME,
    "blocked": TroubleCause.BLOCKLIST,
    "badreputation": TroubleCause.REPUTATION,
    "spamdetected": TroubleCause.SPAM,
    "virusdetected": TroubleCause.SPAM,
    "filtered": TroubleCause.POLICY,
    "toomanyconn": TroubleCause.RATE,
    "rejected": TroubleCause.SENDER,
    "norelaying": TroubleCause.SENDER,
    "policyviolation": TroubleCause.POLICY,
    "networkerror": TroubleCause.UNREACHABLE,
    "expired": TroubleCause.UNREACHABLE,
    "mailboxfull": TroubleCause.FULL,
    "userunknown": TroubleCause.NOBODY,
    "hostunknown": TroubleCause.NOBODY,
    "hasmoved": TroubleCause.NOBODY,
    "notaccept": TroubleCause.NOBODY,
    "suspend": TroubleCause.NOBODY,
    "mesgtoobig": TroubleCause.SIZE,
    "systemerror": TroubleCause.LATER,
    "mailererror": TroubleCause.LATER,
}
#: What the ledger already made of it, for words that say nothing more.
_BY_REASON: Final[Mapping[str, TroubleCause]] = {
    Reason.RATE_LIMITED: TroubleCause.RATE,
    Reason.TEMPORARY: TroubleCause.LATER,
    Reason.UNKNOWN_RECIPIENT: TroubleCause.NOBODY,
    Reason.INVALID_ADDRESS: TroubleCause.NOBODY,
    Reason.POLICY: TroubleCause.POLICY,
}
#: RFC 6647: a stranger's first try is put off on purpose.
_GREYLISTED: Final = re.compile(r"gr[ea]y-?list|postgrey|please (?:try|retry)(?: again)? (?:later|in)\b", re.I)
#: Within a word that only one message has: addresses, long numbers, marks of a server's log.
_ONES_OWN: Final = re.compile(r"@|\d[^\W\d]*\d[^\W\d]*\d\w{3}")
#: Status codes are short numbers, and stay.
_NUMBER: Final = re.compile(r"(?:[245]\d\d[- ]?)?[245]\.\d{1,3}\.\d{1,3}[,;:]?")


def cause_of(words: str, *, reason: str = "") -> TroubleCause:
    """What a server's words mean, else `reason`: of the ledger, of a provider, or as `bounces.classify` says it."""
    if _GREYLISTED.search(words):
        return TroubleCause.LATER
    said = classify(words) if words else ""
    named = reason if reason in _BY_WORD else classify(reason.replace("_", " ")) if reason else ""
    found = _BY_WORD.get(said) or _BY_REASON.get(reason) or _BY_WORD.get(named)
    if found is TroubleCause.LATER or found is None:
        return _BY_REASON.get(reason) or found or TroubleCause.OTHER
    return found


def without_names(words: str) -> str:
    """The words without what concerns one recipient or one message alone: alike for all who are refused alike."""
    kept = (_shared(word) for word in words[: 2 * LONGEST].split())
    return re.sub(r"(?:… )+…", "…", " ".join(kept))[:LONGEST]


def _shared(word: str) -> str:
    return word if _NUMBER.fullmatch(word) or not _ONES_OWN.search(word) else "…"
