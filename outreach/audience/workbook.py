"""Excel workbooks, made into the CSV that imports read: the first sheet, a line a row, so that lines are its rows.

A workbook is an archive that strangers made: it is measured before it is opened, and what could act is refused. Of a
formula we read what Excel wrote down as its value; nothing is ever reckoned, and nothing outside is looked up.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import IO, Any, Final

from lxml.etree import LxmlError
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from outreach.audience.csv_reader import MENDING, MOST_COLUMNS
from outreach.audience.import_reasons import UnreadableFile

#: Excel's own limit.
MOST_ROWS: Final = 1_048_576
#: All parts unpacked. Rows are read one by one, texts that rows share are held together in memory.
MOST_BYTES: Final = 200 * 1024 * 1024
MOST_SHARED_TEXT: Final = 50 * 1024 * 1024
MOST_PARTS: Final = 2_000
_BLOCK: Final = 1 << 20
_ROW_END: Final = re.compile(rb"</(?:[\w.-]{1,20}:)?row\s*>")
#: Tags between the ends of two rows, and in a part that is no sheet: what of a tree is in memory at once.
MOST_TAGS: Final = 200_000
MOST_TAGS_OF_PART: Final = 4_000_000
#: Declarations, entities, comments, unparsed text: no program that writes workbooks writes them.
_MARKED: Final = b"<!"
#: What openpyxl and the archive below it raise on a file that is none, or not a whole one.
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, LxmlError, SyntaxError, KeyError, ValueError, TypeError,
    AttributeError, IndexError, EOFError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip


def is_workbook(file: IO[bytes]) -> bool:
    """Whether this is a workbook as Excel has written it since 2007; leaves the file at its beginning."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except _BROKEN:
        return False
    finally:
        file.seek(0)


def write_csv(file: IO[bytes], target: IO[bytes]) -> None:
    """Write the first sheet's rows as lines of CSV, UTF-8 and parted by commas, in a memory that does not grow.

    Raises:
        UnreadableFile: it is too large unpacked, has macros, is locked or broken.
    """
    _check(file)
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    try:
        width = 0
        for number, cells in enumerate(_rows(file), 1):
            if number > MOST_ROWS:
                raise UnreadableFile("workbook_too_large")
            if cells:
                width = width or len(cells)
                writer.writerow([*cells, *[""] * (width - len(cells))])
            else:
                text.write("\n")
    except _BROKEN as err:
        raise UnreadableFile("broken_workbook") from err
    text.detach()


def _check(file: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            _check_parts(archive)
    except _BROKEN as err:
        raise UnreadableFile("broken_workbook") from err


def _check_parts(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    names = [part.filename.casefold() for part in parts]
    if any(name.endswith(("vbaproject.bin", ".bas")) or "/macrosheets/" in name for name in names):
        raise UnreadableFile("macros")
    shared = sum(part.file_size for part in parts if part.filename.casefold().endswith("sharedstrings.xml"))
    is_large = sum(part.file_size for part in parts) > MOST_BYTES or shared > MOST_SHARED_TEXT
    if is_large or len(parts) > MOST_PARTS or len(set(names)) < len(names):
        raise UnreadableFile("workbook_too_large")
    for part in parts:
        if part.filename.casefold().endswith((".xml", ".rels")):
            _check_tags(archive, part, is_sheet="worksheets/" in part.filename)


def _check_tags(archive: zipfile.ZipFile, part: zipfile.ZipInfo, *, is_sheet: bool) -> None:
    """An archive never gives more of a part than it announced, so that the sum above holds."""
    most = MOST_TAGS if is_sheet else MOST_TAGS_OF_PART
    open_tags, end = 0, b""
    with archive.open(part) as stream:
        while block := stream.read(_BLOCK):
            # Of UTF-16 every other byte is zero.
            seen = end + block.replace(b"\0", b"")
            if _MARKED in seen:
                raise UnreadableFile("broken_workbook")
            counts = [piece.count(b"<") for piece in (_ROW_END.split(seen) if is_sheet else [seen])]
            counts[0] += open_tags
            if max(counts) > most:
                raise UnreadableFile("workbook_too_large")
            open_tags, end = counts[-1], seen[-1:]


def _rows(file: IO[bytes]) -> Iterator[Sequence[str]]:
    file.seek(0)
    with warnings.catch_warnings():
        # Of drawings, styles and validations that it does not keep: none of them is read here.
        warnings.simplefilter("ignore")
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
            if sheet is None:
                raise UnreadableFile("empty_file")
            # What a sheet says of its own size is often wrong.
            sheet.reset_dimensions()
            for cells in sheet.iter_rows(max_col=MOST_COLUMNS + len(MENDING) + 1, values_only=True):
                yield _trimmed([_text(cell) for cell in cells])
        finally:
            book.close()


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(cell: Any) -> str:
    """A cell as text on one line: times as ISO writes them, whole numbers without a point."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        is_day = cell.time() == time.min
        return cell.date().isoformat() if is_day else cell.isoformat(sep=" ", timespec="minutes")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return " ".join(str(cell).split())
