"""Taking an import back: exactly what it made goes, what anybody did since stays, and nothing is done twice."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from outreach.audience import import_undo, imports
from outreach.audience.chain_check import check_chain
from outreach.audience.erasure import erase_subscriber
from outreach.audience.frequency import set_frequencies
from outreach.audience.import_intake import receive_import
from outreach.audience.import_trace import ImportChange, ImportMade, ImportUndo, forget_old_traces, runs_of
from outreach.audience.import_undo import look_ahead, run_undo, undo_import
from outreach.audience.imports import run_import
from outreach.audience.models import Address, Consent, Import, Subscriber, Subscription, Topic
from outreach.audience.sealing import seal_consents
from outreach.audience.subscribers import change_subscriber
from outreach.audience.subscriptions import subscribe, unsubscribe
from outreach.audience.undo_people import holds, write_steps
from outreach.audience.undo_rules import COUNTS, Change, Traced, step_of
from outreach.core.access import Actor
from outreach.core.errors import StateConflict
from outreach.core.models import AuditEntry

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def take_in(actor: Actor, topic: Topic, content: str) -> Import:
    job = receive_import(actor, topic, io.BytesIO(content.encode()), "people.csv")
    run_import(job.pk)
    job.refresh_from_db()
    return job


def counts(**said: int) -> dict[str, int]:
    return dict.fromkeys(COUNTS, 0) | said


def state_of_people() -> list[Any]:
    """Everything an import may change, but what stays of those who were taken out, and times."""
    people = Subscriber.objects.filter(erased_at=None).order_by("pk")
    return [
        list(people.values("pk", "name", "sort_key", "kind", "language", "timezone", "region", "attributes")),
        list(Address.objects.order_by("pk").values("subscriber", "channel", "value", "state")),
        list(Subscription.objects.order_by("pk").values("subscriber", "topic", "channel", "state", "changed_at")),
    ]


def test_an_import_taken_back_leaves_the_people_as_they_were(
    actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 2)
    take_in(actor, topic, "email,name,city\nana@b.bg,Ана,Варна\nboris@b.bg,Борис,Русе\n")
    unsubscribe(Subscriber.objects.get(name="Борис"), topics=None, source="form")
    before = state_of_people()
    job = take_in(
        actor,
        topic,
        "email,phone,name,city,age\nana@b.bg,0888111222,Анна,Варна,33\nvera@b.bg,,Вера,,\n"
        "boris@b.bg,,Борислав,Русе,\nana@b.bg,,Анна-Мария,,34\nvera@b.bg,0888333444,Вяра,,5\n",
    )
    seal_consents()
    told = look_ahead(job)
    monkeypatch.setattr(import_undo, "BATCH", 1)

    undo_import(actor, job)
    run_undo(job.pk)
    run_undo(job.pk)

    undo = ImportUndo.objects.get()
    expected = counts(people=3, removed=1, ended=3, addresses=1, restored=3)
    assert (told.why_not, told.counts, told.is_exact, undo.state, undo.counts) == ("", expected, True, "done", expected)
    assert state_of_people() == before
    withdrawn = Consent.objects.filter(source="import_undone").order_by("subscriber", "channel")
    assert [(row.action, row.channel, row.evidence) for row in withdrawn] == [
        ("withdrawn", channel, {"import": job.pk}) for channel in ("sms", "email", "sms")
    ]
    seal_consents()
    assert check_chain().holds
    assert (ImportChange.objects.filter(job=job).exists(), ImportMade.objects.filter(job=job).exists()) == (
        False,
        False,
    )
    assert list(AuditEntry.objects.filter(action__startswith="import.und").order_by("pk").values_list("action")) == [
        ("import.undo_asked",), ("import.undone",)
    ]  # fmt: skip
    assert look_ahead(job).why_not == "The import is taken back already."
    with pytest.raises(StateConflict):
        undo_import(actor, job)
    assert take_in(actor, topic, "email,name\nvera@b.bg,Вера\n").created == 1


def test_what_anybody_did_since_stays(actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    take_in(actor, topic, "email,name,city\nknown@b.bg,Зоя,Варна\n")
    job = take_in(
        actor,
        topic,
        "email,name,city\nknown@b.bg,Зорница,Русе\nquiet@b.bg,А,\nchanged@b.bg,Б,\nleft@b.bg,В,\nagain@b.bg,Г,\n"
        "sent@b.bg,Д,\nerased@b.bg,Е,\nweekly@b.bg,Ж,\n",
    )
    person = {row.normalised.partition("@")[0]: row.subscriber for row in Address.objects.select_related("subscriber")}
    change_subscriber(actor, person["known"], name="Зорка")
    change_subscriber(actor, person["changed"], name="Бистра")
    unsubscribe(person["left"], topics=[topic], source="form")
    unsubscribe(person["again"], topics=[topic], source="form")
    subscribe(person["again"], topic, ["email"], source="form")
    erase_subscriber(actor, person["erased"])
    Subscription.objects.filter(subscriber=person["weekly"]).update(frequency=7)
    monkeypatch.setattr(
        "outreach.audience.undo_people.holds", [*holds, lambda ids, since: {person["sent"].pk} & set(ids)]
    )

    undo_import(actor, job)
    run_undo(job.pk)

    assert ImportUndo.objects.get().counts == counts(
        people=8, removed=1, kept=5, gone=1, ended=4, subscribed=1, restored=1, newer=1
    )
    assert list(Subscriber.objects.filter(erased_at=None).order_by("pk").values_list("name", "attributes")) == [
        ("Зорка", {"city": "Варна"}), ("Бистра", {}), ("В", {}), ("Г", {}), ("Д", {}), ("Ж", {})
    ]  # fmt: skip
    assert list(Subscription.objects.order_by("pk").values_list("subscriber", "state")) == [
        (person["known"].pk, "subscribed"),
        (person["left"].pk, "unsubscribed"),
        (person["again"].pk, "subscribed"),
    ]


def test_an_undo_that_was_killed_goes_on_and_no_more_than_one_does(
    actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = take_in(actor, topic, "email\n" + "".join(f"p{n}@b.bg\n" for n in range(5)))
    monkeypatch.setattr(import_undo, "BATCH", 2)
    undo_import(actor, job)
    seen: list[int] = []

    def dies(one: Import, steps: Any) -> None:
        seen.append(len(steps))
        write_steps(one, steps)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(import_undo, "write_steps", dies)
    with pytest.raises(KeyboardInterrupt):
        run_undo(job.pk)
    run_undo(job.pk)
    still = (ImportUndo.objects.get().state, Subscriber.objects.filter(erased_at=None).count())
    ImportUndo.objects.update(lease_until=NOON)
    assert import_undo.resume_undos() == 1
    run_undo(job.pk)

    assert (still, seen) == (("running", 3), [2, 2, 2, 1])
    assert (ImportUndo.objects.get().counts["removed"], Subscriber.objects.filter(erased_at=None).count()) == (5, 0)
    assert Consent.objects.filter(source="import_undone").count() == 5


def test_what_is_not_written_down_or_forgotten_is_said(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, "email,name\na@b.bg,Ана\n")
    again = take_in(actor, topic, "email,name\na@b.bg,Ана\n")
    erased = take_in(actor, topic, "email,name\na@b.bg,Анна\n")
    erase_subscriber(actor, Subscriber.objects.get())
    forgotten = ImportChange.objects.exists()
    Import.objects.filter(pk=job.pk).update(finished_at=NOON - timedelta(days=31))
    told = [look_ahead(Import.objects.get(pk=one.pk)).why_not for one in (job, again, erased)]

    assert (forgotten, [sentence.partition(":")[0] for sentence in told]) == (
        False,
        [
            "An import can be taken back for 30 days. What was there before it is forgotten by now.",
            "The import changed nobody.",
            "This import is of before imports could be taken back",
        ],
    )


def test_what_an_undo_under_way_needs_is_not_forgotten(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, "email\na@b.bg\n")
    undo_import(actor, job)
    Import.objects.filter(pk=job.pk).update(finished_at=NOON - timedelta(days=31))
    kept = forget_old_traces()
    run_undo(job.pk)
    assert (kept, Subscriber.objects.get().erased_at is not None) == (0, True)


def test_how_often_is_as_it_was_and_who_chose_it_since_stays(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, "email,frequency\nana@b.bg,daily\nboris@b.bg,\n")
    job = take_in(
        actor, topic, "email,frequency\nana@b.bg,weekly\nboris@b.bg,daily\nvera@b.bg,daily\ngeo@b.bg,weekly\n"
    )
    person = {row.normalised.partition("@")[0]: row.subscriber for row in Address.objects.select_related("subscriber")}
    for name in ("boris", "geo"):
        set_frequencies(actor, person[name], {(topic.pk, "email"): "immediate"})
    told = look_ahead(job).counts

    undo_import(actor, job)
    run_undo(job.pk)

    assert ImportUndo.objects.get().counts == told == counts(people=4, removed=1, kept=1, ended=2, restored=1, newer=1)
    assert list(Subscription.objects.order_by("pk").values_list("subscriber", "frequency")) == [
        (person["ana"].pk, 1), (person["boris"].pk, None)
    ]  # fmt: skip
    assert Subscriber.objects.filter(erased_at=None, pk=person["geo"].pk).exists()


def traced(**said: Any) -> Traced:
    person: dict[str, Any] = {
        "id": 1, "fields": {"name": "Ана"}, "attributes": {}, "updated_at": NOON, "is_gone": False,
        "is_arranged": False, "is_known": False, "made_at": NOON, "changes": [],
        "addresses": {("email", "a@b.bg"): NOON},
        "subscribed": {(7, "email")}, "subscriptions": {(7, "email")}, "ours": {(7, "email")}, "only_ours": True,
        "frequencies": {},
    }  # fmt: skip
    return Traced(**person | said)


LATER = NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("touch", "is_removed"),
    [
        ({}, True),
        ({"updated_at": LATER}, False),
        ({"updated_at": LATER, "changes": [Change(at=LATER, made={})]}, True),
        ({"addresses": {("email", "a@b.bg"): LATER}}, False),
        ({"is_known": True}, False),
        ({"is_arranged": True}, False),
        ({"only_ours": False}, False),
        ({"subscribed": set()}, False),
        ({"subscriptions": {(7, "email"), (8, "email")}, "subscribed": {(7, "email"), (8, "email")}}, False),
        ({"is_gone": True}, False),
    ],
)
def test_only_whom_nobody_touched_is_taken_out(touch: dict[str, Any], *, is_removed: bool) -> None:
    assert step_of(traced(**touch), 7).is_removed == is_removed


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_ids(is_ours: list[bool]) -> None:
    ids = [one for one, mine in enumerate(is_ours) if mine]
    found = list(runs_of(ids))

    assert [one for first, last in found for one in range(first, last + 1)] == ids
    assert all(first > last + 1 for (_first, last), (first, _last) in pairwise(found))
