"""Whoever is erased is nowhere: no table, no log and no file of ours holds what they were called."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.db import connection
from psycopg.sql import SQL, Identifier

from outreach.audience.erasure import erase_subscriber
from outreach.audience.exports import export_people
from outreach.audience.import_intake import receive_import
from outreach.audience.imports import run_import
from outreach.audience.person_addresses import add_address, correct_address
from outreach.audience.segments import create_segment
from outreach.audience.snapshots import take_snapshot
from outreach.audience.subscribers import change_subscriber
from outreach.audience.subscriptions import unsubscribe
from outreach.audience.suppression import reason_of
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import EventKind
from outreach.delivery.models import Attempt
from outreach.events import inbox
from outreach.events.models import HookCall, Reply
from outreach.events.record import Happening, record
from outreach.events.replies import take_mail
from tests.events.conftest import Sent
from tests.events.test_replies import letter, message_id

#: What nobody else has; small letters.
MARKS: Final = ("ivana", "ивана", "петрова", "неповторима", "888123987")
FILE: Final = """email,phone,name,улица,consent_at
ivana@example.bg,,Ивана Димитрова-Петрова,Неповторима 9,2026-01-05
ivana@example.bg,не е телефон,Ивана,Неповторима 8,2026-01-05
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from outreach.core import queue

    monkeypatch.setattr(queue, "_publish", lambda *_: None)
    monkeypatch.setattr(settings, "DATA", tmp_path)
    return tmp_path


def live(sent: Sent) -> None:
    """All that a person can leave behind."""
    actor, person, mine = product_itself(sent.organisation), sent.subscriber, sent.address.normalised
    change_subscriber(actor, person, attributes={"улица": "Неповторима 7"})
    add_address(actor, person, "sms", "0888123987")
    job = receive_import(actor, sent.topic, io.BytesIO(FILE.encode()), "people.csv")
    run_import(job.pk)
    take_snapshot(actor, create_segment(actor, name="All", where={"language": {"in": ["bg"]}}))
    reply = take_mail(
        sent.account, letter("Аз съм Ивана Петрова.", In_Reply_To=message_id(sent), Message_ID="<1@x.bg>")
    )
    assert reply is not None
    reply.refresh_from_db()
    assert reply.conversation is not None
    inbox.answer(actor, reply.conversation, "Здравейте, Ивана Петрова.")
    raw = {"email": mine, "useragent": "x"}
    record(Happening(kind=EventKind.OPENED, run=sent.run.pk, delivery=sent.delivery, raw=raw))
    HookCall.objects.create(account=sent.account, event_id="1", event={"address": mine})
    Attempt.objects.create(run=sent.run, delivery=sent.delivery, kind="permanent", detail=f"550 <{mine}> unknown")
    correct_address(actor, person, sent.address.pk, "ivana.petrova@example.bg")
    unsubscribe(person, topics=[sent.topic], channels=["email"], source="page", evidence={"words": "Ивана не иска"})


def test_what_strangers_hold_by_the_same_address_is_theirs(sent: Sent) -> None:
    strangers = Organisation.objects.create(slug="strangers")
    account = Account.objects.create(
        organisation=strangers, adapter="smtp", channel="email", name="x", unknown_policy="resend", hook_key="other"
    )
    for one in (sent.account, account):
        Reply.objects.create(
            organisation=one.organisation, account=one, external_id="1", channel="email", kind="reply",
            sender=sent.address.normalised, text="Кога?", received_at=clock.now(),
        )  # fmt: skip
        HookCall.objects.create(account=one, event_id="1", event={"address": sent.address.normalised})

    erase_subscriber(product_itself(sent.organisation), sent.subscriber)

    assert list(Reply.objects.order_by("pk").values_list("text", flat=True)) == ["", "Кога?"]
    assert list(HookCall.objects.order_by("pk").values_list("event", flat=True)) == [
        {},
        {"address": sent.address.normalised},
    ]


def tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.oid::regclass::text FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
        return [name for (name,) in cursor.fetchall()]


def traces() -> Iterator[str]:
    """The tables with rows that hold a mark, and how they hold it."""
    for table in tables():
        rows = SQL("SELECT t::text FROM {} t WHERE lower(t::text) ~ %s").format(Identifier(table))
        with connection.cursor() as cursor:
            cursor.execute(rows, ["|".join(MARKS)])
            yield from (f"{table}: {row}" for (row,) in cursor.fetchall())


def test_nothing_that_names_a_person_outlives_the_erasure(
    sent: Sent, own_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    live(sent)
    before = {trace.partition(":")[0] for trace in traces()}

    erase_subscriber(product_itself(sent.organisation), sent.subscriber)

    export = export_people(product_itself(sent.organisation), form="ndjson", topic=sent.topic)
    files = [f"{path}\n{path.read_text(errors='replace')}" for path in own_folder.rglob("*") if path.is_file()]
    kept = "\n".join([*traces(), caplog.text, b"".join(export.pieces).decode(), *files]).lower()
    assert len(before) > 7  # else nothing was tried
    assert [line for line in kept.splitlines() if any(mark in line for mark in MARKS)] == []
    assert reason_of(sent.organisation, "email", "ivana.petrova@example.bg") == "erased"
    assert reason_of(sent.organisation, "sms", "+359888123987") == "erased"
