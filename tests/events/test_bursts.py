from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience.models import Address, Subscriber
from outreach.core import clock
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import EventKind, Verdict
from outreach.delivery.check import LedgerCheck
from outreach.delivery.models import Counter, Delivery
from outreach.delivery.tokens import HONEYPOT
from outreach.effectiveness.tallies import tallies_of
from outreach.events import record as record_module
from outreach.events.bursts import judge_bursts
from outreach.events.models import Event, FirstEvent, LookedAt
from outreach.events.record import Happening, parameters, record, statement
from outreach.events.recount import check_events

pytestmark = pytest.mark.django_db

Click = tuple[float, int]


@cache
def begun() -> datetime:
    """Some minutes ago, the same for all of a test."""
    return clock.now() - timedelta(minutes=3)


@pytest.fixture(autouse=True)
def _begin_anew() -> None:
    begun.cache_clear()


def click_at(sent: Any, *clicks: Click, **changes: Any) -> None:
    """Clicks of one message: (second, link)."""
    told = {"kind": EventKind.CLICKED, "run": sent.run.pk, "delivery": sent.delivery, "channel": "email", **changes}
    for second, link in clicks:
        at = begun() + timedelta(seconds=second)
        record(Happening(at=at, link=link if told["kind"] == EventKind.CLICKED else None, **told))


def firsts() -> list[tuple[str, int, float]]:
    rows = FirstEvent.objects.values_list("kind", "link", "at").order_by("kind", "link")
    return [(kind, link, round((at - begun()).total_seconds(), 1)) for kind, link, at in rows]


def write_to_colleagues(sent: Any, count: int) -> list[int]:
    """Messages of the run to people of one firm, just handed over."""
    made = [make_colleague(sent, number) for number in range(count)]
    Counter.objects.create(run=sent.run, slot=0, kind="state", channel="email", name="accepted", count=count)
    Counter.objects.create(
        run=sent.run, slot=0, kind="minute", channel="email", name=f"{begun():%Y-%m-%dT%H:%M}", count=count
    )
    return made


def make_colleague(sent: Any, number: int) -> int:
    own = Delivery.objects.get(id=sent.delivery)
    person = Subscriber.objects.create(organisation=sent.run.organisation, is_measured=True, language="bg")
    value = f"colleague{number}@firm.example"
    address = Address.objects.create(
        organisation=sent.run.organisation,
        subscriber=person,
        channel="email",
        value=value,
        normalised=value,
        digest=address_digest("email", value),
    )
    return Delivery.objects.create(
        run=sent.run,
        id=own.id + 1000 + number,
        target=f"s:{person.pk}",
        channel="email",
        subscriber=person,
        address=address,
        language="bg",
        state="accepted",
        created_at=begun(),
        settled_at=begun() - timedelta(seconds=20),
    ).id


def judged() -> list[tuple[str, str]]:
    return list(Event.objects.order_by("at", "id").values_list("verdict", "reason"))


@pytest.mark.parametrize(
    ("clicks", "verdict", "reason"),
    [
        ([(0.0, 0), (0.2, 1)], "machine", "too_fast"),
        ([(0.0, 0), (0.9, 1), (1.8, 2), (2.7, 3), (3.6, 4)], "machine", "burst"),
        ([(0.0, 0), (9.0, 1), (15.0, HONEYPOT)], "machine", "honeypot"),
        ([(0.0, 0), (0.7, 1)], "uncertain", "many_links"),
        ([(0.0, 0), (2.0, 1), (5.0, 2)], "uncertain", "many_links"),
        ([(0.0, 0), (9.0, 1), (20.0, 2), (38.0, 3), (50.0, 4)], "uncertain", "many_links"),
        ([(0.0, 0), (0.2, 0), (0.4, 0)], "human", ""),
        ([(0.0, 0), (2.0, 1)], "human", ""),
        ([(0.0, 0), (9.0, 1), (20.0, 2)], "human", ""),
    ],
)
def test_clicks_are_judged_by_their_company(sent: Any, clicks: list[Click], verdict: str, reason: str) -> None:
    click_at(sent, *clicks)
    assert judge_bursts() == (len(clicks) if reason else 0)
    assert judged() == [(verdict, reason)] * len(clicks)
    assert judge_bursts() == 0


