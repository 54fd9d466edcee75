"""What stored events of known deliveries say together: no person follows many links of one message in a moment. Pure.

`events.verdict` judged each request by itself; here a verdict may fall, from human to uncertain to machine, and never
rises. `events.bursts` reads the events and writes the corrections; `outreach bench classify` proves the rules.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final, NamedTuple

from outreach.core.vocabulary import EventKind, Verdict
from outreach.delivery.tokens import HONEYPOT
from outreach.events.verdict import Judgement

#: How long the company of an event can be: nothing that came further apart is looked at together.
REACH: Final = timedelta(minutes=5)


class Seen(NamedTuple):
    """An opening or a click of a known delivery."""

    at: datetime
    id: int
    run: int
    delivery: int
    kind: str
    channel: str
    language: str
    #: None for an opening, and where it is not known.
    link: int | None
    verdict: str
    reason: str


class Message(NamedTuple):
    """What is known of a delivery."""

    #: When its hand-over was settled; None where it is not yet.
    handed_at: datetime | None
    #: Of the address it went to; '' where there is none.
    domain: str


class Correction(NamedTuple):
    seen: Seen
    judgement: Judgement


class Series(NamedTuple):
    """Clicks of one message on so many different links, each at most `gap` after the one before."""

    gap: timedelta
    #: Different links; 0: all of the message's, of which there are at least `ALL`.
    links: int
    judgement: Judgement


_SURE: Final = Verdict.MACHINE
_DOUBT: Final = Judgement(Verdict.UNCERTAIN, "many_links")
#: The surest first. A hand needs longer from one link to the next; but whoever opens links in new tabs, or one after
#: the other, may be a thorough reader as well as a slow scanner.
SERIES: Final = (
    Series(timedelta(seconds=0.25), 2, Judgement(_SURE, "too_fast")),
    Series(timedelta(seconds=1), 5, Judgement(_SURE, "burst")),
    Series(timedelta(seconds=1), 2, _DOUBT),
    Series(timedelta(seconds=4), 3, _DOUBT),
    Series(timedelta(seconds=20), 5, _DOUBT),
    Series(timedelta(seconds=20), 0, _DOUBT),
)
#: Fewer links than these are soon all followed.
ALL: Final = 3
NEVER: Final = 1 << 30
#: Whoever came by the link that no reader sees also made the clicks around it.
BAIT: Final = timedelta(seconds=20)
#: Whoever made a series also loaded the pictures so shortly before it.
PICTURES: Final = timedelta(seconds=10)
#: Nobody is told of a message, opens it and follows a link in less.
AT_ONCE: Final = timedelta(seconds=1)
#: A gateway looks at each message to its domain as it comes: so shortly after, for so many and such a share of them.
HASTE: Final = timedelta(minutes=3)
HASTY_LEAST: Final = 8
HASTY_SHARE: Final = 0.6

_RANKS: Final = {Verdict.HUMAN: 0, Verdict.UNCERTAIN: 1, Verdict.MACHINE: 2}


def judge_together(
    events: Iterable[Seen],
    messages: Mapping[tuple[int, int], Message],
    *,
    links: Callable[[Seen], int],
    recipients: Callable[[int, str], int],
) -> list[Correction]:
    """The events whose verdict falls, each once.

    `messages` by (run, delivery). `links` says how many the event's message has; `recipients` how many people at a
    domain, of whom it can be known what they do, a run wrote to.
    """
    ordered = sorted(events, key=attrgetter("run", "delivery", "at", "id"))
    found: dict[Seen, Judgement] = {}
    for (run, delivery), group in groupby(ordered, key=attrgetter("run", "delivery")):
        of_message = list(group)
        _keep_lowest(found, _by_links(of_message, links))
        _keep_lowest(found, _at_once(of_message, messages.get((run, delivery))))
    _keep_lowest(found, _by_domain(ordered, found, messages, recipients))
    return [Correction(seen, judgement) for seen, judgement in found.items()]


def _keep_lowest(found: dict[Seen, Judgement], judged: Iterable[tuple[Seen, Judgement]]) -> None:
    for seen, judgement in judged:
        before = found[seen].verdict if seen in found else Verdict(seen.verdict)
        if _RANKS[judgement.verdict] > _RANKS[before]:
            found[seen] = judgement


def _by_links(events: Sequence[Seen], links: Callable[[Seen], int]) -> Iterator[tuple[Seen, Judgement]]:
    clicks = [seen for seen in events if seen.kind == EventKind.CLICKED and seen.link is not None]
    if any(seen.link == HONEYPOT for seen in clicks):
        for series in _series(clicks, BAIT):
            if any(seen.link == HONEYPOT for seen in series):
                yield from _by_one_hand(series, events, Judgement(Verdict.MACHINE, "honeypot"))
    if len(clicks) < 2:
        return
    every = links(clicks[0])
    for rule in SERIES:
        wanted = rule.links or (every if every >= ALL else NEVER)
        for series in _series(clicks, rule.gap):
            if len({seen.link for seen in series}) >= wanted:
                yield from _by_one_hand(series, events, rule.judgement)


def _series(clicks: Sequence[Seen], gap: timedelta) -> Iterator[list[Seen]]:
    """The clicks, which are in order, parted where one came more than `gap` after the one before."""
    series = list(clicks[:1])
    for before, seen in pairwise(clicks):
        if seen.at - before.at > gap:
            yield series
            series = []
        series.append(seen)
    yield series


def _by_one_hand(
    series: Sequence[Seen], events: Iterable[Seen], judgement: Judgement
) -> Iterator[tuple[Seen, Judgement]]:
    """The verdict on a series; but where a link was followed twice in it, one may be a person's who came meanwhile.

    Pictures that were loaded with it may be a person's, too.
    """
    doubt = Judgement(Verdict.UNCERTAIN, judgement.reason)
    times = Tally(seen.link for seen in series)
    yield from ((seen, judgement if times[seen.link] == 1 else doubt) for seen in series)
    begun, ended = series[0].at - PICTURES, series[-1].at
    yield from ((e, doubt) for e in events if e.kind == EventKind.OPENED and begun <= e.at <= ended)


def _at_once(events: Iterable[Seen], message: Message | None) -> Iterator[tuple[Seen, Judgement]]:
    """A hand-over is settled some time after it happened: what came before that says little, so it is no machine's."""
    if message is not None and message.handed_at is not None:
        until = message.handed_at + AT_ONCE
        yield from ((seen, Judgement(Verdict.UNCERTAIN, "at_once")) for seen in events if seen.at < until)


def _by_domain(
    events: Iterable[Seen],
    found: Mapping[Seen, Judgement],
    messages: Mapping[tuple[int, int], Message],
    recipients: Callable[[int, str], int],
) -> Iterator[tuple[Seen, Judgement]]:
    """What came hastily to most of a domain's people, also when each message has but one link."""
    hasty: dict[tuple[int, str], list[Seen]] = defaultdict(list)
    for seen in events:
        message = messages.get((seen.run, seen.delivery))
        if message and message.domain and message.handed_at and seen.at < message.handed_at + HASTE:
            lowest = found[seen].verdict if seen in found else seen.verdict
            # A machine that is known for one says nothing of the others.
            if lowest != Verdict.MACHINE and seen.reason != "privacy_proxy":
                hasty[seen.run, message.domain].append(seen)
    for (run, domain), group in hasty.items():
        people = len({seen.delivery for seen in group})
        if people >= HASTY_LEAST and people >= HASTY_SHARE * recipients(run, domain):
            yield from ((seen, Judgement(Verdict.UNCERTAIN, "domain_burst")) for seen in group)
