"""The peer's own record against the ledger, recipient by recipient: what was lost, doubled, and doubled in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

OPEN: Final = frozenset({"planned", "deferred"})
#: States that say that nobody got the message; `unknown` says that nobody knows.
NOT_TAKEN: Final = frozenset({"rejected", "skipped", "held_out", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Fate:
    """A row of the ledger."""

    #: `RUN-ID`, as the peer reads it in X-Outreach-Delivery.
    id: str
    target: str
    state: str
    reason: str
    uncertain: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run's end, seen from both sides."""

    scenario: str
    seed: int
    policy: str
    #: Members of the audience.
    messages: int
    #: Rows that the ledger says were accepted.
    accepted: int
    #: Accepted says the ledger, and the peer never completed it; or open when all is over; or a member without a row.
    lost: list[str]
    #: Taken twice by the peer.
    doubled: list[str]
    #: Whose receipt says that they may be.
    flagged: list[str]
    #: Doubled, and the receipt does not say that it may be.
    not_flagged: list[str]
    #: Ids in hand at the cut: so many may be doubled.
    in_hand: int
    #: What must not be at all, in words.
    wrong: list[str] = field(default_factory=list)
    #: What was done, and when, in words.
    schedule: str = ""

    @property
    def bound(self) -> int:
        """How many may be doubled at most."""
        return 0 if self.policy == "hold" else self.in_hand

    @property
    def problems(self) -> list[str]:
        """Which bounds do not hold; [] where all do."""
        named = {"lost": self.lost, "doubled and not flagged": self.not_flagged}
        found = [f"{len(ids)} {name}, such as {ids[0]}" for name, ids in named.items() if ids]
        if len(self.doubled) > self.bound:
            found.append(f"{len(self.doubled)} doubled, where at most {self.bound} may be")
        return [*found, *self.wrong]


def compare(
    scenario: str,
    *,
    seed: int,
    policy: str,
    audience: int,
    fates: Collection[Fate],
    taken: Iterable[str],
    cut: Collection[str],
    schedule: str = "",
) -> Comparison:
    """Compare the ledger's rows with what the peer took: `taken` holds one `RUN-ID` for each completed message.

    `cut` holds the ids that were in somebody's hands when he died, fell silent or lost the database: only those may
    be flagged, and only those doubled.
    """
    times = Counter(taken)
    by_id = {fate.id: fate for fate in fates}
    lost = [fate.id for fate in fates if fate.state in OPEN or (fate.state == "accepted" and not times[fate.id])]
    lost += ["a member without a row"] * (audience - len({fate.target for fate in fates}))
    doubled = sorted(id_ for id_, count in times.items() if count > 1)
    return Comparison(
        scenario=scenario,
        seed=seed,
        policy=policy,
        messages=audience,
        accepted=sum(fate.state == "accepted" for fate in fates),
        lost=lost,
        doubled=doubled,
        flagged=[fate.id for fate in fates if fate.uncertain],
        not_flagged=[id_ for id_ in doubled if id_ in by_id and not by_id[id_].uncertain],
        in_hand=len(cut),
        wrong=_contradictions(by_id, times, set(cut)),
        schedule=schedule,
    )


def _contradictions(fates: dict[str, Fate], times: Counter[str], cut: set[str]) -> list[str]:
    """What no fault excuses."""
    sure = [fate for fate in fates.values() if not fate.uncertain]
    found = {
        "handed over more than twice": [id_ for id_, count in times.items() if count > 2],
        "taken by the peer and in no row": [id_ for id_ in times if id_ not in fates],
        "doubled and not in hand at the cut": [id_ for id_, count in times.items() if count > 1 and id_ not in cut],
        "flagged and not in hand at the cut": [id_ for id_, fate in fates.items() if fate.uncertain and id_ not in cut],
        "taken, and the ledger denies it": [fate.id for fate in sure if fate.state in NOT_TAKEN and times[fate.id]],
        "unknown, and nobody had it in hand": [fate.id for fate in sure if fate.state == "unknown"],
        "two rows of one member": _twice(fate.target for fate in fates.values()),
    }
    return [f"{len(ids)} {name}, such as {ids[0]}" for name, ids in found.items() if ids]


def _twice(targets: Iterable[str]) -> list[str]:
    return [target for target, count in Counter(targets).items() if count > 1]
