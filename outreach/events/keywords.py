"""Words that people send instead of an answer: STOP, START, HELP, JOIN. Pure; what they do is elsewhere."""

from __future__ import annotations

import re
from typing import Final

from outreach.core.vocabulary import ReplyKind
from outreach.events.courtesies import without_courtesies
from outreach.events.stop_words import STOPS

#: Each is all that somebody writes; in Bulgarian also as typed without Cyrillic.
_WORDS: Final = {
    ReplyKind.STOP: (
        r"(?:please )?(?:stop|stopall|stop all|unsubscribe|unsubscribe me|cancel|end|quit|remove|remove me|opt ?-?out|"
        r"стоп|спри|спрете|край|отпиши|отпиши ме|отпишете ме|отписване|отказ|откажи|отказвам се|не пишете|"
        r"spri|sprete|krai|kray|otpishi|otpishi me|otkaz)(?: please| моля)?"
    ),
    ReplyKind.START: r"start|unstop|resume|старт|започни|започнете|възобнови|възобновете|zapochni|vazobnovi",
    ReplyKind.HELP: r"help|help me|info|information|помощ|помогнете|инфо|информация|pomosht|pomosh|pomoshch",
}
#: With what follows it: a topic's name, not a sentence.
_JOIN: Final = re.compile(
    r"(?:join|subscribe|(?:запиши|абонирай)(?: ме)?(?: за)?|(?:zapishi|abonirai|aboniray)(?: me)?(?: za)?)"
    r"(?P<topic>(?: [\w-]+){0,8})",
    re.IGNORECASE,
)
_PATTERNS: Final = {kind: re.compile(words, re.IGNORECASE) for kind, words in _WORDS.items()}
#: Of a letter that bears such a word as its subject, and wants something else, or only a part of it.
_TAKES_BACK: Final = re.compile(
    r"\?|\b(?:не|недейте|но|само|not|don['’]t|but|only|нет|только|nicht|nur|pas|no)\b", re.I
)
_CYRILLIC: Final = re.compile(r"[а-я]", re.IGNORECASE)


def keyword_of(text: str) -> ReplyKind | None:
    """What a text is where it says nothing but one of the words, greetings aside; None for every other."""
    plain = _plain(without_courtesies(text))
    found = next((kind for kind, words in _PATTERNS.items() if words.fullmatch(plain)), None)
    if found is None and STOPS.fullmatch(plain):
        return ReplyKind.STOP
    return found or (ReplyKind.JOIN if _JOIN.fullmatch(_plain(text)) else None)


def topic_asked_for(text: str) -> str:
    """What stands behind JOIN; '' where nothing does, or another word is said."""
    found = _JOIN.fullmatch(_plain(text))
    return found["topic"].strip() if found else ""


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s-]", " ", text).split())


def is_stop(text: str) -> bool:
    """Whether a text says nothing but that messages shall end."""
    return keyword_of(text) == ReplyKind.STOP


def asks_to_stop(subject: str, text: str) -> bool:
    """Whether a letter says nothing else; its subject may say so alone, where the letter takes nothing of that back."""
    return is_stop(text) or (is_stop(subject) and not _TAKES_BACK.search(text))


def is_cyrillic(text: str) -> bool:
    """Whether somebody wrote in Bulgarian letters, and so reads them."""
    return bool(_CYRILLIC.search(text))
