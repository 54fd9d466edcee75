"""Words that people send instead of an answer: STOP, START, HELP and their kin. Pure; what they do is elsewhere."""

from __future__ import annotations

import re
from typing import Final

from outreach.core.vocabulary import ReplyKind

#: Each is all that somebody writes; in Bulgarian also as typed without Cyrillic.
_WORDS: Final = {
    ReplyKind.STOP: (
        r"(?:please )?(?:stop|stopall|stop all|unsubscribe|unsubscribe me|cancel|end|quit|remove|remove me|opt ?-?out|"
        r"стоп|спри|спрете|край|отпиши|отпиши ме|отпишете ме|отписване|отказ|отказвам се|не пишете|"
        r"spri|sprete|krai|kray|otpishi|otpishi me|otkaz)(?: please| моля)?"
    ),
    ReplyKind.START: r"start|unstop|resume|старт|започни|започнете|възобнови|възобновете|zapochni|vazobnovi",
    ReplyKind.HELP: r"help|help me|info|information|помощ|помогнете|инфо|информация|pomosht|pomosh|pomoshch",
}
_PATTERNS: Final = {kind: re.compile(words, re.IGNORECASE) for kind, words in _WORDS.items()}
_CYRILLIC: Final = re.compile(r"[а-я]", re.IGNORECASE)


def keyword_of(text: str) -> ReplyKind | None:
    """What a text is where it says nothing but one of the words; None for every other."""
    plain = " ".join(re.sub(r"[^\w\s-]", " ", text).split())
    return next((kind for kind, words in _PATTERNS.items() if words.fullmatch(plain)), None)


def is_stop(text: str) -> bool:
    """Whether a text says nothing but that messages shall end."""
    return keyword_of(text) == ReplyKind.STOP


def is_cyrillic(text: str) -> bool:
    """Whether somebody wrote in Bulgarian letters, and so reads them."""
    return bool(_CYRILLIC.search(text))
