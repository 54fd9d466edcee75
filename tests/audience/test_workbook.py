"""Excel workbooks: of real shape, and made to break whoever opens them."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from openpyxl import Workbook

from outreach.audience import workbook
from outreach.audience.import_intake import preview, receive_import
from outreach.audience.import_reasons import UnreadableFile
from outreach.audience.imports import run_import
from outreach.audience.models import Import, ImportRejection, Subscriber, Topic
from outreach.audience.workbook import is_workbook, write_csv
from outreach.core.access import Actor
from outreach.core.errors import Invalid

SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def book(*rows: list[Any]) -> bytes:
    made = Workbook()
    sheet = made.active
    for row in rows:
        sheet.append(row)
    target = io.BytesIO()
    made.save(target)
    return target.getvalue()


def changed(data: bytes, parts: dict[str, bytes]) -> bytes:
    """The workbook with these parts put in or exchanged."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part not in parts:
                new.writestr(part, old.read(part))
        for name, content in parts.items():
            new.writestr(name, content)
    return target.getvalue()


def sheet(rows: bytes) -> bytes:
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    return changed(book(["email"]), {SHEET: head + rows + b"</sheetData></worksheet>"})


def lines(data: bytes) -> list[str]:
    target = io.BytesIO()
    write_csv(io.BytesIO(data), target)
    return target.getvalue().decode().splitlines()


def test_a_workbooks_people_are_taken_in_and_its_rows_are_lines(actor: Actor, topic: Topic) -> None:
    data = book(
        ["Имейл", "Телефон", "Име", "Съгласие от", "Град", "Години"],
        [
            "maria@example.bg",
            359888123456,
            'Мария "Мими"\nИванова',
            datetime.fromisoformat("2026-05-01T10:30"),
            "Пловдив",
            33.0,
        ],
        [],
        ["не е адрес", None, "Лош ред"],
        ["ivan@example.bg", None, "=1+1", date(2026, 5, 2)],
    )

    job = receive_import(actor, topic, io.BytesIO(data), "people.xlsx")
    run_import(job.pk)
    job.refresh_from_db()

    assert (job.state, job.rows, job.created, job.rejected) == ("done", 3, 2, 1)
    assert list(Subscriber.objects.order_by("pk").values_list("name", "attributes")) == [
        ('Мария "Мими" Иванова', {"Град": "Пловдив", "Години": "33"}),
        ("", {}),  # a formula without a value that somebody saved with it
    ]
    assert [(row.line, row.column, row.reason) for row in ImportRejection.objects.all()] == [(4, "email", "bad_email")]


def test_a_preview_says_that_it_is_excel(db: None) -> None:
    seen = preview(io.BytesIO(book(["email", "a;b"], ["a@b.bg", "x,y"])))

    assert (seen.form.encoding_name, seen.columns, [row.cells for row in seen.first]) == (
        "Excel",
        {"email": "email", "a;b": "attribute"},
        [["a@b.bg", "x,y"]],
    )


def test_cells_without_a_place_and_gaps_between_rows_are_read(db: None) -> None:
    rows = b'<row r="2"><c t="inlineStr"><is><t>email</t></is></c></row><row r="5"><c t="str"><v>a@b.bg</v></c></row>'

    assert lines(sheet(rows)) == ["", "email", "", "", "a@b.bg"]


CELLS = b"<row>" + b"<c/>" * 300_000 + b"</row>"
HOSTILE = {
    "macros": (changed(book(["email"]), {"xl/vbaProject.bin": b"\0"}), "macros"),
    "entities": (changed(book(["email"]), {"xl/sharedStrings.xml": b"<!DOCTYPE x>"}), "broken_workbook"),
    "entities in UTF-16": (
        changed(book(["email"]), {"xl/sharedStrings.xml": "<!DOCTYPE x>".encode("utf-16")}),
        "broken_workbook",
    ),
    "a row of cells without end": (sheet(CELLS), "workbook_too_large"),
    "a row far below": (sheet(b'<row r="1"/><row r="999999999999"/>'), "workbook_too_large"),
    "no sheet": (changed(book(["email"]), {SHEET: b""}), "broken_workbook"),
    "XML that ends in the middle": (changed(book(["email"]), {SHEET: b"<worksheet><sheet"}), "broken_workbook"),
    "an archive cut off": (book(["email"])[:-200], "archive"),
    "no columns": (book([]), "empty_file"),
    "columns without end": (book(["email", *map(str, range(10_000))]), "too_many_columns"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_is_refused_in_words(name: str, actor: Actor, topic: Topic) -> None:
    data, reason = HOSTILE[name]

    with pytest.raises(Invalid) as caught:
        receive_import(actor, topic, io.BytesIO(data), "people.xlsx")

    sentence = str(UnreadableFile(reason).message)
    assert {field: list(map(str, told)) for field, told in caught.value.fields.items()} == {"file": [sentence]}
    assert Import.objects.count() == 0


def test_a_bomb_is_measured_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed(book(["email"]), {"xl/media/image1.png": bytes(60_000_000)})
    monkeypatch.setattr(workbook, "MOST_BYTES", 50_000_000)
    tracemalloc.start()

    try:
        with pytest.raises(UnreadableFile) as caught:
            lines(bomb)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (len(bomb) < 100_000, is_workbook(io.BytesIO(bomb)), caught.value.reason, peak < 5_000_000) == (
        True, True, "workbook_too_large", True
    )  # fmt: skip
