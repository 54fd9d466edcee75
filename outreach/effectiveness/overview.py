"""The numbers of Home: the funnel of the last ninety days, and small figures beside each campaign of a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from outreach.campaigns.models import Campaign, Run
from outreach.core import clock
from outreach.core.models import Organisation
from outreach.core.vocabulary import EventKind, RunKind
from outreach.effectiveness.funnel import Stage, funnel
from outreach.effectiveness.tallies import Tallies, tallies_of

LOOK_BACK: Final = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What an organisation achieved in the last ninety days."""

    stages: list[Stage]
    #: Messages to people and posts that were accepted.
    accepted: int
    runs: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The small numbers of one campaign in a list."""

    audience: int = 0
    accepted: int = 0
    opened: int = 0
    clicked: int = 0

    @property
    def open_share(self) -> float:
        return min(1.0, self.opened / self.accepted) if self.accepted else 0.0

    @property
    def click_share(self) -> float:
        return min(1.0, self.clicked / self.accepted) if self.accepted else 0.0


def overview(organisation: Organisation) -> Overview:
    """The funnel over every run of the subtree that started in the last ninety days; two queries."""
    runs = Run.objects.for_organisation(organisation).filter(
        kind=RunKind.CAMPAIGN, occurrence__gte=clock.now() - LOOK_BACK
    )
    run_ids = list(runs.values_list("pk", flat=True))
    tallies = tallies_of(run_ids)
    return Overview(
        stages=funnel(tallies),
        accepted=tallies.accepted,
        runs=len(run_ids),
    )


def figures(campaigns: Iterable[Campaign]) -> dict[int, Figures]:
    """Campaign id -> its figures, for a page of campaigns; two queries."""
    ids = [campaign.pk for campaign in campaigns]
    owners: dict[int, list[int]] = defaultdict(list)
    for run_id, campaign_id in Run.objects.filter(campaign__in=ids, kind=RunKind.CAMPAIGN).values_list(
        "pk", "campaign_id"
    ):
        owners[campaign_id].append(run_id)
    all_tallies = tallies_of(run_id for run_ids in owners.values() for run_id in run_ids)
    return {campaign_id: _figures(all_tallies.of_runs(owners[campaign_id])) for campaign_id in ids}


def _figures(part: Tallies) -> Figures:
    return Figures(
        audience=part.audience,
        accepted=part.accepted,
        opened=part.events(EventKind.OPENED).human,
        clicked=part.events(EventKind.CLICKED).human,
    )
