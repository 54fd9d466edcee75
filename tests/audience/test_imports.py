from __future__ import annotations

import io
import json
import os
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection

from outreach.audience import imports
from outreach.audience.erasure import erase_subscriber
from outreach.audience.import_chunk import Chunk
from outreach.audience.import_intake import preview, receive_import, stored_file
from outreach.audience.import_terms import Terms
from outreach.audience.import_trace import ImportChange
from outreach.audience.imports import rejections_csv, resume_imports, run_import
from outreach.audience.models import Address, Consent, Import, ImportRejection, Subscriber, Subscription, Topic
from outreach.audience.subscriptions import unsubscribe
from outreach.audience.suppression_import import (
    SuppressionImport,
    kept_list,
    resume_suppression_imports,
    start_suppression_import,
)
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Organisation

PEOPLE = (
    "Имейл;Телефон;Име;Вид;Език;consent_source;consent_at;consent_text_version;град\r\n"
    "maria@example.bg;0888 123 456;Мария Иванова;гражданин;bg;form;01.05.2026 10:30;v2;Пловдив\r\n"
    ";+359 2 981 0000;Кафе Ротонда;фирма;;;;;\r\n"
    'ivan@example.bg;;"Иван\r\nПетров";;en;;;;"Стара\r\nЗагора"\r\n'
    "не е адрес;;Лош Ред;;;;;;\r\n"
    "anna@example.bg;;Анна;марсианец;;;;;\r\n"
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def take_in(
    actor: Actor, topic: Topic, content: str | bytes, *, encoding: str = "utf-8", terms: Terms | None = None
) -> Import:
    data = content if isinstance(content, bytes) else content.encode(encoding)
    job = receive_import(actor, topic, io.BytesIO(data), "people.csv", terms=terms)
    run_import(job.pk)
    job.refresh_from_db()
    return job


def counts(job: Import) -> tuple[str, int, int, int, int, int]:
    return job.state, job.rows, job.created, job.updated, job.unchanged, job.rejected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_a_file_of_real_shape_is_taken_in(actor: Actor, topic: Topic, encoding: str) -> None:
    job = take_in(actor, topic, PEOPLE, encoding=encoding)

    assert counts(job) == ("done", 5, 3, 0, 0, 2)
    assert job.bytes_read == job.file_size
    assert [(row.name, row.kind, row.language, row.attributes) for row in Subscriber.objects.order_by("sort_key")] == [
        ("Иван Петров", "citizen", "en", {"град": "Стара\nЗагора"}),
        ("Кафе Ротонда", "business", "bg", {}),
        ("Мария Иванова", "citizen", "bg", {"град": "Пловдив"}),
    ]
    assert list(ImportRejection.objects.order_by("line").values_list("line", "column", "reason")) == [
        (7, "email", "bad_email"),
        (8, "kind", "unknown_kind"),
    ]
    assert sorted(Address.objects.values_list("channel", "normalised")) == [
        ("email", "ivan@example.bg"), ("email", "maria@example.bg"), ("sms", "+35929810000"), ("sms", "+359888123456"),
    ]  # fmt: skip
    assert not stored_file(job).exists()


def test_consents_say_what_the_row_said_and_where_it_stood(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, PEOPLE)

    given = Consent.objects.filter(subscriber__name="Мария Иванова").order_by("channel")
    assert [(row.channel, row.source, row.at.isoformat(), row.text_version, row.evidence) for row in given] == [
        (channel, "form", "2026-05-01T07:30:00+00:00", "v2", {"import": job.pk, "line": 2})
        for channel in ("email", "sms")
    ]
    other = Consent.objects.get(subscriber__name="Кафе Ротонда")
    assert (other.source, other.at, other.evidence) == ("import", job.created_at, {"import": job.pk, "line": 3})


def test_consents_name_the_language_of_their_text_and_are_salted(actor: Actor, topic: Topic) -> None:
    rows = "email;език на текста\nana@example.bg;английски\nboris@example.bg;\nvera@example.bg;клингонски\n"

    take_in(actor, topic, rows)

    assert list(Consent.objects.order_by("pk").values_list("language", flat=True)) == ["en", ""]
    assert len(set(Consent.objects.values_list("salt", flat=True)) - {None}) == 2
    rejected = ImportRejection.objects.values_list("line", "column", "reason")
    assert list(rejected) == [(4, "consent_language", "unknown_consent_language")]


def test_the_same_file_twice_changes_nothing(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, PEOPLE)
    before = list(Subscriber.objects.order_by("pk").values()), Consent.objects.count(), Subscription.objects.count()

    again = take_in(actor, topic, PEOPLE, encoding="cp1251")

    assert counts(again) == ("done", 5, 0, 0, 3, 2)
    assert (
        list(Subscriber.objects.order_by("pk").values()),
        Consent.objects.count(),
        Subscription.objects.count(),
    ) == before


def test_a_file_with_two_rows_of_a_person_changes_nothing_the_second_time(actor: Actor, topic: Topic) -> None:
    text = "email,name,city\na@b.bg,Ана,Варна\na@b.bg,Анна,Русе\n"
    take_in(actor, topic, text)

    again = take_in(actor, topic, text)

    assert counts(again) == ("done", 2, 0, 0, 2, 0)
    assert list(Subscriber.objects.values_list("name", "attributes")) == [("Анна", {"city": "Русе"})]


def test_rows_of_one_person_in_a_file_are_laid_over_each_other(actor: Actor, topic: Topic) -> None:
    job = take_in(
        actor,
        topic,
        "email,phone,name,city\n"
        "a@b.bg,,Ана,\n"
        "A@B.bg,0888111222,,Варна\n"
        ",0888111222,Ана Иванова,\n"
        "a@b.bg,,Ана Иванова,Варна\n"
        "c@b.bg,0888333444,В,\n"
        "c@b.bg,0888111222,В,\n",
    )

    assert counts(job) == ("done", 6, 2, 2, 1, 1)
    assert list(Subscriber.objects.order_by("id").values_list("name", "attributes")) == [
        ("Ана Иванова", {"city": "Варна"}),
        ("В", {}),
    ]
    assert list(ImportRejection.objects.values_list("line", "column", "reason")) == [(7, "phone", "two_people")]


def test_what_is_known_is_updated_and_empty_cells_say_nothing(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, "email,name,city\na@b.bg,Ана,Варна\n")

    job = take_in(actor, topic, "email,phone,name,city,age\na@b.bg,0888111222,,Русе,33\n")

    assert counts(job) == ("done", 1, 0, 1, 0, 0)
    person = Subscriber.objects.get()
    assert (person.name, person.attributes) == ("Ана", {"city": "Русе", "age": "33"})
    assert sorted(person.subscriptions.values_list("channel", flat=True)) == ["email", "sms"]


def test_the_wish_for_a_channel_comes_in_by_our_words_and_peoples(actor: Actor, topic: Topic) -> None:
    job = take_in(
        actor,
        topic,
        "Имейл;телефон;Предпочитан  канал\n"
        "a@b.bg;;имейл\nb@b.bg;;SMS\nc@b.bg;;\n;0888111222;СМС\n;0888111333;viber\n;0888111444;Телефон\n",
    )

    assert counts(job) == ("done", 6, 5, 0, 0, 1)
    assert list(Subscriber.objects.order_by("pk").values_list("preferred_channel", "attributes")) == [
        (channel, {}) for channel in ("email", "sms", "", "sms", "sms")
    ]
    [refused] = list(rejections_csv(job))[1:]
    assert "unknown_preferred_channel" in refused
    assert list(ImportRejection.objects.values_list("line", "column", "reason")) == [
        (6, "preferred_channel", "unknown_preferred_channel")
    ]


def test_region_is_imported_by_name_or_code(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, "email;област\na@b.bg;Пловдив\nc@d.bg;BG-03\ne@f.bg;\ng@h.bg;Атлантида\n")
    changed = take_in(actor, topic, "email;region\na@b.bg;Varna\n")

    assert (counts(job), counts(changed)) == (("done", 4, 3, 0, 0, 1), ("done", 1, 0, 1, 0, 0))
    assert list(Subscriber.objects.order_by("pk").values_list("region", flat=True)) == ["BG-03", "BG-03", ""]
    assert [row.reason for row in job.rejections.all()] == ["unknown_region"]


def test_a_later_wish_is_laid_over_and_an_empty_cell_leaves_it(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, "email,phone,preferred_channel\na@b.bg,0888111222,sms\n")
    same = take_in(actor, topic, "email,preferred_channel\na@b.bg,sms\na@b.bg,\n")
    before = Subscriber.objects.get().preferred_channel
    later = take_in(actor, topic, '{"email": "a@b.bg", "preferred_channel": "E-mail"}\n')

    assert (counts(same), before) == (("done", 2, 0, 0, 2, 0), "sms")
    assert (counts(later), Subscriber.objects.get().preferred_channel) == (("done", 1, 0, 1, 0, 0), "email")


def how_often() -> list[tuple[str, str, int | None]]:
    names = dict(Address.objects.filter(channel="email").values_list("subscriber", "value"))
    rows = Subscription.objects.filter(state="subscribed")
    return sorted((names[row.subscriber_id], row.channel, row.frequency) for row in rows)


def test_how_often_comes_in_by_channel_and_is_laid_over_what_is_still_wanted(actor: Actor, topic: Topic) -> None:
    first = take_in(
        actor,
        topic,
        "email;телефон;Честота\na@b.bg;0888111222;weekly\nb@b.bg;;Веднъж на ден\nc@b.bg;;\n"
        "d@b.bg;0888111333;email:daily sms:immediate\ne@b.bg;;hourly\nf@b.bg;;fax:daily\n",
    )
    begun = how_often()
    unsubscribe(Subscriber.objects.get(addresses__value="b@b.bg"), topics=None, source="form")
    again = take_in(actor, topic, "email;frequency\na@b.bg;weekly\nd@b.bg;\n")
    filled = take_in(
        actor, topic, "email;frequency\nc@b.bg;daily\na@b.bg;daily\ng@b.bg;daily\n", terms=Terms(known="fill")
    )
    later = take_in(
        actor, topic, '{"email": "a@b.bg", "frequency": "sms:immediate"}\n{"email": "b@b.bg", "frequency": "weekly"}\n'
    )
    twice = take_in(actor, topic, "email;frequency\nc@b.bg;daily\nc@b.bg;weekly\nh@b.bg;daily\nh@b.bg;weekly\n")

    assert [counts(job) for job in (first, again, filled, later, twice)] == [
        ("done", 6, 4, 0, 0, 2), ("done", 2, 0, 0, 2, 0), ("done", 3, 1, 0, 2, 0), ("done", 2, 0, 1, 1, 0),
        ("done", 4, 1, 3, 0, 0),
    ]  # fmt: skip
    assert list(first.rejections.order_by("line").values_list("line", "column", "reason")) == [
        (6, "frequency", "unknown_frequency"), (7, "frequency", "unknown_frequency")
    ]  # fmt: skip
    assert begun == [
        ("a@b.bg", "email", 7), ("a@b.bg", "sms", 7), ("b@b.bg", "email", 1), ("c@b.bg", "email", None),
        ("d@b.bg", "email", 1), ("d@b.bg", "sms", None),
    ]  # fmt: skip
    assert how_often() == [
        ("a@b.bg", "email", 7), ("a@b.bg", "sms", None), ("c@b.bg", "email", 7), ("d@b.bg", "email", 1),
        ("d@b.bg", "sms", None), ("g@b.bg", "email", 1), ("h@b.bg", "email", 7),
    ]  # fmt: skip


def test_a_withdrawal_is_not_undone(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, "email\na@b.bg\n")
    unsubscribe(Subscriber.objects.get(), topics=None, source="one_click")

    job = take_in(actor, topic, "email\na@b.bg\n")

    assert counts(job) == ("done", 1, 0, 0, 1, 0)
    assert Subscription.objects.get().state == "unsubscribed"


def test_erasing_a_person_forgets_rejected_rows_too(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, "email,kind\na@b.bg,\nA@b.bg,alien\n")

    erase_subscriber(actor, Subscriber.objects.get())

    assert ImportRejection.objects.get().raw == ""


def test_ndjson_takes_attributes_of_their_own_kind(actor: Actor, topic: Topic) -> None:
    lines = [
        {"email": "a@b.bg", "name": "Ана", "attributes": {"age": 33, "member": True}, "city": "Варна"},
        {"email": "b@b.bg", "tags": ["x"]},
        {"email": "c@b.bg", "name": "\x00"},
        {"name": "Без адрес"},
        {"email": "d@b.bg", "mail": "e@b.bg"},
        {"mail": "a@b.bg", "email": "a@b.bg"},
    ]

    job = take_in(actor, topic, "\n".join(json.dumps(line) for line in lines))

    assert counts(job) == ("done", 6, 1, 0, 1, 4)
    assert Subscriber.objects.get().attributes == {"age": 33, "member": True, "city": "Варна"}
    assert list(ImportRejection.objects.order_by("line").values_list("line", "column", "reason")) == [
        (2, "tags", "bad_value"), (3, "name", "control_character"), (4, "", "no_address"),
        (5, "email", "repeated_value"),
    ]  # fmt: skip


def test_a_field_of_a_very_long_name_is_rejected_and_ends_no_import(actor: Actor, topic: Topic) -> None:
    key = "к" * 300
    job = take_in(
        actor,
        topic,
        "\n".join(json.dumps({"email": "a@b.bg", key: value}) for value in ("\x01", [1])),
        terms=Terms(mapping={key: "name"}),
    )

    assert counts(job) == ("done", 2, 0, 0, 0, 2)
    assert list(ImportRejection.objects.order_by("line").values_list("column", "reason")) == [
        (key[:100], "control_character"), (key[:100], "bad_value")
    ]  # fmt: skip


def test_two_columns_of_one_meaning_are_told_so(actor: Actor, topic: Topic) -> None:
    with pytest.raises(Invalid) as caught:
        receive_import(actor, topic, io.BytesIO("email;имейл\na@b.bg;c@b.bg\n".encode()), "people.csv")

    assert [str(told) for told in caught.value.fields["file"]] == [
        "Two columns hold the same thing. Leave one of them out, or give it another name."
    ]


def test_a_killed_import_goes_on_behind_the_last_committed_chunk(
    actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 10)
    content = "email\n" + "".join(f"p{place}@b.bg\n" for place in range(35))
    job = receive_import(actor, topic, io.BytesIO(content.encode()), "people.csv")

    class Killed(BaseException):
        pass

    def die_at_20(seen: Import) -> None:
        if seen.rows == 20:
            raise Killed

    with pytest.raises(Killed):
        run_import(job.pk, on_progress=die_at_20)
    run_import(job.pk)  # its lease has not run out: nothing happens
    job.refresh_from_db()
    assert counts(job) == ("running", 20, 20, 0, 0, 0)
    Import.objects.filter(pk=job.pk).update(lease_until="2026-01-01T00:00:00Z")
    assert resume_imports() == 1

    run_import(job.pk)

    job.refresh_from_db()
    assert counts(job) == ("done", 35, 35, 0, 0, 0)
    assert Subscriber.objects.count() == 35


def test_two_workers_with_one_import_commit_each_row_once(actor: Actor, topic: Topic) -> None:
    job = receive_import(actor, topic, io.BytesIO(b"email\na@b.bg\n"), "people.csv")

    def other_worker(_seen: Import) -> None:
        Import.objects.filter(pk=job.pk).update(rows=7)

    run_import(job.pk, on_progress=other_worker)

    job.refresh_from_db()
    assert (job.state, job.rows) == ("running", 7)


def test_files_that_a_killed_process_left_behind_go(actor: Actor, topic: Topic) -> None:
    def receive(*, is_confirmed: bool = True) -> Path:
        file = io.BytesIO(b"email\na@b.bg\n")
        return stored_file(receive_import(actor, topic, file, "people.csv", is_confirmed=is_confirmed))

    waits, ended, gone, fresh = receive(is_confirmed=False), receive(), receive(), receive()
    listed, taken = (
        kept_list(start_suppression_import(actor, io.BytesIO(b"email\na@b.bg\n"), "list.csv")) for _each in "ab"
    )
    Import.objects.filter(pk=int(ended.name)).update(state="done")
    Import.objects.filter(pk__in=[int(gone.name), int(fresh.name)]).delete()
    SuppressionImport.objects.filter(pk=int(taken.name.removeprefix("list-"))).update(state="done")
    lately = (clock.now() - timedelta(hours=2)).timestamp()
    for path in (waits, ended, gone, listed, taken):
        os.utime(path, (lately, lately))

    resume_imports()
    resume_suppression_imports()

    assert sorted(waits.parent.iterdir()) == sorted([waits, fresh, listed])


def test_a_file_that_is_gone_fails_in_words(actor: Actor, topic: Topic) -> None:
    job = receive_import(actor, topic, io.BytesIO(b"email\na@b.bg\n"), "people.csv")
    stored_file(job).unlink()

    run_import(job.pk)

    job.refresh_from_db()
    assert (job.state, job.trouble) == ("failed", "The uploaded file is not there any more. Upload it again.")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"name;city\nAna;Varna\n", b"email;e-mail\n", b"\x00\x01\x02", b"email" + b"x" * 5000],
)
def test_a_file_that_cannot_be_read_is_refused_at_its_field(
    actor: Actor, topic: Topic, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "IMPORT_MAX_BYTES", 5000)

    with pytest.raises(Invalid) as caught:
        receive_import(actor, topic, io.BytesIO(content), "people.csv")

    assert list(caught.value.fields) == ["file"]
    assert Import.objects.count() == 0


