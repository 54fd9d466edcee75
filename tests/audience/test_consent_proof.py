"""Proofs of consents: whoever has one can check it, with nothing but the program of the documentation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import IntegrityError, connection, transaction

from outreach.audience import consent_days, sealing
from outreach.audience.chain_check import check_chain
from outreach.audience.consent_chain import ConsentBlock, ConsentDay
from outreach.audience.consent_days import close_days
from outreach.audience.consent_proof import prove, signed_bytes
from outreach.audience.models import Consent, Subscriber, Topic
from outreach.audience.sealing import seal_consents
from outreach.audience.topics import create_topic
from outreach.core import clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.feeds.serving import serve_feed

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "prove-a-consent.md"
MONDAY = datetime(2026, 11, 23, 21, 59, tzinfo=UTC)


@pytest.fixture
def people(actor: Actor) -> list[Subscriber]:
    return [Subscriber.objects.create(organisation=actor.organisation, name=name) for name in ("Ана", "Борис")]


@pytest.fixture
def three_days(people: list[Subscriber], topic: Topic, monkeypatch: pytest.MonkeyPatch) -> list[Subscriber]:
    """Two people, consents in several blocks of two days that are over and one that is not, and one not sealed yet."""
    monkeypatch.setattr(sealing, "MOST_IN_BLOCK", 7)
    for day in range(3):
        with clock.frozen(MONDAY + timedelta(days=day)):
            for number in range(14):
                agree(people[number % 2], topic, source=f"форма {number}")
            seal_consents()
            close_days()
    agree(people[0], topic, source="too late")
    return people


def agree(person: Subscriber, topic: Topic, **said: Any) -> Consent:
    return Consent.objects.create(
        subscriber=person, topic=topic, channel="email", action="given", at=clock.now(), evidence={"ip": "x"}, **said
    )


def check_by_program(proof: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the documentation's program over the proof."""
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (folder / "check.py").write_text(program)
    (folder / "proof.json").write_text(json.dumps(proof), encoding="utf-8")
    command = [sys.executable, "-I", str(folder / "check.py"), str(folder / "proof.json")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_documented_program_checks_a_proof_and_refuses_a_forged_one(
    three_days: list[Subscriber], tmp_path: Path
) -> None:
    with clock.frozen(MONDAY + timedelta(days=2)):
        proof = prove(three_days[0])

    done = check_by_program(proof, tmp_path)
    forged = json.loads(json.dumps(proof))
    forged["consents"][0]["text"] = forged["consents"][0]["text"].replace("given", "withdrawn")
    moved = json.loads(json.dumps(proof))
    moved["days"][0]["root"] = moved["days"][1]["root"]

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('"action":"given"') == 22 == len(proof["consents"])
    assert [check_by_program(bad, tmp_path).returncode for bad in (forged, moved)] == [1, 1]


def test_a_proof_says_where_each_consent_stands(three_days: list[Subscriber]) -> None:
    proof = prove(three_days[0])

    assert [consent["block"] for consent in proof["consents"]] == [
        *[1, 1, 1, 1, 2, 2, 2],
        *[3, 3, 3, 3, 4, 4, 4],
        *[5, 5, 5, 5, 6, 6, 6],
        None,
    ]
    assert [block["day"] for block in proof["blocks"]] == ["2026-11-23"] * 2 + ["2026-11-24"] * 2 + [None] * 2
    assert [day["day"] for day in proof["days"]] == ["2026-11-23", "2026-11-24"]
    assert {json.loads(consent["text"])["subscriber"] for consent in proof["consents"]} == {three_days[0].pk}
    assert json.loads(proof["consents"][0]["text"])["source"] == "форма 0"
    assert proof["lawful_basis"]["topic"] == "consent of the person: GDPR, article 6(1)(a)"


def test_a_proof_is_signed(three_days: list[Subscriber]) -> None:
    proof = json.loads(json.dumps(prove(three_days[1])))
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(proof["public_key"]))

    key.verify(bytes.fromhex(proof["signature"]), signed_bytes(proof))
    with pytest.raises(InvalidSignature):
        key.verify(bytes.fromhex(proof["signature"]), signed_bytes(proof | {"person": "1"}))


def test_a_day_is_closed_once_it_is_over(three_days: list[Subscriber]) -> None:
    days = list(ConsentDay.objects.order_by("day"))
    assert [(str(day.day), day.first_block, day.last_block) for day in days] == [
        ("2026-11-23", 1, 2),
        ("2026-11-24", 3, 4),
    ]
    assert [bytes(day.previous) for day in days] == [bytes(32), bytes(days[0].root)]
    with clock.frozen(MONDAY + timedelta(days=2, hours=2)):
        assert [close_days(), close_days()] == [0, 0]
    with clock.frozen(MONDAY + timedelta(days=2, hours=3)):
        assert [close_days(), close_days()] == [1, 0]
    assert check_chain().holds


def test_time_goes_on_from_block_to_block_though_the_clock_goes_back(people: list[Subscriber], topic: Topic) -> None:
    for moment in (MONDAY, MONDAY - timedelta(days=1)):
        with clock.frozen(moment):
            agree(people[0], topic, source="form")
            seal_consents()

    assert set(ConsentBlock.objects.values_list("sealed_at", flat=True)) == {MONDAY}


@pytest.mark.parametrize(
    "tamper",
    [
        "SET root = sha256(root)",
        "SET previous = sha256(previous)",
        "SET day = day - 30",
        "SET first_block = 2",
        "SET last_block = 9",
    ],
)
def test_a_day_that_was_tampered_with_is_named(three_days: list[Subscriber], tamper: str) -> None:
    with unguarded():
        _execute(f"UPDATE outreach_consentday {tamper} WHERE day = '2026-11-23'")
        found = {(problem.code, str(problem.day)) for problem in check_chain().problems}

    assert found & {("day", "2026-11-23"), ("day", "2026-10-24")}
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        _execute("DELETE FROM outreach_consentday")


@contextmanager
def unguarded() -> Iterator[None]:
    with transaction.atomic():
        _execute("ALTER TABLE outreach_consentday DISABLE TRIGGER USER")
        yield
        transaction.set_rollback(True)


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("format_name", ["rss", "atom", "json"])
def test_the_days_roots_are_published_in_the_archive_feed(three_days: list[Subscriber], format_name: str) -> None:
    answer = serve_feed("consent-ledger", format_name=format_name, language="en")

    roots = [bytes(day.root).hex() for day in ConsentDay.objects.order_by("-day")]
    found = re.findall(r"2026-11-2\d: ([0-9a-f]{64})", answer.body.decode())
    assert (answer.status, answer.headers["Content-Language"], list(dict.fromkeys(found))) == (200, "en", roots)
    again = serve_feed("consent-ledger", format_name=format_name, language="en", if_none_match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert serve_feed("consent-ledger", format_name=format_name, language="xx").status == 404


def test_no_topic_takes_the_name_of_the_record(actor: Actor) -> None:
    with pytest.raises(Invalid) as caught:
        create_topic(actor, slug="consent-ledger", name={"en": "Mine"})

    assert list(caught.value.fields) == ["slug"]


def test_many_blocks_are_closed_in_one_day(
    people: list[Subscriber], topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "MOST_IN_BLOCK", 1)
    monkeypatch.setattr(consent_days, "MOST_AT_ONCE", 2)
    with clock.frozen(MONDAY):
        for _number in range(5):
            agree(people[0], topic, source="form")
        seal_consents()
    with clock.frozen(MONDAY + timedelta(days=5)):
        assert close_days() == 1

    assert (ConsentBlock.objects.count(), check_chain().holds) == (5, True)
