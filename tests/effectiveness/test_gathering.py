"""Evidence of the stages: gathered from sums, told by others, taken back by new rows, guarded by the database."""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run, Service
from outreach.core.access import product_itself
from outreach.core.vocabulary import Bearing, EventKind, EvidenceSource, Goal, Verdict
from outreach.delivery.check import LedgerCheck
from outreach.delivery.models import Counter
from outreach.effectiveness.gathering import gather, gather_all, gather_lately
from outreach.effectiveness.recount import check_what_came_back
from outreach.effectiveness.report import as_json, report
from outreach.events.bursts import judge_bursts
from outreach.events.conversions import record_conversion
from outreach.events.erasure import follow_merge
from outreach.events.models import Conversion, Event
from outreach.events.record import Happening, record
from outreach.events.stage_answers import add_answer, judge_answer
from outreach.events.stages import StageEvidence, add_evidence
from tests.events.conftest import make_sent
from tests.events.test_bursts import make_colleague


@pytest.fixture
def sent(db: None) -> Any:
    found = make_sent()
    Counter.objects.create(
        run=found.run, slot=0, kind="state", channel="email", language="bg", name="accepted", reason="", count=10
    )
    return found


def pieces(*fields: str) -> list[tuple[Any, ...]]:
    return list(StageEvidence.objects.order_by("pk").values_list(*fields))


def people(sent: Any) -> dict[str, int | None]:
    return {stage["stage"]: stage["people"] for stage in as_json(report(sent.run.campaign))["funnel"]}


def click(sent: Any, link: int = 0, *, seconds: float = 0, delivery: int | None = None) -> None:
    at = sent.run.as_of + timedelta(minutes=4, seconds=seconds)
    whose = sent.delivery if delivery is None else delivery
    facts: dict[str, Any] = {"channel": "email", "language": "bg", "link": link, "at": at}
    record(Happening(kind=EventKind.CLICKED, run=sent.run.pk, delivery=whose, **facts))


def test_a_group_s_evidence_is_what_its_sums_say_and_a_late_verdict_takes_it_back(sent: Any) -> None:
    for link in range(2):
        click(sent, link, seconds=link / 10)
    record(Happening(kind=EventKind.OPENED, run=sent.run.pk, channel="email", language="bg", verdict=Verdict.UNCERTAIN))
    before = people(sent)

    assert (gather_lately(), gather_lately()) == (4, 0)
    assert people(sent) == before
    judge_bursts()
    assert gather([sent.run.pk]) == 2

    assert pieces("stage", "source", "bearing", "confidence", "people", "subscriber") == [
        ("knows", "delivery", "for", 0.6, 10, None),
        ("understands", "open", "uncertain", 0.3, 1, None),
        ("interested", "click", "for", 0.9, 1, None),
        ("interested", "click", "for", 0.9, 0, sent.subscriber.pk),
        ("interested", "click", "for", 0.9, -1, None),
        ("interested", "click", "for", 0.0, 0, sent.subscriber.pk),
    ]
    assert people(sent) == before | {"understands": 0, "interested": 0}
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_in_individual_tracking_the_readers_are_named_until_a_verdict_falls(sent: Any) -> None:
    for link in range(4):
        click(sent, link, seconds=link / 10)

    def named() -> tuple[Any, ...]:
        return pieces("subscriber", "source", "stage", "confidence", "people")[-1]

    gather_lately()
    before = named()
    gather_lately()
    assert (before, StageEvidence.objects.filter(subscriber__isnull=False).count()) == (
        (sent.subscriber.pk, "click", "interested", 0.9, 0),
        1,
    )
    judge_bursts()
    gather_lately()
    assert named() == (sent.subscriber.pk, "click", "interested", 0.0, 0)
    assert gather_lately() == 0
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_more_clicks_than_messages_are_of_no_more_people_and_what_was_written_beyond_is_taken_back(sent: Any) -> None:
    whose: dict[str, Any] = {"organisation": sent.organisation.pk, "run": sent.run, "channel": "email"}
    add_evidence(Goal.INTERESTED, EvidenceSource.CLICK, language="bg", people=12, **whose)
    for minute in range(12):
        click(sent, seconds=60 * minute, delivery=0)
    before = people(sent)
    gather([sent.run.pk])

    told = StageEvidence.objects.filter(source="click", subscriber=None).order_by("pk")
    assert list(told.values_list("people", flat=True)) == [12, -2]
    assert (before["interested"], people(sent)) == (10, before)
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_who_read_stays_named_after_a_merge_and_once_deliveries_are_retired(sent: Any) -> None:
    click(sent)
    gather_lately()
    kept = sent.organisation.subscribers.create(is_measured=True)
    sent.subscriber.merged_into, sent.subscriber.is_measured = kept, False
    sent.subscriber.save()
    follow_merge(sent.subscriber.pk, kept.pk)
    gather_all()
    Run.objects.update(retired_at=sent.run.as_of)
    gather_all()
    named = StageEvidence.objects.filter(source="click", subscriber__isnull=False)
    assert list(named.values_list("subscriber", "confidence")) == [(kept.pk, 0.9)]


