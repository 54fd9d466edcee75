"""`/readyz` and `/metrics`: for whoever watches the installation. Cheap: a handful of sums, no list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import DatabaseError, connection
from django.db.models import Count, Min, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.models import Alert, Installation
from outreach.core.vocabulary import UNDER_WAY, BatchState, CampaignState, CounterKind
from outreach.delivery.models import Batch, Counter
from outreach.events.calls import failed_calls
from outreach.events.ingest import journal_folder
from outreach.events.models import HookCall

#: Runs whose sums are shown: what is under way, not the history.
_SHOWN_RUNS: Final = 20


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served: the database answers and has the schema; else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        Installation.objects.filter(pk=1).exists()
    except DatabaseError:
        return JsonResponse({"ready": False, "database": "away"}, status=503, headers={"Retry-After": "5"})
    return JsonResponse({"ready": True, "database": "answers"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The ledger's state in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Ledger())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Ledger(Collector):
    """Gauges, read when they are asked for; all processes give the same numbers, since the database holds them."""

    def collect(self) -> Iterable[Metric]:
        yield from _deliveries()
        yield _batches()
        yield _one(
            "outreach_batch_oldest_due_seconds", "Age of the oldest batch that is due and not taken.", _lateness()
        )
        waiting = HookCall.objects.filter(applied_at=None).count()
        yield _one("outreach_hook_calls_waiting", "Call-backs kept until their delivery is known.", waiting)
        failed = failed_calls().count()
        yield _one("outreach_hook_calls_failed", "Call-backs and letters that cannot be applied.", failed)
        yield _one(
            "outreach_alerts_open", "Alerts that nobody resolved.", Alert.objects.filter(resolved_at=None).count()
        )
        files = journal_folder().count_files()
        yield _one("outreach_journal_files", "Files of events that wait for the database.", files)
        beat = Installation.objects.values_list("alive_at", flat=True).first()
        age = (clock.now() - beat).total_seconds() if beat else -1
        yield _one("outreach_beat_age_seconds", "Seconds since beat was alive; -1 where it never was.", age)


def _deliveries() -> Iterable[Metric]:
    family = GaugeMetricFamily(
        "outreach_deliveries", "Deliveries of runs under way.", labels=["run", "channel", "state", "reason"]
    )
    runs = Run.objects.filter(state__in=UNDER_WAY).order_by("-pk").values_list("pk", flat=True)[:_SHOWN_RUNS]
    rows = (
        Counter.objects.filter(kind=CounterKind.STATE, run__in=list(runs))
        .values_list("run_id", "channel", "name", "reason")
        .annotate(sum=Sum("count"))
        .order_by("run_id", "channel", "name", "reason")
    )
    for run, channel, state, reason, count in rows:
        family.add_metric([str(run), channel, state, reason], count)
    yield family


def _batches() -> Metric:
    family = GaugeMetricFamily("outreach_batches", "Batches that are not done.", labels=["lane", "state"])
    rows = Batch.objects.exclude(state=BatchState.DONE).values_list("lane", "state").annotate(count=Count("pk"))
    for lane, state, count in rows.order_by("lane", "state"):
        family.add_metric([lane, state], count)
    return family


def _lateness() -> float:
    due = Batch.objects.filter(state=BatchState.READY, due_at__lte=clock.now(), run__state=CampaignState.RUNNING)
    oldest = due.aggregate(oldest=Min("due_at"))["oldest"]
    return (clock.now() - oldest).total_seconds() if oldest else 0.0


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)
