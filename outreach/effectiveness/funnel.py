"""The six stages of the project's source: how many people reached at least each, and how sure that is.

Evidence: knows = the message was handed over and did not come back; understands = a person opened it; interested = they
followed a link or answered; uses, satisfied, recommends = the service itself reported it. A stage that nobody can
report on is `None`, not zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q

from outreach.core.vocabulary import EventKind, Goal
from outreach.effectiveness.intervals import Share, wilson
from outreach.effectiveness.tallies import Tallies
from outreach.events.models import Conversion

#: What a service may report, and the stage it is evidence of.
CONVERSIONS: Final[dict[str, Goal]] = {"used": Goal.USES, "satisfied": Goal.SATISFIED, "recommended": Goal.RECOMMENDS}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the funnel."""

    goal: str
    #: People (in aggregate tracking: at most so many) who reached at least this stage; None where nothing was reported.
    people: int | None
    #: Of those who were reached.
    share: Share | None


def conversions_of(run_ids: Iterable[int]) -> dict[str, int]:
    """Conversion name -> how many different people (or clicks, in aggregate) it was reported of."""
    rows = (
        Conversion.objects.filter(run__in=list(run_ids))
        .values("name")
        .annotate(
            people=Count("subscriber", distinct=True) + Count("pk", filter=Q(subscriber=None)),
        )
        .order_by()
    )
    return {row["name"]: row["people"] for row in rows}


def funnel(tallies: Tallies, *, replies: int, conversions: Mapping[str, int]) -> list[Stage]:
    """The six stages in order; who reached a later stage has reached the earlier ones."""
    whole = tallies.reached
    found: dict[str, int | None] = {
        Goal.KNOWS: whole,
        Goal.UNDERSTANDS: tallies.events(EventKind.OPENED).human,
        Goal.INTERESTED: tallies.events(EventKind.CLICKED).human + replies,
        **{goal: conversions.get(name) for name, goal in CONVERSIONS.items()},
    }
    return _at_least([(goal.value, found[goal]) for goal in Goal], whole=whole)


def _at_least(found: list[tuple[str, int | None]], *, whole: int) -> list[Stage]:
    stages: list[Stage] = []
    beyond: int | None = None
    for goal, own in reversed(found):
        people = max((count for count in (own, beyond) if count is not None), default=None)
        people = None if people is None else min(people, whole)
        beyond = people
        stages.append(Stage(goal=goal, people=people, share=None if people is None else wilson(people, whole)))
    return stages[::-1]
