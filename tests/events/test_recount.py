from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Sum

from outreach.core.vocabulary import EventKind, Verdict
from outreach.delivery.check import LedgerCheck
from outreach.delivery.models import Counter
from outreach.events.models import FirstEvent
from outreach.events.record import Happening, record
from outreach.events.recount import check_events

pytestmark = pytest.mark.django_db


def test_sums_that_differ_from_the_events_are_named(sent: Any) -> None:
    for _ in range(3):
        record(Happening(kind=EventKind.OPENED, run=sent.run.pk, channel="email", language="bg"))
    assert check_events(LedgerCheck(campaign=None)).adds_up
    Counter.objects.filter(kind="event").update(count=F("count") + 1)
    found = check_events(LedgerCheck(campaign=None), sent.run.campaign)
    assert (found.adds_up, [problem.message for problem in found.problems]) == (
        False,
        ["3 events of email bg opened human, but 4 were counted"],
    )


def test_first_events_that_are_missing_are_named(sent: Any) -> None:
    for link, verdict in ((1, Verdict.HUMAN), (1, Verdict.HUMAN), (2, Verdict.HUMAN), (3, Verdict.MACHINE)):
        told: dict[str, Any] = {
            "kind": EventKind.CLICKED,
            "run": sent.run.pk,
            "delivery": sent.delivery,
            "channel": "email",
        }
        record(Happening(link=link, verdict=verdict, **told))
    assert check_events(LedgerCheck(campaign=None), sent.run.campaign).adds_up
    FirstEvent.objects.filter(link=1).update(link=5)
    found = check_events(LedgerCheck(campaign=None))
    assert (found.adds_up, [(each.run, each.code, each.message) for each in found.problems]) == (
        False,
        [
            (sent.run.pk, "first_events", "1 first events of clicked are missing"),
            (sent.run.pk, "first_events", "1 first events of clicked have no event"),
        ],
    )


def test_readers_that_differ_are_named(sent: Any) -> None:
    told: dict[str, Any] = {"run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "language": "bg"}
    record(Happening(kind=EventKind.CLICKED, link=1, **told), Happening(kind=EventKind.CLICKED, link=2, **told))
    Counter.objects.filter(kind__in=["named", "reader"]).update(count=F("count") + 1)
    assert [problem.message for problem in check_events(LedgerCheck(campaign=None)).problems] == [
        "2 events of named email bg clicked, but 3 were counted",
        "1 messages of reader email bg clicked, but 2 were counted",
    ]


def test_the_migration_counts_the_readers_of_before(sent: Any) -> None:
    told: dict[str, Any] = {"run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "language": "bg"}
    for link in (1, 2, None):
        record(Happening(kind=EventKind.CLICKED if link else EventKind.OPENED, link=link, **told))
    migration = importlib.import_module("outreach.migrations.0055_readers")
    with connection.cursor() as cursor:
        for statement in migration.EMPTY:
            cursor.execute(statement)
        assert not check_events(LedgerCheck(campaign=None)).adds_up
        for statement in migration.FILL:
            cursor.execute(statement)
    assert check_events(LedgerCheck(campaign=None)).adds_up


def test_people_are_counted_by_link_and_by_moment_and_machines_are_not(sent: Any) -> None:
    """By the minute on the run's first day, by the hour later; and what is counted equals the events."""
    began = sent.run.as_of
    for after, verdict in ((0, Verdict.HUMAN), (0, Verdict.MACHINE), (26, Verdict.HUMAN), (26, Verdict.HUMAN)):
        at = began.replace(minute=59, second=30) + timedelta(hours=after)
        record(
            Happening(
                kind=EventKind.CLICKED, run=sent.run.pk, channel="email", language="bg", link=1, at=at, verdict=verdict
            )
        )
    sums = (
        Counter.objects.filter(kind__in=["link", "moment"]).values_list("kind", "name", "reason").annotate(Sum("count"))
    )
    early, late = (f"{began + timedelta(hours=after):%Y-%m-%dT%H}" for after in (0, 26))
    assert sorted(sums) == [
        ("link", "1", "", 3),
        ("moment", f"{early}:59", "clicked", 1),
        ("moment", f"{late}:00", "clicked", 2),
    ]
    assert check_events(LedgerCheck(campaign=None)).adds_up


def test_the_migration_counts_what_happened_before(sent: Any) -> None:
    for after in (0, 26):
        at = sent.run.as_of + timedelta(hours=after)
        record(Happening(kind=EventKind.CLICKED, run=sent.run.pk, channel="email", language="bg", link=1, at=at))
    Counter.objects.filter(kind__in=["link", "moment"]).delete()
    assert not check_events(LedgerCheck(campaign=None)).adds_up
    with connection.cursor() as cursor:
        cursor.execute(importlib.import_module("outreach.migrations.0040_sums_by_link_and_moment").FILL)
    assert check_events(LedgerCheck(campaign=None)).adds_up