def test_whoever_is_told_of_twice_counts_once(sent: Any) -> None:
    service = Service.objects.create(organisation=sent.organisation, slug="pay", name={}, url="https://x.bg")
    sent.run.campaign.services.add(service)
    actor = product_itself(sent.organisation)
    for _time in range(2):
        record_conversion(actor, service="pay", name="used", delivery=f"{sent.run.pk}-{sent.delivery}")
    record_conversion(actor, service="pay", name="asked a question", delivery=f"{sent.run.pk}-{sent.delivery}")
    add_evidence(Goal.INTERESTED, EvidenceSource.REPLY, organisation=sent.organisation.pk, run=sent.run)

    assert pieces("stage", "source", "people", "subscriber", "services") == [
        ("uses", "service", 1, sent.subscriber.pk, [service.pk]),
        ("uses", "service", 0, sent.subscriber.pk, [service.pk]),
        ("interested", "reply", 1, None, [service.pk]),
    ]
    assert people(sent)["uses"] == 1


def reply(sent: Any, people: int = 1) -> None:
    whose: dict[str, Any] = {"organisation": sent.organisation.pk, "run": sent.run, "subscriber": sent.subscriber}
    add_evidence(Goal.INTERESTED, EvidenceSource.REPLY, people=people, channel="email", language="bg", **whose)


def interested(sent: Any) -> tuple[int, dict[str, int]]:
    stage = as_json(report(sent.run.campaign))["funnel"][2]
    return stage["people"], stage["sources"]


def test_a_reader_of_forty_clicks_who_writes_back_is_one_person(sent: Any) -> None:
    for minute in range(40):
        click(sent, minute % 2, seconds=60 * minute)
    assert interested(sent) == (1, {"click": 1})
    reply(sent)
    assert interested(sent) == (1, {"click": 1, "overlap": -1, "reply": 1})
    gather_all()
    assert interested(sent) == (1, {"click": 1, "overlap": -1, "reply": 1})
    assert gather_all() == 0
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_who_writes_first_and_follows_a_link_later_is_one_person_and_stays_one_when_either_is_taken_back(
    sent: Any,
) -> None:
    reply(sent)
    click(sent)
    gather_lately()
    assert interested(sent) == (1, {"click": 1, "overlap": -1, "reply": 1})
    for link in range(1, 5):
        click(sent, link, seconds=link / 10)  # it was a scanner
    judge_bursts()
    gather_lately()
    assert interested(sent) == (1, {"reply": 1})
    click(sent, seconds=300)
    gather_lately()
    reply(sent, people=-1)
    assert interested(sent) == (1, {"click": 1})
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_two_readers_are_two_and_who_is_not_known_counts_beside_them(sent: Any) -> None:
    other = make_colleague(sent, 1)
    for delivery in (sent.delivery, sent.delivery, other, 0, 0):
        click(sent, delivery=delivery)
    assert interested(sent) == (4, {"click": 4})
    gather_lately()
    assert interested(sent) == (4, {"click": 4})
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_records_that_are_joined_are_one_person(sent: Any) -> None:
    joined = make_colleague(sent, 1)
    other = Subscriber.objects.exclude(pk=sent.subscriber.pk).get()
    for delivery in (sent.delivery, joined, make_colleague(sent, 2)):
        click(sent, delivery=delivery)
    reply(replace(sent, subscriber=other))
    gather_lately()
    assert interested(sent) == (3, {"click": 3, "overlap": -1, "reply": 1})
    other.merged_into, other.is_measured = sent.subscriber, False
    other.save()
    follow_merge(other.pk, sent.subscriber.pk)
    gather_lately()
    assert interested(sent) == (2, {"click": 3, "overlap": -2, "reply": 1})
    erase_subscriber(product_itself(sent.organisation), sent.subscriber)
    gather_lately()
    assert interested(sent) == (2, {"click": 3, "overlap": -2, "reply": 1})
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["click", "click of another", "reply", "reply taken back", "gather"]), max_size=10))
def test_whatever_the_order_a_person_counts_once_while_any_source_tells(sent: Any, steps: list[str]) -> None:
    with transaction.atomic():
        clicked, replied = set(), False
        other = make_colleague(sent, 1)
        for minute, step in enumerate(steps):
            if step.startswith("click"):
                whose = sent.delivery if step == "click" else other
                click(sent, seconds=60 * minute, delivery=whose)
                clicked.add(whose)
            elif step.startswith("reply"):
                reply(sent, people=1 if step == "reply" else -1)
                replied = step == "reply"
            else:
                gather_all()
        gather_all()
        assert interested(sent)[0] == len(clicked | ({sent.delivery} if replied else set()))
        assert check_what_came_back(LedgerCheck(campaign=None)).adds_up
        transaction.set_rollback(True)


