"""Sums of the ledger's counters over runs: the one query behind every number of a report."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from django.db.models import Sum

from outreach.core.vocabulary import CounterKind, DeliveryState, EventKind, Receipt, Verdict
from outreach.delivery.models import Counter

#: Whoever the message was for: all but those of the audience who were left out on purpose.
WRITTEN_TO: Final = (
    DeliveryState.PLANNED,
    DeliveryState.DEFERRED,
    DeliveryState.ACCEPTED,
    DeliveryState.REJECTED,
    DeliveryState.UNKNOWN,
    DeliveryState.CANCELLED,
)

#: (stage, source, bearing) -> people.
Evidence: TypeAlias = "Mapping[tuple[str, str, str], int]"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """How often something happened, by who did it."""

    human: int = 0
    uncertain: int = 0
    machine: int = 0

    def as_json(self) -> dict[str, int]:
        return {"human": self.human, "uncertain": self.uncertain, "machine": self.machine}


class Tallies:
    """Counters of some runs, summed over slots; can be cut by channel or language and asked by name."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = [dict(row) for row in rows]

    def only(self, **dimensions: str) -> Tallies:
        """The part with these dimensions: `channel="email"`, `language="bg"`, `run_id=7`."""
        return Tallies(row for row in self._rows if all(row[name] == value for name, value in dimensions.items()))

    def of_runs(self, run_ids: Iterable[int]) -> Tallies:
        wanted = set(run_ids)
        return Tallies(row for row in self._rows if row["run_id"] in wanted)

    def groups(self) -> dict[tuple[int, str, str], Tallies]:
        """The parts by (run, channel, language)."""
        rows: dict[tuple[int, str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for row in self._rows:
            rows[row["run_id"], row["channel"], row["language"]].append(row)
        return {group: Tallies(found) for group, found in rows.items()}

    def values(self, dimension: str) -> list[Any]:
        """The values that occur in a dimension among the ledger's rows, in order."""
        return sorted({row[dimension] for row in self._rows if row["kind"] == CounterKind.STATE and row["count"]})

    def states(self) -> dict[str, int]:
        """State -> messages, every state named."""
        found = self._by_name(CounterKind.STATE)
        return {state.value: found[state.value] for state in DeliveryState}

    def reasons(self, state: str) -> dict[str, int]:
        """Reason -> messages among those in a state, most first."""
        tally: Tally[str] = Tally()
        for row in self._of(CounterKind.STATE):
            if row["name"] == state:
                tally[row["reason"]] += row["count"]
        return {reason: count for reason, count in tally.most_common() if count}

    def receipts(self) -> dict[str, int]:
        found = self._by_name(CounterKind.RECEIPT)
        return {receipt.value: found[receipt.value] for receipt in Receipt if receipt.value}

    def events(self, kind: EventKind) -> Verdicts:
        tally: Tally[str] = Tally()
        for row in self._of(CounterKind.EVENT):
            if row["name"] == kind:
                tally[row["reason"]] += row["count"]
        return Verdicts(human=tally[Verdict.HUMAN], uncertain=tally[Verdict.UNCERTAIN], machine=tally[Verdict.MACHINE])

    def named(self, kind: EventKind) -> int:
        """Of the events of this kind by people, those of which it is known whose message it was."""
        return self._by_name(CounterKind.NAMED)[kind]

    def readers(self, kind: EventKind) -> int:
        """Messages of which a person did this at least once, as far as it is known whose they were."""
        return self._by_name(CounterKind.READER)[kind]

    def evidence(self) -> Evidence:
        """What is written down of the stages that people came to."""
        tally: Tally[tuple[str, str, str]] = Tally()
        for row in self._of(CounterKind.STAGE):
            stage, _colon, source = row["name"].partition(":")
            tally[stage, source, row["reason"]] += row["count"]
        return tally

    def minutes(self) -> dict[str, int]:
        """Minute (UTC, `YYYY-MM-DDTHH:MM`) -> messages accepted in it, in order."""
        return dict(sorted(self._by_name(CounterKind.MINUTE).items()))

    @property
    def messages(self) -> int:
        """Rows of whatever state."""
        return sum(self.states().values())

    @property
    def fallbacks(self) -> int:
        """Rows that stand in for one on another channel."""
        return self._by_name(CounterKind.FALLBACK)[""]

    @property
    def audience(self) -> int:
        """Rows that were written at fan-out; what stands in for one of them is no member more."""
        return self.messages - self.fallbacks

    @property
    def accepted(self) -> int:
        return self.states()[DeliveryState.ACCEPTED]

    @property
    def reached(self) -> int:
        """Accepted and not returned."""
        return max(0, self.accepted - self.receipts()[Receipt.BOUNCED])

    def _of(self, kind: CounterKind) -> list[dict[str, Any]]:
        return [row for row in self._rows if row["kind"] == kind]

    def _by_name(self, kind: CounterKind) -> Tally[str]:
        tally: Tally[str] = Tally()
        for row in self._of(kind):
            tally[row["name"]] += row["count"]
        return tally


def tallies_of(run_ids: Iterable[int]) -> Tallies:
    """The counters of these runs, in one query; but links and moments, of which there may be thousands."""
    return Tallies(
        Counter.objects.filter(run__in=list(run_ids))
        .exclude(kind__in=[CounterKind.LINK, CounterKind.MOMENT])
        .values("run_id", "kind", "channel", "language", "name", "reason")
        .annotate(count=Sum("count"))
        .order_by()
    )