def test_a_topic_of_a_stranger_is_refused(topic: Topic) -> None:
    stranger = Organisation.objects.create(slug="stranger", name={"bg": "Друг"})

    with pytest.raises(NotFound):
        receive_import(product_itself(stranger), topic, io.BytesIO(b"email\na@b.bg\n"), "people.csv")


def test_what_copy_spells_in_another_way_comes_through(actor: Actor, topic: Topic) -> None:
    odd = 'C:\\temp\tA\\N {"x"}'

    take_in(actor, topic, json.dumps({"email": "a@b.bg", "name": "\\. и \\N", "note": odd, "consent_source": "a\\b"}))

    person = Subscriber.objects.get()
    assert (person.name, person.attributes, person.consents.get().source) == ("\\. и \\N", {"note": odd}, "a\\b")


def test_rejections_are_safe_to_open_in_a_spreadsheet(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, "email,name\n=cmd|' /C calc'!A0,x\n")

    assert list(rejections_csv(job)) == [
        "\ufeffline,column,reason,message,row\r\n",
        "2,email,bad_email,This is not an e-mail address such as name@example.org.,\"'=cmd|' /C calc'!A0,x\"\r\n",
    ]


def test_preview_says_what_columns_are_taken_for(db: None) -> None:
    seen = preview(io.BytesIO(PEOPLE.encode("cp1251")))

    assert (seen.form.encoding, seen.form.delimiter, seen.columns) == (
        "cp1251",
        ";",
        {
            "Имейл": "email", "Телефон": "phone", "Име": "name", "Вид": "kind", "Език": "language",
            "consent_source": "consent_source", "consent_at": "consent_at",
            "consent_text_version": "consent_text_version", "град": "attribute",
        },
    )  # fmt: skip
    assert ([row.name for row in seen.rows], [row.line for row in seen.problems]) == (
        ["Мария Иванова", "Кафе Ротонда", "Иван Петров"],
        [7, 8],
    )


