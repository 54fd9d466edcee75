"""How far runs are, from the ledger's counters alone: what Home, Running and the lists of campaigns show."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from django.db.models import Func, IntegerField, Sum

from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.vocabulary import Channel, DeliveryState, Receipt
from outreach.delivery.models import Batch
from outreach.effectiveness.tallies import Tallies, tallies_of

S = DeliveryState
#: The columns of the table on Running, in order; `delivered` and `bounced` split `accepted` by receipt.
COLUMNS: Final = (
    "delivered",
    "accepted",
    "sending",
    "deferred",
    "rejected",
    "bounced",
    "unknown",
    "planned",
    "cancelled",
)
ALWAYS_SHOWN: Final = frozenset(COLUMNS) - {"cancelled"}
#: Parts of a bar of progress: columns and the colour they share.
BAR: Final = (
    (("delivered",), "accent"),
    (("accepted", "sending"), "mid"),
    (("deferred",), "warn"),
    (("unknown",), "unsure"),
    (("rejected", "bounced"), "bad"),
)
#: Minutes of the line of the rate.
LOOK_BACK: Final = 30


@dataclass(frozen=True, kw_only=True)
class Row:
    """One channel's messages by what became of them; `channel` is '' for all together."""

    channel: str
    #: Column -> messages; their sum is `total`.
    counts: dict[str, int]

    @property
    def label(self) -> str:
        return str(Channel(self.channel).label) if self.channel else ""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def handed_over(self) -> int:
        return sum(self.counts[name] for name in ("delivered", "accepted", "rejected", "bounced", "unknown"))

    @property
    def failed(self) -> int:
        return self.counts["rejected"] + self.counts["bounced"]

    @property
    def open(self) -> int:
        """Messages that a cancel would stop: neither closed nor in somebody's hands."""
        return self.counts["planned"] + self.counts["deferred"]

    @property
    def share(self) -> float:
        return self.handed_over / self.total if self.total else 0.0

    @property
    def bar(self) -> list[tuple[float, str]]:
        whole = self.total or 1
        return [(sum(self.counts[name] for name in names) / whole, kind) for names, kind in BAR]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One run as its ledger stands at `read_at`."""

    run: Run
    rows: list[Row]
    #: Reason -> people of the audience who were left out.
    skipped: dict[str, int]
    held_out: int
    #: Messages that stand in for one on another channel: of no member of the audience the first.
    fallbacks: int
    #: Messages accepted in each of the last minutes, oldest first.
    rate: list[int]
    read_at: datetime

    @cached_property
    def all(self) -> Row:
        sums: Tally[str] = Tally()
        for row in self.rows:
            sums.update(row.counts)
        return Row(channel="", counts={name: sums[name] for name in COLUMNS})

    @property
    def columns(self) -> list[str]:
        return [name for name in COLUMNS if name in ALWAYS_SHOWN or self.all.counts[name]]

    @property
    def skipped_count(self) -> int:
        return sum(self.skipped.values())

    @property
    def audience(self) -> int:
        """Rows in the ledger."""
        return self.all.total + self.skipped_count + self.held_out

    @property
    def is_complete(self) -> bool:
        """Whether everybody of the audience has a row by now."""
        return self.run.fanned_out_at is not None

    @property
    def adds_up(self) -> bool:
        return self.audience == self.run.audience_count + self.fallbacks

    @property
    def rate_now(self) -> int:
        """The last whole minute, or the one that runs if it has more already."""
        return max(self.rate[-2:], default=0)

    @property
    def ends_at(self) -> datetime | None:
        """When it is done at the present rate."""
        remaining = self.all.open + self.all.counts["sending"]
        if not remaining or not self.rate_now:
            return None
        return self.read_at + timedelta(minutes=remaining / self.rate_now)


def progress_of(runs: Iterable[Run]) -> list[Progress]:
    """Each run's progress; two queries, however many runs."""
    found = list(runs)
    ids = [run.pk for run in found]
    tallies, in_hand, now = tallies_of(ids), _in_hand(ids), clock.now()
    return [_progress(run, tallies.of_runs([run.pk]), in_hand, now) for run in found]


def _progress(run: Run, tallies: Tallies, in_hand: dict[tuple[int, str], int], now: datetime) -> Progress:
    channels = [name for name in Channel.values if name in set(tallies.values("channel"))]
    return Progress(
        run=run,
        rows=[
            Row(channel=name, counts=_counts(tallies.only(channel=name), in_hand.get((run.pk, name), 0)))
            for name in channels
        ],
        skipped=tallies.reasons(S.SKIPPED),
        held_out=tallies.states()[S.HELD_OUT],
        fallbacks=tallies.fallbacks,
        rate=_rate(tallies, run.started_at, now),
        read_at=now,
    )


def _counts(tallies: Tallies, sending: int) -> dict[str, int]:
    states, receipts = tallies.states(), tallies.receipts()
    delivered = receipts[Receipt.DELIVERED] + receipts[Receipt.READ]
    bounced = receipts[Receipt.BOUNCED] + receipts[Receipt.COMPLAINED]
    sending = min(sending, states[S.PLANNED] + states[S.DEFERRED])
    from_planned = min(sending, states[S.PLANNED])
    return {
        "delivered": min(delivered, states[S.ACCEPTED]),
        "accepted": max(0, states[S.ACCEPTED] - delivered - bounced),
        "sending": sending,
        "deferred": states[S.DEFERRED] - (sending - from_planned),
        "rejected": states[S.REJECTED],
        "bounced": min(bounced, max(0, states[S.ACCEPTED] - delivered)),
        "unknown": states[S.UNKNOWN],
        "planned": states[S.PLANNED] - from_planned,
        "cancelled": states[S.CANCELLED],
    }


def _in_hand(run_ids: list[int]) -> dict[tuple[int, str], int]:
    rows = (
        Batch.objects.filter(run__in=run_ids)
        .exclude(in_hand=[])
        .values_list("run_id", "account__channel")
        .annotate(ids=Sum(Func("in_hand", function="cardinality", output_field=IntegerField())))
    )
    return {(run_id, channel): ids for run_id, channel, ids in rows}


def _rate(tallies: Tallies, started_at: datetime | None, now: datetime) -> list[int]:
    minutes = tallies.minutes()
    length = LOOK_BACK
    if started_at is not None:
        length = min(LOOK_BACK, int((now - started_at).total_seconds() // 60) + 1)
    names = [
        (now - timedelta(minutes=back)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M") for back in reversed(range(length))
    ]
    return [minutes.get(name, 0) for name in names]
