"""The hand-over: messages leave, and no transaction is open and no query runs meanwhile.

The adapter pulls messages one by one; each is rendered when it is pulled. What was never pulled was never handed over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from channels.base import ChannelError, Message, Outcome, OutcomeKind, Session
from outreach.core import failpoints
from outreach.delivery.hand import Row
from outreach.delivery.render import Recipient, RenderingFailed

logger = logging.getLogger(__name__)

#: The reason of a row whose message could not be made; no adapter says it.
NOT_RENDERED: Final = "rendering"
#: Of a content that there is one of.
NO_VARIANTS: Final = [""]
#: So many messages are made one after the other: the processor then has the code and the texts at hand.
AT_ONCE: Final = 32


class Renderer(Protocol):
    """A run, compiled once."""

    def render(self, recipient: Recipient) -> Message: ...


@dataclass
class HandOver:
    """What one window's hand-over came to."""

    #: Delivery id -> what the adapter said, or what its silence means.
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    #: What the account's trouble is, where there is any: the rest of the batch must wait.
    trouble: Outcome | None = None
    #: What the adapter raised though it must not; its rows are unknown.
    broken: bool = False


@dataclass
class Feed:
    """Messages of a window, made as they are pulled; ends when the time is up or the account is in trouble."""

    rows: list[Row]
    make: Callable[[Row], Message]
    is_time_up: Callable[[], bool]
    result: HandOver = field(default_factory=HandOver)
    #: Message id -> the row, of messages that were pulled and have no outcome yet.
    unanswered: dict[str, Row] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Message]:
        for start in range(0, len(self.rows), AT_ONCE):
            for row, message in self._made(self.rows[start : start + AT_ONCE]):
                if self.result.trouble is not None or self.is_time_up():
                    return
                failpoints.hit("handover.before")
                self.unanswered[message.id] = row
                yield message

    def _made(self, rows: list[Row]) -> list[tuple[Row, Message]]:
        """The rows' messages; a row whose message cannot be made has its outcome, and is left out."""
        made = []
        for row in rows:
            try:
                made.append((row, self.make(row)))
            except RenderingFailed as err:
                self.result.outcomes[row.id] = _not_rendered(row, err)
        return made


def hand_over(
    session: Session, rows: list[Row], make: Callable[[Row], Message], *, is_time_up: Callable[[], bool]
) -> HandOver:
    """Hand the rows over, lazily; a message that was pulled and got no answer is unknown."""
    feed = Feed(rows=rows, make=make, is_time_up=is_time_up)
    result = feed.result
    failpoints.hit("handover.begin")
    try:
        for outcome in session.send(feed):
            failpoints.hit("handover.after")
            row = feed.unanswered.pop(outcome.id, None)
            if row is None:
                logger.warning("An adapter spoke of a message that it does not have", extra={"action": "hand_over"})
                continue
            result.outcomes[row.id] = outcome
            if outcome.kind is not OutcomeKind.ACCEPTED and _concerns_the_account(outcome):
                result.trouble = outcome
    except ChannelError as err:
        result.trouble = err.outcome("")
    except Exception:  # the adapter's boundary: foreign code may fail in any way, and its rows must not be lost
        logger.exception("An adapter broke in mid-hand-over", extra={"action": "hand_over"})
        result.broken = True
    for id_, row in feed.unanswered.items():
        result.outcomes[row.id] = Outcome(id=id_, kind=OutcomeKind.UNKNOWN, detail="The adapter gave no answer.")
    failpoints.hit("handover.end")
    return result


def variant_for(draw: float, variants: list[str]) -> str:
    """The variant of a draw in [0, 1): even shares, in the variants' order. Pure, so a crash cannot draw anew."""
    return variants[min(int(draw * len(variants)), len(variants) - 1)] if variants else ""


def recipient_of(row: Row, *, variants: Mapping[tuple[str, str], list[str]], is_individual: bool) -> Recipient:
    """What rendering needs of a row."""
    channel, language = row.channel, row.language
    choice = variants.get((channel, language), NO_VARIANTS)
    variant = choice[0] if len(choice) == 1 else variant_for(row.draw, choice)
    individual = is_individual and bool(row.is_measured)
    return Recipient(row.id, channel, language, variant, row.to, _subscriber(row), individual, row.data)


def reads_attributes(frozen: Mapping[str, Any]) -> bool:
    """Whether any content of the run could read people's attributes."""
    return "attributes" in json.dumps(frozen["contents"])


def _subscriber(row: Row) -> dict[str, Any] | None:
    if row.kind is None:
        return None
    return {
        "id": row.subscriber,
        "name": row.name,
        "kind": row.kind,
        "language": row.subscriber_language,
        "attributes": row.attributes or {},
    }


def _not_rendered(row: Row, err: RenderingFailed) -> Outcome:
    return Outcome(id=str(row.id), kind=OutcomeKind.PERMANENT, reason=NOT_RENDERED, detail=str(err)[:500])


def _concerns_the_account(outcome: Outcome) -> bool:
    is_put_off = outcome.kind is OutcomeKind.TEMPORARY and outcome.scope == "account"
    return is_put_off or outcome.kind is OutcomeKind.ACCOUNT
