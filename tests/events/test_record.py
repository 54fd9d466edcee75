from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import Sum

from outreach.core.vocabulary import EventKind, Verdict
from outreach.delivery.check import LedgerCheck
from outreach.delivery.models import Counter
from outreach.effectiveness.tallies import tallies_of
from outreach.events import record as record_module
from outreach.events.models import Event, FirstEvent
from outreach.events.record import Happening, parameters, record, statement
from outreach.events.recount import check_events

pytestmark = pytest.mark.django_db


def counters() -> dict[tuple[str, str], int]:
    rows = Counter.objects.filter(kind="event").values_list("name", "reason").annotate(sum=Sum("count"))
    return {(name, reason): total for name, reason, total in rows}


def all_sums() -> list[tuple[Any, ...]]:
    kinds = ("event", "link", "moment")
    rows = Counter.objects.filter(kind__in=kinds).values_list("kind", "channel", "language", "name", "reason", "count")
    return sorted(rows)


def events() -> list[tuple[Any, ...]]:
    return list(Event.objects.order_by("at", "id").values_list("kind", "delivery", "link", "verdict", "raw"))


def click(sent: Any, **changes: Any) -> Happening:
    told = {"kind": EventKind.CLICKED, "run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "link": 2}
    return Happening(**{**told, **changes})


def test_events_first_events_and_counters_agree(sent: Any) -> None:
    record(click(sent), click(sent), click(sent, verdict=Verdict.MACHINE))
    record(click(sent, kind=EventKind.OPENED, link=None))
    assert counters() == {("clicked", "human"): 2, ("clicked", "machine"): 1, ("opened", "human"): 1}
    assert Event.objects.count() == 4
    assert sorted(FirstEvent.objects.values_list("delivery", "kind", "link")) == [
        (sent.delivery, "clicked", -1),
        (sent.delivery, "clicked", 2),
        (sent.delivery, "opened", -1),
    ]


def test_of_a_known_message_there_is_one_reader_however_often_and_of_however_many_links(sent: Any) -> None:
    record(*(click(sent, link=link % 3) for link in range(40)), click(sent, delivery=0))
    record(click(sent, link=7), click(sent, kind=EventKind.OPENED, link=None))
    found = tallies_of([sent.run.pk])
    assert [(found.named(kind), found.readers(kind)) for kind in (EventKind.CLICKED, EventKind.OPENED)] == [
        (41, 1),
        (1, 1),
    ]


#: Whether somebody waits for this session.
WAITS = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"


@pytest.mark.django_db(transaction=True)
def test_two_links_followed_at_once_are_of_one_reader(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and learns from it that it is not the first."""
    here, there = click(sent, link=1), click(sent, link=2)
    with psycopg.connect(**connection.get_connection_params()) as first, ThreadPoolExecutor() as pool:
        monkeypatch.setattr(record_module, "slot", lambda: 98)
        first.execute(statement([here]), parameters([here]))
        monkeypatch.setattr(record_module, "slot", lambda: 99)
        second = pool.submit(write_elsewhere, there)
        with connection.cursor() as cursor:
            while not (second.done() or cursor.rowcount > 0):
                cursor.execute(WAITS, [first.info.backend_pid])
        assert not second.done()
        first.commit()
        second.result(30)
    found = tallies_of([sent.run.pk])
    assert (found.events(EventKind.CLICKED).human, found.readers(EventKind.CLICKED)) == (2, 1)
    assert check_events(LedgerCheck(campaign=None)).adds_up


def write_elsewhere(happening: Happening) -> None:
    with psycopg.connect(**connection.get_connection_params()) as link:
        link.execute(statement([happening]), parameters([happening]))


def test_an_event_written_again_changes_nothing(sent: Any) -> None:
    once = click(sent)
    record(once)
    record(once, click(sent))
    assert counters() == {("clicked", "human"): 2}
    assert Event.objects.count() == 2


def test_in_aggregate_nothing_about_the_person_is_kept(sent: Any) -> None:
    record(click(sent, delivery=0))
    assert events() == [("clicked", None, 2, "human", {})]
    assert not FirstEvent.objects.exists()
    assert counters() == {("clicked", "human"): 1}


def test_what_names_nobody_is_written_once_and_only_for_runs_that_are_there(sent: Any) -> None:
    once = click(sent, delivery=0)
    record(once, click(sent, delivery=0, run=sent.run.pk + 1), click(sent, delivery=0, verdict=Verdict.MACHINE))
    record(once, click(sent, delivery=0, kind=EventKind.OPENED, link=None))
    assert Event.objects.count() == 3
    assert counters() == {("clicked", "human"): 1, ("clicked", "machine"): 1, ("opened", "human"): 1}


def test_new_events_are_written_and_counted_like_others(sent: Any) -> None:
    opened = click(sent, delivery=0, kind=EventKind.OPENED, link=None)
    come = [
        *(opened, opened.again(), opened.again(), click(sent, delivery=0), click(sent, delivery=0, link=3)),
        *(
            click(sent, delivery=0, verdict=Verdict.MACHINE, reason="head"),
            click(sent, delivery=0, run=sent.run.pk + 1),
        ),
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement(come, are_new=True), parameters(come))
        found, sums = events(), all_sums()
        cursor.execute("DELETE FROM outreach_event")
        cursor.execute("DELETE FROM outreach_counter")
    record(*come)
    assert (found, sums) == (events(), all_sums())
    assert len(found) == 6
    assert counters() == {("clicked", "human"): 2, ("clicked", "machine"): 1, ("opened", "human"): 3}


def test_the_same_again_is_another_event(sent: Any) -> None:
    once = click(sent, verdict=Verdict.MACHINE, reason="head")
    again = once.again()
    assert again == replace(once, at=again.at, key=again.key)
    assert again.at >= once.at
    assert again.key != once.key


def test_who_is_not_measured_is_counted_without_a_name(sent: Any) -> None:
    sent.subscriber.is_measured = False
    sent.subscriber.save()
    record(click(sent, raw={"useragent": "x"}), click(sent, kind=EventKind.BOUNCED, link=None, raw={"status": "5.1.1"}))
    assert events() == [
        ("clicked", None, 2, "human", {}),
        ("bounced", sent.delivery, None, "human", {"status": "5.1.1"}),
    ]


def test_events_of_a_run_that_is_gone_are_dropped(sent: Any) -> None:
    record(click(sent, run=sent.run.pk + 1), click(sent))
    assert counters() == {("clicked", "human"): 1}
