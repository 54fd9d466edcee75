"""The addresses in a message that are one reader's own: which token each of them holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from outreach.delivery.tokens import Series, TokenKind

#: Variable of templates -> its token, and what stands before and behind it.
PERSONAL_URLS: Final[Mapping[str, tuple[TokenKind, str, str]]] = {
    "unsubscribe_url": (TokenKind.PERSON, "/u/", ""),
    "preferences_url": (TokenKind.PERSON, "/p/", ""),
    "keep_url": (TokenKind.PERSON, "/p/", "/keep"),
    "view_url": (TokenKind.VIEW, "/v/", ""),
    "feedback_url": (TokenKind.FEEDBACK, "/f/", ""),
    "survey_url": (TokenKind.FEEDBACK, "/q/", ""),
}
#: Those that a message holds only where it asks something.
OF_QUESTIONS: Final = frozenset({"feedback_url", "survey_url"})


class PersonalUrls:
    """Some of them, for the messages of one content: no token is made that none of them holds."""

    def __init__(self, names: Collection[str], *, base_url: str, series: Callable[..., Series]) -> None:
        """`series` makes tokens of the kinds that it is called with."""
        kinds = list(dict.fromkeys(PERSONAL_URLS[name][0] for name in names))
        self._series = series(*kinds)
        self._forms = [(name, kinds.index(kind), base_url + before, after) for name, kind, before, after in _of(names)]

    def make(self, delivery: int) -> dict[str, str]:
        """Variable -> address, of one delivery."""
        tokens = self._series.make(delivery)
        return {name: f"{before}{tokens[number]}{after}" for name, number, before, after in self._forms}


def _of(names: Collection[str]) -> list[tuple[str, TokenKind, str, str]]:
    return [(name, *PERSONAL_URLS[name]) for name in names]
