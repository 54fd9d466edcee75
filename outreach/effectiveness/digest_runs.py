"""What became of digests: each run with whom it wrote to and of which campaigns it told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min

from outreach.campaigns.models import Campaign, Run
from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.vocabulary import EventKind, Receipt, RunKind
from outreach.delivery.models import DigestItem
from outreach.effectiveness.tallies import Tallies, tallies_of


@dataclass(frozen=True, kw_only=True)
class DigestRun:
    """A run of digests."""

    run: Run
    channel: str
    #: The campaigns whose messages it told.
    told: list[Campaign]
    tallies: Tallies

    @property
    def readers(self) -> int:
        return self.tallies.audience

    @property
    def accepted(self) -> int:
        return self.tallies.accepted

    @property
    def delivered(self) -> int:
        """Whose provider, or who themselves, said that it arrived."""
        receipts = self.tallies.receipts()
        return receipts[Receipt.DELIVERED] + receipts[Receipt.READ]

    @property
    def opened(self) -> int:
        """By people."""
        return self.tallies.events(EventKind.OPENED).human


def digest_runs(organisation: Organisation) -> OwnedQuerySet[Run]:
    """The runs of digests of an organisation and those below it."""
    return Run.objects.for_organisation(organisation).filter(kind=RunKind.DIGEST).select_related("organisation")


def told_in(runs: Sequence[Run]) -> list[DigestRun]:
    """Each run with its figures and what it told, in the same order; two queries."""
    all_tallies = tallies_of(run.pk for run in runs)
    facts = {run.pk: run.frozen["digest"] for run in runs}
    wanted = {int(told) for each in facts.values() for told in each["messages"]}
    campaigns = {told.pk: told.campaign for told in Run.objects.filter(pk__in=wanted).select_related("campaign")}
    return [
        DigestRun(
            run=run,
            channel=facts[run.pk]["channel"],
            told=_once(campaigns.get(int(told)) for told in facts[run.pk]["messages"]),
            tallies=all_tallies.of_runs([run.pk]),
        )
        for run in runs
    ]


def _once(campaigns: Iterable[Campaign | None]) -> list[Campaign]:
    return list(dict.fromkeys(campaign for campaign in campaigns if campaign is not None))


def next_due(organisation: Organisation) -> datetime | None:
    """When the first of what waits for a digest of these organisations is due; None where nothing waits."""
    waits = DigestItem.objects.filter(organisation__in=organisation.subtree(), digest=None, dropped="")
    found: datetime | None = waits.aggregate(first=Min("due_at"))["first"]
    return found
