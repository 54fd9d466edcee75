"""The story of one delivery: what the ledger's rows about it mean, step by step. Pure; `receipts` gathers the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from outreach.audience.models import Address, Subscriber
from outreach.campaigns.models import Run
from outreach.core.models import Account
from outreach.core.vocabulary import CLOSED, Channel, DeliveryState, RunKind
from outreach.delivery.choice import read_choice
from outreach.delivery.handover import variant_for
from outreach.delivery.models import Attempt, Batch, Delivery, Hand
from outreach.events.models import Event, Reply

#: A window is chosen so long before its commit at most: what was withdrawn meanwhile may not have been seen.
ASSEMBLING: Final = timedelta(seconds=5)
#: Steps of one moment, in the order in which they are told.
_ORDER: Final = (
    "planned", "kept", "carries", "withdrawn", "settled", "inherited", "late", "evidence", "attempt", "moved",
    "in_hand", "receipt", "followed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the story, at the time of its commit."""

    at: datetime
    #: `planned`, `in_hand`, `settled`, `inherited`, `late` (evidence of a worker that had lost its fence), `evidence`,
    #: `attempt` (of a time before windows were kept), `moved` (to another account), `receipt`, `followed` (by another
    #: channel), `kept` (for a digest), `carries` (a digest, of one message), `event`, `reply` or `withdrawn`.
    kind: str
    #: The word of the vocabulary: a state, an outcome, an event.
    word: str
    reason: str = ""
    detail: str = ""
    batch: int | None = None
    fence: int | None = None
    #: What else the step's sentence needs; see the functions below.
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """Somebody withdrew consent, or the address came on a suppression list."""

    at: datetime
    #: `withdrawn` or `suppressed`.
    word: str
    #: Source of the withdrawal, or reason of the suppression.
    reason: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of a message that was kept for a digest."""

    #: 1 or 7.
    days: int
    #: When the digest is due; None where that is still to be reckoned.
    due_at: datetime | None
    #: Public id of the digest's delivery, and when it was made; '' before.
    digest: str = ""
    told_at: datetime | None = None
    #: Why no digest tells it: a Reason, or ''.
    dropped: str = ""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A message that a digest tells, or was to tell."""

    campaign: str
    #: Public id of its own delivery.
    delivery: str
    #: Why it was left out in the end: a Reason, or ''.
    dropped: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that is known of a delivery. Rows that it names may be gone: nothing of the ledger depends on them."""

    delivery: Delivery
    run: Run
    batch: Batch | None
    account: Account | None
    address: Address | None
    subscriber: Subscriber | None
    hands: Sequence[Hand]
    attempts: Sequence[Attempt]
    events: Sequence[Event]
    replies: Sequence[Reply]
    withdrawals: Sequence[Withdrawal]
    #: Messages on another channel that stand in for it.
    followers: Sequence[Delivery]
    #: Of a message that was kept for its reader's digest.
    kept: Kept | None
    #: Of a digest.
    carried: Sequence[Carried]
    #: Link position -> where it leads, of the links that were clicked.
    links: Mapping[int, str]
    now: datetime

    @property
    def is_in_hand(self) -> bool:
        is_open = self.delivery.state not in CLOSED
        return is_open and self.batch is not None and self.delivery.id in self.batch.in_hand


def tell_story(known: Known) -> list[Step]:
    """What happened to the delivery, in the order of the commits."""
    steps = [_planned(known), *_windows(known), *_attempts(known), *_withdrawals(known), *_came_back(known)]
    steps += [*_followed(known), *_kept(known), *_carries(known)]
    told = {step.at for step in steps if step.kind != "planned"}
    delivery = known.delivery
    if delivery.settled_at and delivery.settled_at not in told and steps[0].word != delivery.state:
        steps.append(Step(at=delivery.settled_at, kind="settled", word=delivery.state, reason=delivery.reason))
    return sorted(steps, key=lambda step: (step.at, _ORDER.index(step.kind) if step.kind in _ORDER else len(_ORDER)))


def _planned(known: Known) -> Step:
    """Facts: the run, why this channel, and for a person the draw and the variant that it means."""
    delivery, run = known.delivery, known.run
    batches = [*(hand.batch_id for hand in known.hands[:1]), *(attempt.batch for attempt in known.attempts[:1])]
    was_closed = delivery.state in CLOSED and (delivery.settled_at is None or delivery.channel == Channel.FEED)
    variants = sorted({content.get("variant", "") for content in run.frozen["contents"] if _is_for(content, delivery)})
    return Step(
        at=delivery.created_at,
        kind="planned",
        word=delivery.state if was_closed else DeliveryState.PLANNED.value,
        reason=delivery.reason if was_closed else "",
        batch=next(filter(None, batches), delivery.batch_id),
        facts={
            "run": run.pk,
            "run_kind": run.kind,
            "due": run.occurrence,
            "channel": delivery.channel,
            "chosen": _why_channel(known),
            "order": list(run.frozen.get("channels", [])),
            "fallback_of": f"{run.pk}-{delivery.fallback_of}" if delivery.fallback_of else "",
            "draw": delivery.draw if delivery.target.startswith("s:") else None,
            "variant": variant_for(delivery.draw, variants),
            **_choice(delivery),
            **_meant(run),
        },
    )


def _meant(run: Run) -> dict[str, Any]:
    """In each language, whom of the topics' people the run's segments mean, where it has any."""
    words = run.frozen.get("segment", {}).get("words")
    return {"meant": words} if words else {}


def _choice(delivery: Delivery) -> dict[str, Any]:
    """What the row keeps of its choice: `failure` and `cause` of the message it stands in for, channels passed over."""
    choice = read_choice(delivery.choice)
    said: dict[str, Any] = {"failure": choice.failure, "cause": choice.cause} if choice.failure else {}
    if choice.passed:
        said["passed"] = [list(each) for each in choice.passed if each != (delivery.channel, delivery.reason)]
    return {name: value for name, value in said.items() if value}


def _followed(known: Known) -> Iterator[Step]:
    for other in known.followers:
        facts = {"channel": other.channel, "follower": other.public_id}
        word = "followed" if other.batch_id else "not_followed"
        yield Step(at=other.created_at, kind="followed", word=word, reason=other.reason, facts=facts)


def _kept(known: Known) -> Iterator[Step]:
    """That a digest told it, or why none does; while it waits, `prospects` says for what."""
    kept = known.kept
    if kept is None or not (kept.dropped or kept.told_at):
        return
    word = "not_told" if kept.dropped else "told"
    yield Step(
        at=kept.told_at or known.delivery.created_at,
        kind="kept",
        word=word,
        reason=kept.dropped,
        facts={"digest": kept.digest} if kept.digest else {},
    )


def _carries(known: Known) -> Iterator[Step]:
    for one in known.carried:
        facts = {"campaign": one.campaign, "delivery": one.delivery}
        word = "left_out" if one.dropped else "carries"
        yield Step(at=known.delivery.created_at, kind="carries", word=word, reason=one.dropped, facts=facts)


def _is_for(content: Mapping[str, Any], delivery: Delivery) -> bool:
    return (content["channel"], content["language"]) == (delivery.channel, delivery.language)


def _why_channel(known: Known) -> str:
    """`post`, `fallback`, `named`, `notice`, `digest`, `wish`, or the campaign's ChannelMode."""
    if known.delivery.target.startswith("a:"):
        return "post"
    if known.delivery.fallback_of:
        return "fallback"
    if known.run.kind == RunKind.TEST:
        return "named"
    if known.run.kind == RunKind.DIGEST:
        return "digest"
    if read_choice(known.delivery.choice).is_wish:
        return "wish"
    return "notice" if known.delivery.target.startswith("n:") else str(known.run.frozen.get("mode", "all"))