def test_an_import_of_many_rows_is_set_based(actor: Actor, topic: Topic, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Any] = [f"p{n}@example.bg;0888{n:06d};Човек {n};citizen;bg;Град {n % 50}" for n in range(10_000)]
    content = "\n".join(["email;phone;name;kind;language;city", *rows]).encode()
    started = time.monotonic()

    job = take_in(actor, topic, content)

    rate = 10_000 / (time.monotonic() - started)
    with capsys.disabled():
        print(f"\nimport: {rate:,.0f} rows/s with e-mail, phone and consent each", end=" ")
    assert counts(job) == ("done", 10_000, 10_000, 0, 0, 0)


def test_the_planner_knows_of_new_people_at_once(actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "GROWTH", 0)  # other tests' tables may have been large
    take_in(actor, topic, "\n".join(["email", *[f"p{n}@example.bg" for n in range(300)]]))

    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN SELECT FROM outreach_subscription WHERE topic_id = {topic.pk} AND state = 'subscribed'"
        )
        plan = cursor.fetchone()[0]
    assert "rows=300 " in plan


def test_people_come_out_the_same_whatever_a_chunk_holds(
    actor: Actor, ministry: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(7)
    lines = [
        f"{draw.choice(['', f'p{draw.randrange(40)}@b.bg'])},{draw.choice(['', f'0888{draw.randrange(40):06d}'])},"
        f"{draw.choice(['', 'Ана', 'Иван'])},{draw.choice(['', 'Варна', 'Русе'])}"
        for _ in range(120)
    ]
    text = "email,phone,name,city\n" + "\n".join(line for line in lines if line.startswith(("p", ",0"))) + "\n"
    outcomes = []
    for size in (1, 7, 1000):
        monkeypatch.setattr(imports, "CHUNK", size)
        place = Organisation.objects.create(slug=f"office-{size}", name={}, parent=ministry)
        topic = Topic.objects.create(organisation=place, slug=f"news-{size}", name={})
        job = take_in(product_itself(place), topic, text)
        outcomes.append(
            (people_of(place), list(job.rejections.order_by("line").values_list("line", "reason")), job.rows)
        )

    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0][0]) > 20
    assert outcomes[0][1]


