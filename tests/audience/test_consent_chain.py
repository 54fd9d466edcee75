"""The chain of consents: nothing is left out, whatever is changed is found, and an erasure is no tampering."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience import sealing
from outreach.audience.chain_check import SEALED, ChainCheck, Problem, check_chain
from outreach.audience.commitment import Row, leaf_of
from outreach.audience.commitment_lines import LINES, leaf_of_line
from outreach.audience.consent_chain import ConsentBlock, ConsentBookmark
from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Consent, Subscriber, Topic
from outreach.audience.sealing import seal_consents
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.queue import database_conninfo
from outreach.management import consent as command


@pytest.fixture
def people(ministry: Organisation) -> list[Subscriber]:
    return [Subscriber.objects.create(organisation=ministry, name=name) for name in ("Ана", "Борис", "Вера")]


def agree(person: Subscriber, topic: Topic | None = None, **said: Any) -> Consent:
    given = {"action": "given", "channel": "email", "source": "form", "text_version": "v1", "at": clock.now()}
    return Consent.objects.create(subscriber=person, topic=topic, **given | said)


def codes(check: ChainCheck) -> list[tuple[str, int | None, int | None]]:
    return [(problem.code, problem.block, problem.consent) for problem in check.problems]


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.handle(parser.parse_args(arguments))


def test_sealing_takes_each_consent_once_in_bounded_blocks(
    people: list[Subscriber], topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "MOST_IN_BLOCK", 4)
    made = [agree(people[number % 3], topic).pk for number in range(10)]

    assert [seal_consents(), seal_consents()] == [10, 0]

    blocks = list(ConsentBlock.objects.order_by("number"))
    assert [block.ids for block in blocks] == [made[:4], made[4:8], made[8:]]
    assert [bytes(block.previous) for block in blocks] == [bytes(32), *(bytes(block.root) for block in blocks[:-1])]
    assert without_root(check_chain()) == ChainCheck(blocks=3, consents=10)


def without_root(check: ChainCheck) -> ChainCheck:
    return replace(check, root="")


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_sealed_late_and_nobody_waits() -> None:
    owner = Organisation.objects.create(slug="ministry", name={"bg": "Министерство"})
    person = Subscriber.objects.create(organisation=owner)
    with psycopg.connect(**database_conninfo()) as slow:
        late = write_by_hand(slow, person)
        early = agree(person)
        sealed = [seal_consents() for _run in range(3)]
        slow.commit()
    sealed += [seal_consents() for _run in range(3)]

    assert sealed == [1, 0, 0, 1, 0, 0]
    assert [block.ids for block in ConsentBlock.objects.order_by("number")] == [[early.pk], [late]]
    assert late < early.pk == floor_at_last()
    assert check_chain().holds


def floor_at_last() -> int:
    """The floor, once it has risen: it waits for what is under way anywhere on the server, so for other tests, too."""
    deadline = time.monotonic() + 60
    while not (floor := ConsentBookmark.objects.get().floor) and time.monotonic() < deadline:
        seal_consents()
    return floor


def write_by_hand(link: psycopg.Connection[Any], person: Subscriber) -> int:
    row = link.execute(
        "INSERT INTO outreach_consent (subscriber_id, purpose, channel, action, source, text_version, evidence, at)"
        " VALUES (%s, 'topic', 'email', 'given', 'form', '', '{}', now()) RETURNING id",
        [person.pk],
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_floor_rises_in_a_database_that_was_restored_elsewhere(people: list[Subscriber]) -> None:
    agree(people[0])
    seal_consents()
    ConsentBookmark.objects.update(reached=7, horizon=10**15)

    seal_consents()

    assert ConsentBookmark.objects.values_list("floor", flat=True).get() == 7


def test_an_erasure_empties_the_rows_and_the_chain_still_holds(people: list[Subscriber], topic: Topic) -> None:
    ana, boris, _vera = people
    sealed, unsealed = agree(ana, topic, evidence={"ip": "192.0.2.0/24"}), agree(boris, topic)
    seal_consents()
    before = bytes(ConsentBlock.objects.get(number=1).leaves)
    unsealed = agree(ana, topic)

    erase_subscriber(product_itself(ana.organisation), ana)
    seal_consents()

    emptied = Consent.objects.filter(pk__in=[sealed.pk, unsealed.pk])
    said = ("salt", "purpose", "topic", "channel", "action", "source", "text_version", "language", "evidence")
    assert set(map(str, emptied.values_list(*said))) == {"(None, '', None, '', '', '', '', '', {})"}
    assert Consent.objects.values_list("action", "evidence").latest("pk") == (
        "erased",
        {"consents": [sealed.pk, unsealed.pk]},
    )
    assert bytes(ConsentBlock.objects.get(number=1).leaves) == before
    assert without_root(check_chain()) == ChainCheck(blocks=2, consents=3, erased=1)


def test_the_database_refuses_to_change_what_was_recorded(people: list[Subscriber], topic: Topic) -> None:
    row = agree(people[0], topic)
    seal_consents()

    for statement in (
        "UPDATE outreach_consent SET action = 'withdrawn'",
        "UPDATE outreach_consent SET topic_id = NULL",
        "DELETE FROM outreach_consent",
        "UPDATE outreach_consentblock SET root = previous",
        "DELETE FROM outreach_consentblock",
    ):
        with pytest.raises(IntegrityError, match=r"append-only|only be emptied"), transaction.atomic():
            _execute(statement)
    with pytest.raises(IntegrityError), transaction.atomic():
        topic.delete()
    assert (Consent.objects.get().action, row.action, check_chain().holds) == ("given", "given", True)


def _execute(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def test_a_consents_line_has_the_hash_of_its_fields(people: list[Subscriber], topic: Topic) -> None:
    at = datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
    plain = [
        agree(people[0], at=at),
        agree(people[1], topic, source='служба "А"', language="bg", at=at.replace(microsecond=500_000)),
        agree(people[2], topic, channel="", text_version="v\x7f/2", evidence={"n": 1.50, "ъ": ["x", None]}),
    ]
    spelt = agree(people[0], source="a\\b", evidence={"t": "\t"})
    ids = [row.pk for row in (*plain, spelt)]

    with connection.cursor() as cursor:
        with cursor.cursor.copy(LINES, {"ids": ids}) as lines:
            told = dict(leaf_of_line(bytes(line).decode()) for line in lines)
        cursor.execute(SEALED, {"ids": ids})
        leaves = {row[0]: leaf_of(Row(*row)) for row in cursor.fetchall()}

    assert told == leaves | {spelt.pk: None}


@contextmanager
def unguarded() -> Iterator[None]:
    """As the owner of the database can have it, and undone in the end."""
    with transaction.atomic():
        for table in ("outreach_consent", "outreach_consentblock", "outreach_consentday"):
            _execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        transaction.set_rollback(True)


#: Each column of a consent, and something else that it could hold: `%s` is its id.
CONSENT_TAMPERS = (
    "SET subscriber_id = subscriber_id + 1",
    "SET purpose = CASE purpose WHEN 'topic' THEN 'measurement' ELSE 'topic' END",
    "SET topic_id = COALESCE(topic_id, 0) + 1",
    "SET channel = channel || 'x'",
    "SET action = CASE action WHEN 'given' THEN 'withdrawn' ELSE 'given' END",
    "SET source = source || 'x'",
    "SET text_version = text_version || '2'",
    "SET language = CASE language WHEN 'bg' THEN 'en' ELSE 'bg' END",
    """SET evidence = evidence || '{"more": 1}'""",
    "SET at = at - interval '1 microsecond'",
    "SET recorded_at = recorded_at + interval '1 day'",
    "SET salt = gen_random_uuid()",
    "SET salt = NULL",
    "SET salt = NULL, topic_id = NULL, purpose = '', channel = '', action = '', source = '', text_version = '',"
    " language = '', evidence = '{}', at = 'epoch', recorded_at = 'epoch'",
    "SET id = 1000000 + id",
    "DELETE",
)
#: The same of a block.
BLOCK_TAMPERS = (
    "SET number = number + 100",
    "SET previous = sha256(previous)",
    "SET root = sha256(root)",
    "SET sealed_at = sealed_at + interval '1 hour'",
    "SET ids = ids[2:] || ids[1:1] || ids[1:1]",
    "SET ids = ids[2:]",
    "SET leaves = set_byte(leaves, length(leaves) - 1, (get_byte(leaves, length(leaves) - 1) + 1) % 256)",
    "SET leaves = substr(leaves, 33)",
    "SET first_id = first_id - 1",
    "SET last_id = last_id + 1",
    "DELETE",
)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
SAID = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from(["topic", "measurement"]),
        "channel": st.sampled_from(["", "email", "sms"]),
        "action": st.sampled_from(["given", "withdrawn"]),
        "source": WORDS,
        "text_version": WORDS,
        "language": st.sampled_from(["", "bg", "en"]),
        "evidence": st.dictionaries(WORDS, WORDS | st.integers() | st.booleans(), max_size=2),
        "has_topic": st.booleans(),
    }
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(st.tuples(st.integers(0, 2), SAID), min_size=2, max_size=5),
    chosen=st.integers(0, 10**6),
    is_erased=st.booleans(),
)
def test_whatever_is_done_to_one_row_is_found_and_named(
    people: list[Subscriber],
    topic: Topic,
    said: list[tuple[int, dict[str, Any]]],
    chosen: int,
    is_erased: bool,
) -> None:
    with transaction.atomic():
        for number, fields in said:
            about = topic if fields["has_topic"] else None
            agree(people[number], about, **{name: value for name, value in fields.items() if name != "has_topic"})
            if number != 1:
                seal_consents()
        if is_erased:
            erase_subscriber(product_itself(people[0].organisation), people[0])
        seal_consents()
        ConsentBookmark.objects.update(floor=Consent.objects.latest("pk").pk)
        assert codes(check_chain()) == []

        sealed = [number for block in ConsentBlock.objects.all() for number in block.ids]
        row = sealed[chosen % len(sealed)]
        holder = ConsentBlock.objects.get(ids__contains=[row]).number
        for tamper in CONSENT_TAMPERS:
            with tampered(tamper, "outreach_consent", "id", row) as is_done:
                assert (row in [problem.consent for problem in check_chain().problems]) == is_done, tamper
        for tamper in BLOCK_TAMPERS:
            with tampered(tamper, "outreach_consentblock", "number", holder):
                assert holder in [problem.block for problem in check_chain().problems], tamper
        assert codes(check_chain()) == []
        transaction.set_rollback(True)


@contextmanager
def tampered(tamper: str, table: str, key: str, value: int) -> Iterator[bool]:
    """Whether that is a change: what is empty already cannot be emptied."""
    look = f"SELECT t::text FROM {table} t WHERE {key} = {value}"
    change = f"DELETE FROM {table}" if tamper == "DELETE" else f"UPDATE {table} {tamper}"
    with unguarded():
        before = _execute(look)
        _execute(f"{change} WHERE {key} = {value}")
        yield before != _execute(look)


def test_a_row_slipped_in_among_sealed_ones_is_found(people: list[Subscriber]) -> None:
    agree(people[0])
    last = agree(people[1])
    seal_consents()
    ConsentBookmark.objects.update(floor=last.pk)

    slipped = agree(people[2], pk=last.pk - 10_000_000)

    assert codes(check_chain()) == [("unsealed", None, slipped.pk)]


def test_a_chain_that_lost_its_end_goes_on_with_the_gap_for_all_to_see(people: list[Subscriber]) -> None:
    for person in people[:2]:
        agree(person)
        seal_consents()
    with transaction.atomic():
        _execute("ALTER TABLE outreach_consentblock DISABLE TRIGGER USER")
        ConsentBlock.objects.filter(number=2).delete()
        _execute("ALTER TABLE outreach_consentblock ENABLE TRIGGER USER")
    cut_off = codes(check_chain())
    agree(people[2])

    seal_consents()

    assert cut_off == [("missing", 2, None)]
    assert codes(check_chain()) == [("missing", 2, None)]
    assert list(ConsentBlock.objects.order_by("number").values_list("number", flat=True)) == [1, 3]


def test_the_command_proves_the_chain_or_names_the_row(
    people: list[Subscriber], capsys: pytest.CaptureFixture[str]
) -> None:
    row = agree(people[0])
    agree(people[1])
    seal_consents()
    agree(people[2])
    root = bytes(ConsentBlock.objects.get().root).hex()

    assert run("--check") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Consents sealed: 2, in blocks: 1; of these erased since: 0.",
        "Waiting for the next block: 1.",
        f"Root of the last block: {root}",
        "The chain holds.",
    ]
    with unguarded():
        _execute("UPDATE outreach_consent SET source = 'forged' WHERE id = %s", row.pk)
        code = run("--check", "--json")
    message = f"Consent {row.pk} of block 1 is not what was sealed."
    assert (code, json.loads(capsys.readouterr().out)) == (
        1,
        {
            "blocks": 1, "consents": 2, "erased": 0, "waiting": 1, "root": root, "problems_found": 1,
            "problems": [
                {"code": "changed", "block": 1, "consent": row.pk, "day": None, "root": None, "message": message}
            ],
        },
    )  # fmt: skip


def test_a_root_that_somebody_kept_shows_a_chain_that_was_made_anew(
    people: list[Subscriber], capsys: pytest.CaptureFixture[str]
) -> None:
    row = agree(people[0])
    seal_consents()
    kept = bytes(ConsentBlock.objects.get().root).hex()
    assert run("--check", "--root", kept) == 0
    with unguarded():
        ConsentBlock.objects.all().delete()
        ConsentBookmark.objects.all().delete()
        _execute("UPDATE outreach_consent SET source = 'forged' WHERE id = %s", row.pk)
        seal_consents()
        codes_of_runs = [run("--check"), run("--check", "--root", kept)]

    assert codes_of_runs == [0, 1]
    assert f"No day and no block has the root {kept}" in capsys.readouterr().out
    with pytest.raises(Invalid):
        run("--check", "--root", "no root")


def test_the_command_says_where_the_chain_stands(people: list[Subscriber], capsys: pytest.CaptureFixture[str]) -> None:
    assert (run(), capsys.readouterr().out) == (0, "No consent is sealed yet.\n")
    agree(people[0])
    seal_consents()
    block = ConsentBlock.objects.get()

    assert (run("--json"), json.loads(capsys.readouterr().out)) == (
        0,
        {"blocks": 1, "root": bytes(block.root).hex(), "sealed_at": block.sealed_at.isoformat()},
    )


@pytest.mark.parametrize("found", [99, 101])
def test_of_many_problems_the_first_are_told_and_all_counted(found: int) -> None:
    check = ChainCheck()
    for number in range(found):
        check.tell(Problem(code="changed", block=1, consent=number))

    assert (len(check.problems), check.found, check.holds) == (min(found, 100), found, False)
