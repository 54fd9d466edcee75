from __future__ import annotations

import csv
import io

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
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in read for cell in row)