def people_of(place: Organisation) -> list[tuple[Any, ...]]:
    return sorted(
        (
            sorted(person.addresses.values_list("channel", "normalised")),
            person.name,
            person.attributes,
            sorted(person.subscriptions.values_list("channel", "state")),
            sorted((row.channel, row.evidence["line"]) for row in person.consents.all()),
        )
        for person in Subscriber.objects.filter(organisation=place)
    )


@pytest.mark.parametrize("row", ["phone\na@b.bg,0888111222", "name\na@b.bg,Ана", "city\na@b.bg,Русе"])
def test_who_is_erased_while_his_row_is_taken_in_gets_nothing(
    actor: Actor, topic: Topic, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    """Nor is written down what he was, so that the import could be taken back."""
    take_in(actor, topic, "email,name,city\na@b.bg,Анна,Варна\n")
    decide = Chunk._decide

    def decide_late(chunk: Chunk, cursor: Any) -> None:
        decide(chunk, cursor)
        person = Subscriber.objects.first()
        if person is not None and person.erased_at is None:
            erase_subscriber(actor, person)

    monkeypatch.setattr(Chunk, "_decide", decide_late)
    job = receive_import(actor, topic, io.BytesIO(f"email,{row}\n".encode()), "people.csv")
    monkeypatch.setattr(imports, "TRIES", 1)

    with pytest.raises(IntegrityError):
        run_import(job.pk)

    assert (Address.objects.filter(channel="sms").count(), ImportChange.objects.count()) == (0, 0)


def test_a_time_at_the_calendars_end_is_refused(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, "email,consent_at\na@b.bg,0001-01-01T00:00:00\n")

    assert counts(job) == ("done", 1, 0, 0, 0, 1)
    assert ImportRejection.objects.get().reason == "bad_time"


OPT_IN = Terms(is_opt_in=True, consent_source="paper form", consent_at="01.05.2026", consent_text_version="v3")


def test_an_opt_in_needs_evidence_of_the_file_or_of_its_columns(actor: Actor, topic: Topic) -> None:
    def faults(content: str, terms: Terms) -> dict[str, list[str]]:
        with pytest.raises(Invalid) as caught:
            receive_import(actor, topic, io.BytesIO(content.encode()), "people.csv", terms=terms)
        return {field: list(map(str, told)) for field, told in caught.value.fields.items()}

    assert faults("email,consent_at\na@b.bg,\n", Terms(is_opt_in=True, consent_source="form")) == {
        "consent_text_version": ["Say which text they were shown, or which column says it."]
    }
    assert faults("email\na@b.bg\n", replace(OPT_IN, consent_at="01.05.2999", consent_source="x" * 41)) == {
        "consent_at": ["The consent lies in the future."],
        "consent_source": ["The value is too long."],
    }
    assert faults("email\na@b.bg\n", Terms(consent_at="yesterday", known="merge")) == {
        "consent_at": ["This is not a time such as 2026-05-01 14:30 or 01.05.2026."],
        "known": ["This is none of overwrite, fill and skip."],
    }
    assert Import.objects.count() == 0


def test_evidence_of_the_file_holds_for_rows_that_do_not_say_it(actor: Actor, topic: Topic) -> None:
    content = "email,consent_source\na@b.bg,\nc@b.bg,web form\n"
    job = take_in(actor, topic, content, terms=OPT_IN)

    assert counts(job) == ("done", 2, 2, 0, 0, 0)
    assert list(Consent.objects.order_by("pk").values_list("source", "text_version", "at")) == [
        (source, "v3", datetime(2026, 4, 30, 21, tzinfo=UTC)) for source in ("paper form", "web form")
    ]


def test_a_row_that_lacks_the_evidence_that_columns_bring_is_rejected(actor: Actor, topic: Topic) -> None:
    content = "email,consent_source,consent_at\na@b.bg,form,2026-05-01\nc@b.bg,,2026-05-01\nd@b.bg,form,\n"
    job = take_in(actor, topic, content, terms=replace(OPT_IN, consent_source="", consent_at=""))

    assert counts(job) == ("done", 3, 1, 0, 0, 2)
    assert list(ImportRejection.objects.order_by("line").values_list("line", "column", "reason")) == [
        (3, "consent_source", "no_evidence"),
        (4, "consent_at", "no_evidence"),
    ]


@pytest.mark.parametrize(
    ("known", "name", "attributes", "channels", "became"),
    [
        ("overwrite", "Анна", {"city": "Русе", "age": "33"}, ["email", "sms"], (1, 0)),
        ("fill", "Ана", {"city": "Варна", "age": "33"}, ["email", "sms"], (1, 0)),
        ("skip", "Ана", {"city": "Варна"}, ["email"], (0, 1)),
    ],
)
def test_what_becomes_of_people_known_already(
    actor: Actor, topic: Topic, known: str, name: str, attributes: dict[str, str], channels: list[str],
    became: tuple[int, int],
) -> None:  # fmt: skip
    take_in(actor, topic, "email,name,city\na@b.bg,Ана,Варна\n")

    content = "email,phone,name,city,age,language\na@b.bg,0888111222,Анна,Русе,33,\nnew@b.bg,,Нов,,,en\n"
    job = take_in(actor, topic, content, terms=Terms(known=known))

    person = Subscriber.objects.get(addresses__normalised="a@b.bg")
    assert (person.name, person.attributes, sorted(person.subscriptions.values_list("channel", flat=True))) == (
        name, attributes, channels
    )  # fmt: skip
    assert counts(job) == ("done", 2, 1, *became, 0)
    assert Subscriber.objects.get(addresses__normalised="new@b.bg").language == "en"
