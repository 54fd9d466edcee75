"""CSV for spreadsheets: whatever strangers wrote, no cell of it is run as a formula (OWASP, CSV injection)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

#: Where a spreadsheet may see a cell begin, and what it would run there; signs of full width count too. Where `;` parts
#: cells, as in Bulgaria, a cell of ours that holds one is seen as several, with or without its quotation marks.
_FORMULA: Final = re.compile('^(?=[\t\r])|(^|[;\t\r\n])(?=[ "]*[=+\\-@＝＋－＠])')


def csv_rows(rows: Iterable[Iterable[Any]]) -> str:
    """Lines of CSV; what a spreadsheet would take for a formula gets an apostrophe in front, inside a text too."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