def test_a_service_and_an_answer_tell_of_one_person_and_each_keeps_its_own(sent: Any) -> None:
    whose: dict[str, Any] = {"organisation": sent.organisation.pk, "run": sent.run, "subscriber": sent.subscriber}
    add_evidence(Goal.SATISFIED, EvidenceSource.SERVICE, **whose)
    add_answer("satisfied", 5, **whose)
    stage = as_json(report(sent.run.campaign))["funnel"][4]
    assert (stage["people"], stage["sources"]) == (1, {"answer": 1, "overlap": -1, "service": 1})
    add_answer("satisfied", 1, before=5, **whose)
    stage = as_json(report(sent.run.campaign))["funnel"][4]
    assert (stage["people"], stage["against"], stage["sources"]) == (1, 1, {"service": 1})


def test_sums_outlive_what_they_were_made_of(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    click(sent)
    gather_lately()
    Event.objects.all().delete()
    assert not check_what_came_back(LedgerCheck(campaign=None)).adds_up
    Run.objects.update(retired_at=sent.run.as_of)
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up
    Run.objects.update(retired_at=None, as_of=sent.run.as_of - timedelta(days=100))
    monkeypatch.setattr(django_settings, "KEEP_MONTHS", 2)
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_in_aggregate_evidence_names_nobody(db: None) -> None:
    sent = make_sent(is_measured=False)
    Service.objects.create(organisation=sent.organisation, slug="pay", name={}, url="https://x.bg")
    for _time in range(2):
        record_conversion(
            product_itself(sent.organisation), service="pay", name="used", delivery=f"{sent.run.pk}-{sent.delivery}"
        )
    assert pieces("stage", "people", "subscriber") == [("uses", 1, None), ("uses", 0, None)]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("satisfied", ["against", "against", "uncertain", "for", "for"]),
        ("recommends", ["against"] * 7 + ["uncertain"] * 2 + ["for"] * 2),
    ],
)
def test_answers_speak_for_or_against(question: str, said: list[str]) -> None:
    first = {"satisfied": 1, "recommends": 0}[question]
    assert [str(judge_answer(question, first + n).bearing) for n in range(len(said))] == said


def test_another_answer_takes_the_earlier_one_back(sent: Any) -> None:
    whose: dict[str, Any] = {"organisation": sent.organisation.pk, "run": sent.run, "subscriber": sent.subscriber}
    add_answer("satisfied", 1, **whose)
    add_answer("satisfied", 5, before=1, **whose)

    assert pieces("bearing", "confidence", "people") == [("against", 1.0, 1), ("against", 1.0, -1), ("for", 1.0, 1)]
    stage = as_json(report(sent.run.campaign))["funnel"][4]
    assert (stage["people"], stage["against"], stage["sources"]) == (1, 0, {"answer": 1})


def test_the_database_refuses_change_and_an_erasure_takes_the_name(sent: Any) -> None:
    add_evidence(
        Goal.USES, EvidenceSource.SERVICE, organisation=sent.organisation.pk, run=sent.run, subscriber=sent.subscriber
    )
    for change in ({"people": 5}, {"subscriber": None, "stage": "knows"}, {"subscriber": sent.subscriber.pk + 1}):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            StageEvidence.objects.update(**change)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        StageEvidence.objects.all().delete()
    erase_subscriber(product_itself(sent.organisation), sent.subscriber)
    assert pieces("stage", "subscriber", "people") == [("uses", None, 1)]


def test_a_merged_person_s_evidence_is_the_kept_one_s(sent: Any) -> None:
    whose: dict[str, Any] = {"organisation": sent.organisation.pk, "run": sent.run}
    add_evidence(Goal.USES, EvidenceSource.SERVICE, subscriber=sent.subscriber, **whose)
    kept = sent.organisation.subscribers.create(is_measured=True)
    follow_merge(sent.subscriber.pk, kept.pk)
    add_evidence(Goal.USES, EvidenceSource.SERVICE, subscriber=kept, **whose)

    assert pieces("subscriber", "people") == [(None, 1), (None, -1), (kept.pk, 1), (kept.pk, 0)]
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_sums_that_differ_from_the_pieces_are_named(sent: Any) -> None:
    gather([sent.run.pk])
    Counter.objects.filter(kind="stage").update(count=F("count") + 1)
    found = check_what_came_back(LedgerCheck(campaign=None), sent.run.campaign)

    assert [problem.message for problem in found.problems] == [
        "evidence tells of 10 people of email bg knows:delivery for, but 11 were counted"
    ]


def test_the_migration_takes_what_was_told_before(sent: Any) -> None:
    service = Service.objects.create(organisation=sent.organisation, slug="pay", name={}, url="https://x.bg")
    for minute in range(2):
        Conversion.objects.create(
            organisation=sent.organisation, service=service, name="used", run=sent.run, delivery=sent.delivery,
            subscriber=sent.subscriber, at=sent.run.as_of + timedelta(minutes=minute),
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(importlib.import_module("outreach.migrations.0046_stage_evidence").FILL)

    assert pieces("stage", "people", "subscriber", "channel", "services", "bearing") == [
        ("uses", 1, sent.subscriber.pk, "email", [service.pk], str(Bearing.FOR)),
        ("uses", 0, sent.subscriber.pk, "email", [service.pk], str(Bearing.FOR)),
    ]
    assert Counter.objects.filter(kind="stage").aggregate(sum=Sum("count")) == {"sum": 1}
