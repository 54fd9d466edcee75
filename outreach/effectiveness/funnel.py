"""The six stages of the project's source: how many people reached at least each, and how sure that is.

From the sums of evidence (`events.stages`), and from what those of deliveries and events say beyond it, which the next
pass writes down (`effectiveness.gathering`). A stage that nobody can report on is `None`, not zero.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Count, Q

from outreach.core.vocabulary import Bearing, EvidenceSource, Goal
from outreach.effectiveness.gathering import owed
from outreach.effectiveness.intervals import Share, wilson
from outreach.effectiveness.tallies import Evidence, Tallies
from outreach.events.conversions import USED
from outreach.events.models import Conversion

#: Stages that we see ourselves, as long as messages are tracked; others tell us of the rest.
SEEN: Final = frozenset({Goal.UNDERSTANDS, Goal.INTERESTED})


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the funnel."""

    goal: str
    #: So many people reached at least this stage; at most so many where nobody knows whose openings and clicks were:
    #: then each counts, up to the messages accepted. None where nothing was reported.
    people: int | None
    #: Of those who were reached.
    share: Share | None
    #: Who said that they are not there.
    against: int = 0
    #: Of whom an answer, or a program that hides its reader, says neither.
    uncertain: int = 0
    #: Of those who were reached: about whom no evidence says yes or no.
    unknown: int = 0
    #: Of those who answered our question.
    of_answers: Share | None = None
    #: EvidenceSource -> people of whom it says that they are there; `overlap`, below 0: of whom several say so.
    sources: dict[str, int] = field(default_factory=dict)


def conversions_of(run_ids: Iterable[int]) -> dict[str, int]:
    """Conversion name -> how many different people (or clicks, in aggregate) it was reported of."""
    rows = (
        Conversion.objects.filter(run__in=list(run_ids), is_late=False)
        .values("name")
        .annotate(
            people=Count("subscriber", distinct=True) + Count("pk", filter=Q(subscriber=None)),
        )
        .order_by()
    )
    return {row["name"]: row["people"] for row in rows}


@dataclass(frozen=True, kw_only=True)
class Uses:
    """How often a service was used after a campaign's messages, within its window and after it."""

    #: First ones of a person, as far as the service told us.
    first: int = 0
    repeated: int = 0
    #: Of clicks that name nobody.
    nobodys: int = 0
    late: int = 0


def uses_of(run_ids: Iterable[int]) -> Uses:
    """The uses that services reported; one query."""
    within = Q(is_late=False)
    counted: dict[str, int] = Conversion.objects.filter(run__in=list(run_ids), name=USED).aggregate(
        first=Count("pk", filter=within & Q(is_repeated=False)),
        repeated=Count("pk", filter=within & Q(is_repeated=True)),
        nobodys=Count("pk", filter=within & Q(is_repeated=None)),
        late=Count("pk", filter=~within),
    )
    return Uses(**counted)


def funnel(tallies: Tallies, *, is_tracked: bool = True) -> list[Stage]:
    """The six stages in order; who reached a later stage has reached the earlier ones."""
    evidence = evidence_of(tallies)
    whole = tallies.reached
    stages: list[Stage] = []
    beyond: int | None = None
    for goal in reversed(Goal):
        found = _own(goal, evidence, is_tracked=is_tracked)
        beyond = max((count for count in (found, beyond) if count is not None), default=None)
        beyond = None if beyond is None else min(beyond, whole)
        stages.append(_stage(goal, evidence, people=beyond, whole=whole))
    return stages[::-1]


def evidence_of(tallies: Tallies) -> Evidence:
    """(stage, source, bearing) -> people: what is written down and what the next pass will write down."""
    found: Tally[tuple[str, str, str]] = Tally(tallies.evidence())
    for one in owed(tallies):
        found[one.reading.stage, one.reading.source, one.reading.bearing] += one.people
    return found


def _own(goal: Goal, evidence: Evidence, *, is_tracked: bool) -> int | None:
    """How many people evidence of this very stage speaks for; None where none could be found."""
    about = [count for (stage, _source, _bearing), count in evidence.items() if stage == goal and count]
    if not about and goal != Goal.KNOWS and not (goal in SEEN and is_tracked):
        return None
    return sum(_sources(goal, evidence, Bearing.FOR).values())


def _sources(goal: Goal, evidence: Evidence, bearing: Bearing) -> dict[str, int]:
    return {
        str(source): count
        for (stage, source, says), count in sorted(evidence.items())
        if (stage, says) == (goal, bearing) and count
    }


def _stage(goal: Goal, evidence: Evidence, *, people: int | None, whole: int) -> Stage:
    sources = _sources(goal, evidence, Bearing.FOR)
    against = sum(_sources(goal, evidence, Bearing.AGAINST).values())
    content = sources.get(EvidenceSource.ANSWER, 0)
    return Stage(
        goal=goal.value,
        people=people,
        share=None if people is None else wilson(people, whole),
        against=against,
        uncertain=sum(_sources(goal, evidence, Bearing.UNCERTAIN).values()),
        unknown=max(0, whole - (people or 0) - against),
        of_answers=wilson(content, content + against),
        sources=sources,
    )