def _windows(known: Known) -> Iterator[Step]:
    """Two steps a window: the commit that took the delivery in hand, and the one that settled it, if any."""
    for hand in known.hands:
        until = hand.settled_at or taken_over(hand, known.attempts)
        is_held = until is None and known.is_in_hand and known.batch is not None and known.batch.fence == hand.fence
        yield Step(
            at=hand.in_hand_at,
            kind="in_hand",
            word="in_hand" if hand.settled_at or is_held else "lost",
            batch=hand.batch_id,
            fence=hand.fence,
            facts={"worker": hand.worker, "size": len(hand.ids), "until": until},
        )
        if hand.settled_at:
            yield _settled(known, hand, since={"worker": hand.worker, "since": hand.in_hand_at})


def taken_over(hand: Hand, attempts: Sequence[Attempt]) -> datetime | None:
    """When the next worker found the delivery in this hand."""
    found = (a.at for a in attempts if a.kind == "inherited" and a.batch == hand.batch_id and a.fence > hand.fence)
    return next(found, None)


def _settled(known: Known, hand: Hand, *, since: Mapping[str, Any]) -> Step:
    """The outcome; `returned` where the worker had not come to it: it was not handed over."""
    attempt = next((a for a in known.attempts if _settles(hand, a)), None)
    is_plain = known.delivery.settled_at == hand.settled_at
    word = attempt.kind if attempt else known.delivery.state if is_plain else "returned"
    return Step(
        at=hand.settled_at or hand.in_hand_at,
        kind="settled",
        word=word,
        reason=attempt.reason if attempt else "",
        detail=attempt.detail if attempt else "",
        batch=hand.batch_id,
        fence=hand.fence,
        facts=since,
    )


