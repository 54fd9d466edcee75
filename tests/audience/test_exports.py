"""People out and in again: nothing is lost, nothing is a formula, and memory stays flat."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from outreach.audience import exports
from outreach.audience.exports import export_people
from outreach.audience.import_intake import receive_import
from outreach.audience.imports import run_import
from outreach.audience.merging import merge
from outreach.audience.models import Address, Consent, Import, Subscriber, Subscription, Topic
from outreach.audience.person_addresses import add_address
from outreach.audience.segments import create_segment
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.audience.subscriptions import subscribe, unsubscribe
from outreach.core import spreadsheet_book
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden
from outreach.core.models import AuditEntry, Organisation
from outreach.core.spreadsheet_book import book_of

PEOPLE = (
    "email;phone;name;kind;language;timezone;preferred_channel;region;frequency;consent_source;consent_at;"
    "consent_text_version;city\n"
    "a@b.bg;+359 888 111 222;Ана;business;en;Europe/Paris;sms;BG-16;email:weekly sms:immediate;form;"
    "2026-05-01T10:00+03:00;v2;=1+1\n"
    'c@b.bg;;"Боян ""Б""";;;;;;daily;fair;2026-05-02;v3;"Стара\nЗагора"\n'
    "d@b.bg;;-Дара;;;;;;;fair;2026-05-02;v3;@x\n"
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def take_in(actor: Actor, topic: Topic, data: bytes) -> Import:
    job = receive_import(actor, topic, io.BytesIO(data), "people")
    run_import(job.pk)
    job.refresh_from_db()
    return job


def whole(actor: Actor, form: str, **what: Any) -> bytes:
    return b"".join(export_people(actor, form=form, **what).pieces)


def known(organisation: Organisation) -> list[Any]:
    people = Subscriber.objects.filter(organisation=organisation).order_by("pk")
    fields = ("name", "kind", "language", "timezone", "preferred_channel", "region", "attributes")
    return [
        (
            tuple(getattr(person, field) for field in fields),
            list(Address.objects.filter(subscriber=person).order_by("channel").values_list("channel", "value")),
            list(
                Consent.objects.filter(subscriber=person)
                .order_by("channel")
                .values_list("source", "at", "text_version")
            ),
            list(person.subscriptions.order_by("channel").values_list("channel", "frequency")),
        )
        for person in people
    ]


@pytest.mark.parametrize("form", ["csv", "ndjson", "xlsx"])
def test_an_export_comes_back_as_it_was(actor: Actor, topic: Topic, form: str) -> None:
    take_in(actor, topic, PEOPLE.encode())
    before = known(actor.organisation)
    other = Organisation.objects.create(slug="other", name={"en": "Other"})
    elsewhere = Topic.objects.create(organisation=other, slug="elsewhere", name={"en": "Elsewhere"})

    job = take_in(product_itself(other), elsewhere, whole(actor, form, topic=topic))

    after = known(other)
    if form == "xlsx":  # a row of a sheet is a line of text
        before = json.loads(json.dumps(before, default=str).replace("Стара\\nЗагора", "Стара Загора").replace(
            "\\u0421\\u0442\\u0430\\u0440\\u0430\\n", "\\u0421\\u0442\\u0430\\u0440\\u0430 "))  # fmt: skip
        after = json.loads(json.dumps(after, default=str))
    assert (job.state, job.created, job.rejected, after) == ("done", 3, 0, before)


def test_no_cell_is_a_formula(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, PEOPLE.encode())

    rows = list(csv.reader(io.StringIO(whole(actor, "csv").decode())))
    book = load_workbook(io.BytesIO(whole(actor, "xlsx")))

    assert [(row[1], row[2], row[-1]) for row in rows[1:]] == [
        ("'+359 888 111 222", "Ана", "'=1+1"), ("", 'Боян "Б"', "Стара\nЗагора"), ("", "'-Дара", "'@x")
    ]  # fmt: skip
    assert {cell.data_type for row in book.active.iter_rows() for cell in row} <= {"s", "n", "inlineStr"}
    assert [row[-1] for row in book.active.values][:2] == ["city", "=1+1"]


