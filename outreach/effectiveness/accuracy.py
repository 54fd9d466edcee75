"""How far the verdicts of a report can be trusted: what they were, and how well the rules do where the truth is known.

The figures are those of `outreach bench classify` at its usual mix and seed; a test plays it again and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from outreach.core.vocabulary import EventKind, Tracking
from outreach.effectiveness.tallies import Tallies, Verdicts


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Of simulated readers and scanners."""

    #: Share of machines' events called machine or uncertain.
    machines_told: float
    #: Share of people's events called a machine's.
    people_blamed: float
    #: Share of people's events called a person's; the rest is doubted.
    people_kept: float


#: Kinds of readers and scanners in the simulation.
KINDS_PLAYED: Final = 27
#: Where deliveries are known, events are judged together; in aggregate each request is judged by itself.
SIMULATED: Final[Mapping[str, Accuracy]] = {
    Tracking.INDIVIDUAL: Accuracy(machines_told=0.9974, people_blamed=0.0001, people_kept=0.9661),
    Tracking.AGGREGATE: Accuracy(machines_told=0.6364, people_blamed=0.0, people_kept=0.9885),
}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a campaign's openings and clicks were taken for, all together."""

    found: Verdicts
    #: None where nothing is counted.
    simulated: Accuracy | None

    @property
    def events(self) -> int:
        return self.found.human + self.found.uncertain + self.found.machine

    def share(self, count: int) -> float:
        return count / self.events if self.events else 0.0


def judged(tallies: Tallies, tracking: str) -> Judged:
    """The verdicts on openings and clicks, beside the accuracy that the campaign's tracking allows."""
    opens, clicks = tallies.events(EventKind.OPENED), tallies.events(EventKind.CLICKED)
    found = Verdicts(
        human=opens.human + clicks.human,
        uncertain=opens.uncertain + clicks.uncertain,
        machine=opens.machine + clicks.machine,
    )
    return Judged(found=found, simulated=SIMULATED.get(tracking))


def judged_json(found: Judged) -> dict[str, Any]:
    """As the API gives it: counts, shares, and the simulation's figures."""
    counts = found.found.as_json()
    return {
        "events": found.events,
        **counts,
        "shares": {verdict: round(found.share(count), 4) for verdict, count in counts.items()},
        "simulated": found.simulated and dict(found.simulated.__dict__),
    }