def test_a_reader_after_the_scanner_stays_a_person_and_the_sums_say_so(sent: Any) -> None:
    click_at(sent, (0.0, 0), (0.1, 1), (0.2, 2), (120.0, 1))
    click_at(sent, (-2.0, 0), kind=EventKind.OPENED)
    assert firsts() == [
        ("clicked", -1, 0.0),
        ("clicked", 0, 0.0),
        ("clicked", 1, 0.1),
        ("clicked", 2, 0.2),
        ("opened", -1, -2.0),
    ]
    judge_bursts()
    assert judged() == [("uncertain", "too_fast"), *[("machine", "too_fast")] * 3, ("human", "")]
    assert firsts() == [("clicked", -1, 120.0), ("clicked", 1, 120.0)]
    found = tallies_of([sent.run.pk])
    assert found.events(EventKind.CLICKED).as_json() == {"human": 1, "uncertain": 0, "machine": 3}
    assert (found.readers(EventKind.CLICKED), found.readers(EventKind.OPENED)) == (1, 0)
    assert check_events(LedgerCheck(campaign=None)).adds_up


def test_a_person_who_comes_during_the_scan_is_doubted_and_not_blamed(sent: Any) -> None:
    click_at(sent, (0.0, 0), (0.1, 1), (0.15, 1), (0.3, 2))
    judge_bursts()
    assert judged() == [(verdict, "too_fast") for verdict in ("machine", "uncertain", "uncertain", "machine")]


def test_what_a_machine_did_is_no_persons_first(sent: Any) -> None:
    click_at(sent, (0.0, 0), verdict=Verdict.MACHINE)
    click_at(sent, (9.0, 0), (12.0, 0))
    assert firsts() == [("clicked", -1, 9.0), ("clicked", 0, 9.0)]


def test_what_names_nobody_is_left_alone_and_what_comes_late_is_not(sent: Any) -> None:
    """Written an hour after it happened: the task had looked at that time long before."""
    click_at(sent, (0.0, 0), (0.1, 1), delivery=0)
    assert judge_bursts() == 0
    click_at(sent, (-3600.0, 0), (-3599.9, 1))
    assert judge_bursts() == 2
    assert LookedAt.objects.get().again_from is None


def test_after_a_standstill_the_task_goes_on_where_it_stood(sent: Any) -> None:
    judge_bursts()
    LookedAt.objects.update(until=clock.now() - timedelta(days=1))
    click_at(sent, (-7200.0, 0), (-7199.9, 1))
    LookedAt.objects.update(again_from=None)
    calls = [judge_bursts() for _ in range(14)]
    assert (sum(calls), calls[0], calls[-1]) == (2, 0, 0)


@pytest.mark.parametrize(("readers", "verdict"), [(9, "uncertain"), (3, "human")])
def test_what_most_of_a_domain_does_at_once_is_its_gateway(sent: Any, readers: int, verdict: str) -> None:
    deliveries = write_to_colleagues(sent, 12)
    for delivery in deliveries[:readers]:
        click_at(sent, (0.0, 0), delivery=delivery)
    judge_bursts()
    assert set(judged()) == {(verdict, "domain_burst" if verdict == "uncertain" else "")}


def test_nobody_reads_a_message_in_the_moment_it_is_handed_over(sent: Any) -> None:
    click_at(sent, (0.0, 0), (30.0, 0))
    Delivery.objects.filter(id=sent.delivery).update(settled_at=begun())
    judge_bursts()
    assert judged() == [("uncertain", "at_once"), ("human", "")]


@pytest.mark.django_db(transaction=True)
def test_a_click_that_is_written_during_the_judgement_is_its_persons_first(
    sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    click_at(sent, (0.0, 0))
    click_at(sent, (0.1, HONEYPOT))
    late = Happening(
        kind=EventKind.CLICKED,
        run=sent.run.pk,
        delivery=sent.delivery,
        channel="email",
        link=0,
        at=begun() + timedelta(seconds=90),
    )
    with monkeypatch.context() as elsewhere, psycopg.connect(**connection.get_connection_params()) as other:
        elsewhere.setattr(record_module, "slot", lambda: 99)  # sums of another process
        other.execute(statement([late]), parameters([late]))
        judge_bursts()
    assert [verdict for verdict, _ in judged()] == ["machine", "machine", "human"]

    judge_bursts()
    assert firsts() == [("clicked", -1, 90.0), ("clicked", 0, 90.0)]
    assert check_events(LedgerCheck(campaign=None)).adds_up


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 6), st.sampled_from(Verdict.values)), min_size=1, max_size=12)
)
def test_sums_equal_a_recount_and_a_machine_stays_one(sent: Any, clicks: list[tuple[float, int, str]]) -> None:
    Event.objects.all().delete()
    FirstEvent.objects.all().delete()
    sent.run.counters.all().delete()
    for second, link, verdict in clicks:
        click_at(sent, (second, link), verdict=Verdict(verdict))
    machines = set(Event.objects.filter(verdict="machine").values_list("id", flat=True))
    judge_bursts()
    assert check_events(LedgerCheck(campaign=None)).adds_up
    assert machines <= set(Event.objects.filter(verdict="machine").values_list("id", flat=True))
    assert Event.objects.count() == len(clicks)
