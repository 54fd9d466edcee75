"""An Excel workbook written row by row: no row is kept, and no cell is a formula, whatever strangers wrote."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final
from xml.sax.saxutils import escape

#: Rows of a sheet; Excel takes 1,048,576. What is more goes on to the next sheet.
MOST_ROWS: Final = 1_000_000
#: Rows that are packed at once.
BLOCK: Final = 500
LONGEST_CELL: Final = 32_767
#: What XML cannot hold.
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class _Sink(io.RawIOBase):
    """Takes what the archive writes until somebody carries it away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def book_of(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Yield the workbook piece by piece; each sheet begins with the header."""
    sink = _Sink()
    names = list(header)
    remaining = iter(rows)
    sheets = 0
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        first = next(remaining, None)
        while first is not None or not sheets:
            sheets += 1
            found = chain([names], [] if first is None else [first], islice(remaining, MOST_ROWS - 1))
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w", force_zip64=True) as sheet:
                sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                while block := list(islice(found, BLOCK)):
                    sheet.write("".join(map(_row, block)).encode())
                    yield sink.take()
                sheet.write(b"</sheetData></worksheet>")
            first = next(remaining, None)
        for name, content in _frame(sheets).items():
            archive.writestr(name, _XML + content)
    yield sink.take()


def _row(cells: Iterable[Any]) -> str:
    return f"<row>{''.join(map(_cell, cells))}</row>"


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    if not text:
        return "<c/>"
    written = escape(_UNWRITABLE.sub("", text[:LONGEST_CELL]))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{written}</t></is></c>'


def _frame(sheets: int) -> dict[str, str]:
    """The parts that say what the archive holds."""
    numbers = range(1, sheets + 1)
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers
    )
    names = "".join(f'<sheet name="{n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{parts}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>',
    }
