"""Why a message has its channel, as its row keeps it (`Delivery.choice`): written by SQL, read by receipts.

Words apart by spaces: first what it stands in for, if anything (`bounced`, `rejected:<reason>`, `skipped:<reason>`,
`silence:<minutes>`), then `wish` where the person asked for this channel, then each channel that was passed over, with
its hindrance (`sms:no_consent`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outreach.core.vocabulary import Channel

#: What the message of another channel came to, before this one took its place.
FAILURES: Final = frozenset({"bounced", "rejected", "skipped", "silence"})


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A choice of channel, read."""

    #: One of FAILURES, or '' for a first choice.
    failure: str = ""
    #: Its Reason, or the minutes of silence.
    cause: str = ""
    #: Whether the person asked to be written to by this channel first.
    is_wish: bool = False
    #: (channel, Reason) of those that could not be used.
    passed: tuple[tuple[str, str], ...] = ()


def read_choice(text: str) -> Choice:
    """The choice that a row keeps; '' is one without anything to say."""
    failure, cause, is_wish, passed = "", "", False, []
    for word in text.split():
        name, _colon, reason = word.partition(":")
        if name in FAILURES:
            failure, cause = name, reason
        elif name == "wish":
            is_wish = True
        elif name in Channel.values:
            passed.append((name, reason))
    return Choice(failure=failure, cause=cause, is_wish=is_wish, passed=tuple(passed))