def test_an_export_is_of_those_whom_topic_and_segment_mean_now(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, PEOPLE.encode())
    segment = create_segment(actor, name="Business", where={"kind": {"in": ["business"]}})
    unsubscribe(Subscriber.objects.get(name="-Дара"), topics=[topic], source="test")
    other = Topic.objects.create(organisation=actor.organisation, slug="other", name={"en": "Other"})

    def names(**what: Any) -> list[str]:
        return [json.loads(line)["name"] for line in whole(actor, "ndjson", **what).splitlines()]

    assert names() == ["Ана", 'Боян "Б"', "-Дара"]
    assert names(topic=topic) == ["Ана", 'Боян "Б"']
    assert names(segment=segment) == ["Ана"]
    assert names(topic=other, segment=segment) == []
    assert list(AuditEntry.objects.filter(action="people.exported").order_by("pk").values_list("facts", flat=True)) == [
        {"form": "ndjson", "topic": on, "segment": within}
        for on, within in ((None, None), (topic.slug, None), (None, str(segment.pk)), ("other", str(segment.pk)))
    ]


def test_a_channel_that_was_left_comes_back_by_no_export(actor: Actor, topic: Topic) -> None:
    """Neither its address nor its consent, though that is younger, is that of what is still wanted."""
    take_in(actor, topic, b"email,consent_source,consent_at\na@b.bg,form,2026-05-01T10:00+03:00\n")
    (person,) = Subscriber.objects.all()
    add_address(actor, person, "sms", "0888 111 222")
    subscribe(person, topic, ["sms"], source="kiosk")
    unsubscribe(person, topics=[topic], channels=["sms"], source="stop")
    other = Organisation.objects.create(slug="other", name={"en": "Other"})
    elsewhere = Topic.objects.create(organisation=other, slug="elsewhere", name={"en": "Elsewhere"})

    row = json.loads(whole(actor, "ndjson", topic=topic))
    take_in(product_itself(other), elsewhere, whole(actor, "csv", topic=topic))

    told = ("email", "phone", "consent_source", "consent_at", "outreach_more_addresses")
    assert [row.get(name) for name in told] == [
        "a@b.bg", None, "form", "2026-05-01T07:00:00+00:00", "sms:0888 111 222"
    ]  # fmt: skip
    assert json.loads(whole(actor, "ndjson"))["phone"] == "0888 111 222"
    assert list(Subscription.objects.filter(topic=elsewhere).values_list("channel", flat=True)) == ["email"]


def test_the_consent_of_a_record_that_was_joined_is_told(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, b"email,consent_source\na@b.bg,form\n")
    (gone,) = Subscriber.objects.all()
    data = SubscriberData(addresses=[AddressData(channel="sms", value="0888111222")])
    merge(actor, upsert_subscriber(actor, data)[0], gone)

    assert json.loads(whole(actor, "ndjson", topic=topic))["consent_source"] == "form"


def test_strangers_see_nothing_and_readers_may_not(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, PEOPLE.encode())
    stranger = product_itself(Organisation.objects.create(slug="elsewhere", name={"en": "Elsewhere"}))

    assert whole(stranger, "ndjson") == b""
    with pytest.raises(Forbidden):
        export_people(Actor(organisation=actor.organisation, roles=frozenset({"analyst"})), form="csv")


def test_people_are_read_some_at_a_time(actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    take_in(actor, topic, "\n".join(["email", *[f"p{n}@b.bg" for n in range(25)]]).encode())
    monkeypatch.setattr(exports, "BATCH", 10)

    with CaptureQueriesContext(
        connection,
    ) as asked:
        lines = whole(actor, "ndjson").splitlines()

    people = [query["sql"] for query in asked if "json_agg" in query["sql"]]
    assert (len(lines), len({json.loads(line)["outreach_id"] for line in lines}), len(people)) == (25, 25, 4)


def test_a_workbook_goes_on_to_another_sheet_and_never_grows_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet_book, "MOST_ROWS", 3)
    book = load_workbook(io.BytesIO(b"".join(book_of(["n", "x\x01"], [[n, None] for n in range(7)]))))
    assert [[cell for (cell, _none) in sheet.values] for sheet in book] == [
        ["n", "0", "1", "2"], ["n", "3", "4", "5"], ["n", "6"]
    ]  # fmt: skip
    assert book.worksheets[0]["B1"].value == "x"

    monkeypatch.setattr(spreadsheet_book, "MOST_ROWS", 100_000)
    tracemalloc.start()
    try:
        length = sum(map(len, book_of(["n"], ([f"person {n}", "x" * 50] for n in range(50_000)))))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (length > 100_000, peak < 3_000_000) == (True, True)
