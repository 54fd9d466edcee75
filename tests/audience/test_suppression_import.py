from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.audience import suppression_import
from outreach.audience.listed_lines import Line, inspect_list, read_list
from outreach.audience.models import Suppression
from outreach.audience.suppression import is_suppressed, suppress
from outreach.audience.suppression_import import (
    SuppressionImport,
    kept_list,
    run_suppression_import,
    start_suppression_import,
)
from outreach.audience.suppression_list import entries_csv
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Organisation
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import Role

HASH = address_digest("sms", "+359888123456").hex()


def lines(text: str, channel: str = "email") -> list[Any]:
    """What each line asks for, as (number, [(channel, beginning of the digest)]), or (number, reason)."""
    file = io.BytesIO(text.encode())
    form = inspect_list(file, len(text))
    return [
        (one.number, [(kind, digest.hex()) for kind, digest in one.entries]) if isinstance(one, Line) else one
        for one in read_list(file, form, channel)
    ]


def listed(channel: str, normalised: str) -> tuple[str, str]:
    return channel, address_digest(channel, normalised).hex()


def take_in(actor: Actor, text: str, **facts: str) -> SuppressionImport:
    job = start_suppression_import(actor, io.BytesIO(text.encode()), "c:\\lists\\list.csv", **facts)
    run_suppression_import(job.pk)
    job.refresh_from_db()
    return job


def counts(job: SuppressionImport) -> tuple[str, int, int, int, int]:
    return job.state, job.rows, job.added, job.known, job.rejected


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Ana@Example.org\n088 812 3456\n\nnobody\n", [
            (1, [listed("email", "ana@example.org")]), (2, [listed("sms", "+359888123456")]), (4, "bad_phone"),
        ]),
        ("ana@example.org;Ana\nboris@example.org;Boris\n", [
            (1, [listed("email", "ana@example.org")]), (2, [listed("email", "boris@example.org")]),
        ]),
        ("Име;Имейл;Телефон\nАна;a@b.bg;0888123456\nБорис;;\n", [
            (2, [listed("email", "a@b.bg"), listed("sms", "+359888123456")]), (3, "no_address"),
        ]),
        (f"channel,hash\nsms,{HASH}\npigeon,{HASH}\nsms,abc\n", [
            (2, [("sms", HASH)]), (3, "unknown_channel"), (4, "bad_hash"),
        ]),
        (f'{{"email": "a@b.bg"}}\n{{"hash": "{HASH}", "channel": "sms"}}\n', [
            (1, [listed("email", "a@b.bg")]), (2, [("sms", HASH)]),
        ]),
    ],
)  # fmt: skip
def test_lines_are_read(text: str, wanted: list[Any]) -> None:
    assert lines(text) == wanted


def test_bare_hash_is_of_the_channel_that_was_named() -> None:
    assert lines(f"{HASH}\n{HASH.upper()}\n", "sms") == [(1, [("sms", HASH)]), (2, [("sms", HASH)])]


@given(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_every_line_has_one_fate(numbers: list[int]) -> None:
    text = "".join(f"p{number}@example.org\n" if number % 3 else "-\n" for number in numbers)

    found = lines("email\n" + text)

    assert [number for number, _ in found] == list(range(2, len(numbers) + 2))


def test_list_is_taken_in_once(actor: Actor, ministry: Organisation) -> None:
    suppress(ministry, "email", "known@example.org", "complaint")
    text = "known@example.org\nana@example.org\nANA@example.org\nnobody@\n"

    first, again = take_in(actor, text, note="The tax office's list"), take_in(actor, text)

    assert (counts(first), counts(again)) == (("done", 4, 1, 2, 1), ("done", 4, 0, 3, 1))
    assert [(row.line, row.reason) for row in first.rejections.all()] == [(4, "bad_email")]
    assert list(Suppression.objects.order_by("pk").values_list("reason", "source", "note")) == [
        ("complaint", "returned", ""),
        ("manual", "list", "The tax office's list"),
    ]
    assert (first.file_name, kept_list(first).exists(), is_suppressed(ministry, "email", "ana@example.org")) == (
        "list.csv",
        False,
        True,
    )


def test_what_goes_out_can_come_in_elsewhere(actor: Actor, ministry: Organisation) -> None:
    for number in range(3):
        suppress(ministry, "sms", f"+35988800000{number}", "stop")
    other = Organisation.objects.create(slug="elsewhere")

    job = take_in(product_itself(other), "".join(entries_csv(ministry)))

    assert (counts(job), is_suppressed(other, "sms", "+359888000002")) == (("done", 3, 3, 0, 0), True)


def test_killed_job_goes_on_where_it_was(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression_import, "CHUNK", 2)
    text = "".join(f"{number}@example.org\n" for number in range(5)).encode()
    job = start_suppression_import(actor, io.BytesIO(text), "list")
    real = suppression_import._take

    def take_one(job: SuppressionImport, chunk: list[Any], *, position: int) -> bool:
        if job.rows:
            raise KeyboardInterrupt
        return real(job, chunk, position=position)

    with monkeypatch.context() as patch:
        patch.setattr(suppression_import, "_take", take_one)
        with pytest.raises(KeyboardInterrupt):
            run_suppression_import(job.pk)
    SuppressionImport.objects.update(lease_until=job.created_at)
    run_suppression_import(job.pk)

    job.refresh_from_db()
    assert (counts(job), Suppression.objects.count()) == (("done", 5, 5, 0, 0), 5)


@pytest.mark.parametrize("text", ["", "name;town\nAna;Varna\n", "PK\x03\x04"])
def test_file_without_addresses_is_refused(actor: Actor, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        start_suppression_import(actor, io.BytesIO(text.encode()), "list")

    assert (list(refused.value.fields), SuppressionImport.objects.count()) == (["file"], 0)


@pytest.mark.parametrize(
    "data",
    [
        b"address;" + b";".join(b"c%d" % n for n in range(10_000)) + b"\n",
        b"address;" + b"x" * 2_000_000 + b"\n",
        bytes(range(256)) * 10,
        b"address;a\0b\n",
        "address;a\0b\n".encode("utf-16"),
        b"PK\x03\x04" + b"\0" * 100,
    ],
)
def test_hostile_file_is_refused_at_its_field(actor: Actor, data: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        start_suppression_import(actor, io.BytesIO(data), "../../list")

    assert (list(refused.value.fields), SuppressionImport.objects.count()) == (["file"], 0)


def test_national_list_comes_from_an_administrator(ministry: Organisation) -> None:
    Organisation.objects.create(slug="town", parent=ministry)
    author = Actor(organisation=ministry, roles=frozenset({Role.AUTHOR}))

    with pytest.raises(Forbidden):
        start_suppression_import(author, io.BytesIO(b"a@b.bg\n"), "list")
