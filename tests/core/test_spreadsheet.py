from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.core.spreadsheet import csv_rows

texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))


def test_a_formula_of_a_stranger_is_a_text() -> None:
    rows: list[list[object]] = [["address", "domain"], ["203.0.113.66", "=cmd|' /C calc'!A0"], [-3, "@SUM(A1)"]]
    assert csv_rows(rows) == "address,domain\r\n203.0.113.66,'=cmd|' /C calc'!A0\r\n-3,'@SUM(A1)\r\n"


@given(st.lists(st.lists(texts, min_size=2, max_size=3), max_size=4))
def test_every_cell_comes_back_and_none_begins_a_formula(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_rows(rows), newline="")))
    assert [[without_guards(cell) for cell in row] for row in read] == [
        [without_guards(cell) for cell in row] for row in rows
    ]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in read for cell in row)


@given(st.lists(st.lists(st.text(alphabet='=+-@＝;\t\r\n ",a'), min_size=2, max_size=3), max_size=4))
def test_no_cell_begins_a_formula_whatever_parts_the_cells(rows: list[list[str]]) -> None:
    for delimiter in ",;\t":
        read = csv.reader(io.StringIO(csv_rows(rows), newline=""), delimiter=delimiter)
        begin = [cell.lstrip(' "') for row in read for cell in row]
        assert [text for text in begin if text.startswith(("=", "+", "-", "@", "＝"))] == []


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("x;=cmd|' /C calc'!A0", "x;'=cmd|' /C calc'!A0"),
        ('x;"=1"', 'x;\'"=1"'),
        ("x\n@SUM(A1)", "x\n'@SUM(A1)"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("\r@A1", "'\r'@A1"),
        ("\t=1", "'\t'=1"),
        ("a-b;c@d.bg", "a-b;c@d.bg"),
    ],
)
def test_a_formula_behind_a_separator_is_a_text(text: str, safe: str) -> None:
    assert next(csv.reader(io.StringIO(csv_rows([["1", text]]), newline="")))[1] == safe


def without_guards(cell: str) -> str:
    return re.sub("(^|[;\\t\\r\\n])'", r"\1", cell)