def _settles(hand: Hand, attempt: Attempt) -> bool:
    return (hand.batch_id, hand.fence, hand.settled_at) == (attempt.batch, attempt.fence, attempt.at)


def _attempts(known: Known) -> Iterator[Step]:
    """Evidence that no settled window tells."""
    for attempt in known.attempts:
        if any(_settles(hand, attempt) for hand in known.hands):
            continue
        yield Step(
            at=attempt.at,
            kind=_kind_of(attempt, known.hands),
            word=attempt.kind,
            reason=attempt.reason,
            detail=attempt.detail,
            batch=attempt.batch,
            fence=attempt.fence or None,
        )


def _kind_of(attempt: Attempt, hands: Sequence[Hand]) -> str:
    if attempt.kind in {"inherited", "moved"}:
        return attempt.kind
    if attempt.batch is None:
        return "evidence"
    return "late" if any((attempt.batch, attempt.fence) == (hand.batch_id, hand.fence) for hand in hands) else "attempt"


def _withdrawals(known: Known) -> Iterator[Step]:
    """Facts `since` and `until`, where it came while a window was being assembled or in hand (invariant 9)."""
    delivery = known.delivery
    ended = delivery.settled_at or delivery.created_at if delivery.state in CLOSED else known.now
    ends = {hand.pk: hand.settled_at or taken_over(hand, known.attempts) for hand in known.hands}
    for one in known.withdrawals:
        crossed = next((hand for hand in known.hands if _crosses(one.at, hand.in_hand_at, ends[hand.pk])), None)
        if crossed is None and one.at > ended:
            continue
        facts = {"since": crossed.in_hand_at, "until": ends[crossed.pk]} if crossed else {}
        yield Step(at=one.at, kind="withdrawn", word=one.word, reason=one.reason, facts=facts)


def _crosses(at: datetime, since: datetime, until: datetime | None) -> bool:
    return since - ASSEMBLING <= at and (until is None or at <= until)


def _came_back(known: Known) -> Iterator[Step]:
    delivery = known.delivery
    if delivery.receipt and delivery.receipt_at:
        yield Step(at=delivery.receipt_at, kind="receipt", word=delivery.receipt)
    for event in known.events:
        link = known.links.get(event.link, "") if event.link is not None else ""
        yield Step(
            at=event.at,
            kind="event",
            word=event.kind,
            reason=event.verdict,
            detail=event.reason,
            facts={"link": link} if link else {},
        )
    for reply in known.replies:
        yield Step(at=reply.received_at, kind="reply", word=reply.kind, detail=reply.text[:500])
