"""Whose merit a use of a service is: within the days that the campaign had declared, and the last message before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from outreach.audience.merging import all_ids
from outreach.audience.models import Subscriber
from outreach.campaigns.fields import LONGEST_ATTRIBUTION
from outreach.campaigns.models import Run, Service
from outreach.core.vocabulary import DeliveryState, RunKind
from outreach.delivery.models import Delivery

#: Of runs that were frozen before a campaign declared any.
UNDECLARED: Final = 30


def is_late(run: Run, delivery: Delivery | None, at: datetime) -> bool:
    """Whether `at` is after the window, which begins with the message; with the run's last where nobody's is known."""
    began = delivery.settled_at if delivery else run.finished_at
    return began is not None and at > began + timedelta(days=days_of(run))


def days_of(run: Run) -> int:
    """The days that were declared before the start."""
    return int(run.frozen.get("attribution_days", UNDECLARED))


def last_message(subscriber: Subscriber, service: Service, at: datetime) -> tuple[Run, Delivery] | None:
    """The person's last message about the service before `at`, if its campaign's window was still open."""
    since = at - timedelta(days=LONGEST_ATTRIBUTION)
    about = Run.objects.filter(
        campaign__services=service, kind=RunKind.CAMPAIGN, retired_at=None, occurrence__lte=at, started_at__gte=since
    )
    # Ids alone: a run's frozen plan holds whole texts.
    runs = list(about.values_list("pk", flat=True))
    targets = [f"s:{id_}" for id_ in all_ids(subscriber)]
    arrived = Delivery.objects.filter(
        run__in=runs, target__in=targets, state=DeliveryState.ACCEPTED, settled_at__lte=at
    )
    last = arrived.order_by("-settled_at").first() if runs else None
    if last is None:
        return None
    run = Run.objects.get(pk=last.run_id)
    return None if is_late(run, last, at) else (run, last)
