"""Rows to mend: in the file's own columns with the reason; mended they come in, as they are nobody does."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from openpyxl import load_workbook

from outreach.audience.csv_reader import MOST_COLUMNS
from outreach.audience.import_intake import receive_import
from outreach.audience.import_mending import rows_to_mend
from outreach.audience.import_terms import Terms
from outreach.audience.imports import run_import
from outreach.audience.models import Import, ImportRejection, Subscriber, Topic
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import AuditEntry

BAD = (
    "Поща;Име;бележка\n"
    "ana@example.bg;Ана;=1+1\n"
    "няма адрес;Боян;x;=cmd\n"
    "=1+2;Вера;\n"
    "без;\n"
    'г@;"отворено;\n'
    "dima@example.bg;Дима\0;\n"
    "+evil@;Ема;\n"
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def take_in(actor: Actor, topic: Topic, data: bytes) -> Import:
    job = receive_import(actor, topic, io.BytesIO(data), "people.csv")
    run_import(job.pk)
    job.refresh_from_db()
    return job


def mend(actor: Actor, job: Import, form: str = "") -> bytes:
    return b"".join(rows_to_mend(actor, job, form=form).pieces)


def test_rows_come_in_the_files_columns_with_reasons_and_no_formula(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, BAD.encode("utf-8-sig"))
    with translation.override("bg"):
        export = rows_to_mend(actor, job)

    lines = b"".join(export.pieces).decode("utf-8-sig").splitlines()
    assert lines[:3] == [
        "outreach_line,outreach_reason,Поща,Име,бележка,outreach_row",
        '3,"Редът има повече клетки, отколкото са колоните.",,,,няма адрес;Боян;x;\'=cmd',
        "4,Поща: Това не е имейл адрес като ime@example.org.,'=1+2,Вера,,",
    ]
    assert (export.file_name, AuditEntry.objects.filter(action="import.rejected_exported").count()) == (
        f"import-{job.pk}-to-mend.csv",
        1,
    )


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_file_handed_in_unmended_takes_nobody_in(actor: Actor, topic: Topic, form: str) -> None:
    job = take_in(actor, topic, BAD.replace("\0", "\ufffd").encode("utf-8-sig"))
    again = take_in(actor, topic, mend(actor, job, form))
    third = take_in(actor, topic, mend(actor, again, form))

    assert (job.created, job.rejected) == (1, 6)
    assert [(one.rows, one.created, one.rejected) for one in (again, third)] == [(6, 0, 6)] * 2
    assert again.columns == ["outreach_line", "outreach_reason", "Поща", "Име", "бележка", "outreach_row"]


def test_mended_rows_come_in_under_the_columns_that_were_chosen(actor: Actor, topic: Topic) -> None:
    terms = Terms(mapping={"връзка": "email", "n": "name"})
    first = receive_import(actor, topic, io.BytesIO("връзка;n\nbad;Ана\n".encode()), "p.csv", terms=terms)
    run_import(first.pk)
    book = load_workbook(io.BytesIO(mend(actor, first, "xlsx")))
    [header, row] = [list(cells) for cells in book.worksheets[0].iter_rows(values_only=True)]
    mended = "\n".join(
        ",".join(str(cell or "") for cell in cells) for cells in (header, [*row[:1], "", "ana@b.bg", *row[3:]])
    )

    second = receive_import(actor, topic, io.BytesIO(mended.encode()), "p.csv", is_confirmed=False)
    assert second.mapping == {"връзка": "email", "n": "name"}
    Import.objects.filter(pk=second.pk).update(state="queued")
    run_import(second.pk)

    person = Subscriber.objects.get()
    assert (person.name, person.attributes, person.addresses.get().value) == ("Ана", {}, "ana@b.bg")


def test_objects_stay_objects(actor: Actor, topic: Topic) -> None:
    job = take_in(actor, topic, b'{"email": "a@b.bg"}\n{"email": "x", "n": {"=1": 2}}\n{"email": \n')

    lines = [json.loads(line) for line in mend(actor, job).splitlines()]
    again = take_in(actor, topic, mend(actor, job))

    assert lines == [
        {
            "outreach_line": 2,
            "outreach_reason": "The value is neither a text nor a number.",
            "email": "x",
            "n": {"=1": 2},
        },
        {"outreach_line": 3, "outreach_reason": "The line is not a JSON object.", "outreach_row": '{"email": '},
    ]
    assert (again.created, again.rejected) == (0, 2)
    with pytest.raises(Invalid) as caught:
        rows_to_mend(actor, job, form="xlsx")
    assert list(caught.value.fields) == ["format"]


def test_what_an_erasure_emptied_is_left_out_and_a_wide_file_has_room(actor: Actor, topic: Topic) -> None:
    wide = ";".join(["email", *(f"c{n}" for n in range(MOST_COLUMNS - 1))])
    row = ";" * (MOST_COLUMNS - 1)
    job = take_in(actor, topic, f"{wide}\nx{row}\ny{row}\n".encode())
    ImportRejection.objects.filter(line=2).update(raw="")

    again = take_in(actor, topic, mend(actor, job, "xlsx"))

    assert (len(again.columns), again.rows, again.rejected) == (MOST_COLUMNS + 3, 1, 1)
