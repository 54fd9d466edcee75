"""Files that somebody made to break an import: each is refused in words, or loses its bad rows and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.conf import settings

from outreach.audience.import_intake import preview, receive_import, stored_file
from outreach.audience.imports import rejections_csv, run_import
from outreach.audience.models import Import, ImportRejection, Subscriber, Topic
from outreach.core.access import Actor
from outreach.core.errors import Invalid

GOOD = b"ana@example.bg"


def fields(count: int) -> bytes:
    return b", ".join(b'"c%d": 1' % number for number in range(count))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def take_in(actor: Actor, topic: Topic, data: bytes) -> list[tuple[int, str, str]]:
    """The rejected rows, after the one good row is in."""
    job = receive_import(actor, topic, io.BytesIO(data), "people.csv")
    run_import(job.pk)
    job.refresh_from_db()
    assert (job.state, job.created, list(Subscriber.objects.values_list("addresses__normalised", flat=True))) == (
        "done",
        1,
        [GOOD.decode()],
    )
    return list(ImportRejection.objects.order_by("line").values_list("line", "column", "reason"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"email;" + ";".join(map(str, range(10_000))).encode() + b"\n", "The file has more than 200 columns."),
        (b"email;" + b"x" * 5_000_000 + b"\n", "The first line is too long to name columns."),
        (b"x" * 5_000_000, "The first line is too long to name columns."),
        ("email;a\0b\n".encode("utf-16"), "This is not a text file. Save it as CSV first."),
        ("email;имейл\0\n".encode(), "This is not a text file. Save it as CSV first."),
        (b"email;a\0b\n", "This is not a text file. Save it as CSV first."),
        (b"PK\x03\x04" + b"\0" * 100, "This is an Excel workbook or an archive. Save it as CSV first."),
        (bytes(range(256)) * 10, "This is not a text file. Save it as CSV first."),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_in_words(data: bytes, sentence: str, db: None) -> None:
    with pytest.raises(Invalid) as caught:
        preview(io.BytesIO(data))

    assert {field: [str(message) for message in told] for field, told in caught.value.fields.items()} == {
        "file": [sentence]
    }


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (b"x" * 5_000_000 + b";Ana", "", "line_too_long"),
        (b'"' + b"x" * 5_000_000 + b'";Ana', "", "line_too_long"),
        (b"x;" * 10_000, "", "too_many_cells"),
        ("petar@example.bg;Петър\0".encode(), "", "control_character"),
        (b"petar@example.bg;\xff\xfe\xc0\xaf", "", "undecodable"),
        (b'petar@example.bg;"Ana', "", "unclosed_quote"),
    ],
)
def test_a_hostile_row_is_rejected_alone(actor: Actor, topic: Topic, row: bytes, column: str, reason: str) -> None:
    data = "email;name\n".encode("utf-8-sig") + row + b"\n" + GOOD + b";Ana\n"

    assert take_in(actor, topic, data) == [(2, column, reason)]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b'{"email": "a@b.bg", "n": 1e999}', "n", "bad_value"),
        (b'{"email": "a@b.bg", "attributes": {"n": -1e999}}', "n", "bad_value"),
        (b'{"email": "a@b.bg", "a\\u0000b": []}', "", "control_character"),
        (b'{"email": "a@b.bg", "a\\ud800b": []}', "", "control_character"),
        (b'{"email": "a@b.bg", "note": "\\u0000"}', "note", "control_character"),
        (b'{"email": "a@b.bg", ' + fields(10_000) + b"}", "", "too_many_values"),
        (b'{"email": "a@b.bg", "attributes": {' + fields(201) + b"}}", "", "too_many_values"),
        (b'{"a":' * 100_000, "", "bad_json"),
        (b'{"email": "a@b.bg", "n": ' + b"9" * 10_000 + b"}", "", "bad_json"),
        (b'{"email": "' + b"x" * 5_000_000 + b'"}', "", "line_too_long"),
    ],
)  # fmt: skip
def test_a_hostile_object_is_rejected_alone(actor: Actor, topic: Topic, line: bytes, column: str, reason: str) -> None:
    data = b'{"email": "' + GOOD + b'"}\n' + line + b"\n"

    assert take_in(actor, topic, data) == [(2, column, reason)]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\people.csv", "people.csv"),
        ("..", "import"),
        ("a\0b\udcff\u202e.csv", "ab.csv"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_of_a_file_is_shown_and_never_a_path(actor: Actor, topic: Topic, sent: str, shown: str) -> None:
    job = receive_import(actor, topic, io.BytesIO(b"email\na@b.bg\n"), sent)

    assert Import.objects.get().file_name == shown
    assert stored_file(job) == Path(settings.DATA) / "imports" / str(job.pk)
    assert stored_file(job).read_bytes() == b"email\na@b.bg\n"


def test_a_rejected_row_is_no_formula_where_semicolons_part_cells(actor: Actor, topic: Topic) -> None:
    take_in(actor, topic, b"email;name\nx;=1+1\n" + GOOD + b";Ana\n")

    assert list(rejections_csv(Import.objects.get()))[1:] == [
        "2,email,bad_email,This is not an e-mail address such as name@example.org.,x;'=1+1\r\n"
    ]
