"""Files of real shape, record by record: UTF-8, Windows-1251 or UTF-16; `;`, `,` or tab; quoted newlines; NDJSON.

A record that cannot be read is a record with a fault, never an exception: one bad row does not stop a file, and a
quotation mark that nobody closed does not swallow the rows behind it.
"""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, NamedTuple, cast

from outreach.audience.import_reasons import UnreadableFile

LONGEST_LINE: Final = 1_000_000
#: Physical lines that one quoted record may span.
MOST_LINES: Final = 100
MOST_COLUMNS: Final = 200
#: Columns that we put beside those of a file whose rows are to be mended (`import_mending`).
MENDING: Final = ("outreach_line", "outreach_reason", "outreach_row")
LONGEST_COLUMN_NAME: Final = 100
DELIMITERS: Final = ";,\t"

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM: Final = b"\xef\xbb\xbf"
#: Zip (xlsx, ods), gzip, and the old Office container (xls).
_ARCHIVES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """What was found out about a file before its rows are read."""

    encoding: str
    #: '' for NDJSON, which has no header.
    delimiter: str
    columns: tuple[str, ...] = ()

    @property
    def encoding_name(self) -> str:
        """The encoding as people call it."""
        return {"utf-8-sig": "UTF-8", "cp1251": "Windows-1251", "utf-16": "UTF-16", WORKBOOK.encoding: "Excel"}[
            self.encoding
        ]


#: How we write a workbook's rows; a file from elsewhere is never taken for UTF-8 without its mark.
WORKBOOK: Final = FileFormat(encoding="utf-8", delimiter=",")


class Record(NamedTuple):
    """One data row: its cells, or the fault that keeps us from having them."""

    #: Line of the file on which it begins, from 1.
    line: int
    raw: str
    cells: list[str]
    #: NDJSON: the object.
    values: dict[str, Any] | None = None
    fault: str = ""


def inspect_file(file: IO[bytes], *, known: FileFormat | None = None, may_lack_header: bool = False) -> FileFormat:
    """Find out encoding, delimiter and columns; reads the file once and leaves it at its beginning.

    Of a file that we wrote, `known` says encoding and delimiter. Where the header may be lacking, a first line of
    addresses stands for the columns.

    Raises:
        UnreadableFile: there is no way to read rows from it.
    """
    encoding = known.encoding if known else _encoding(file)
    file.seek(0)
    lines = _Lines(file, encoding)
    first = next((text for _number, text in lines if text.strip()), None)
    if first is None:
        raise UnreadableFile("empty_file")
    if first.lstrip().startswith("{") and known is None:
        return FileFormat(encoding=encoding, delimiter="")
    delimiter = known.delimiter if known else delimiter_of(first)
    file.seek(0)
    header = next(_csv_records(_Lines(file, encoding), delimiter, width=None), None)
    file.seek(0)
    return FileFormat(encoding=encoding, delimiter=delimiter, columns=_checked_columns(header, may_lack_header))


def read_records(file: IO[bytes], form: FileFormat) -> Iterator[Record]:
    """Yield the data rows from the file's beginning, lazily; blank lines are not rows."""
    file.seek(0)
    lines = _Lines(file, form.encoding)
    if not form.delimiter:
        return _json_records(lines)
    found = _csv_records(lines, form.delimiter, width=len(form.columns))
    next(found, None)
    return found


def _encoding(file: IO[bytes]) -> str:
    """UTF-8, unless most of the lines that are not ASCII are something else: then Windows-1251."""
    start = file.read(4)
    if not start:
        raise UnreadableFile("empty_file")
    if start.startswith(_ARCHIVES):
        raise UnreadableFile("archive")
    if start.startswith(_UTF16):
        return "utf-16"
    file.seek(0)
    valid = broken = 0
    for line in iter(lambda: file.readline(LONGEST_LINE), b""):
        if line.isascii():
            if b"\0" in line:
                raise UnreadableFile("binary")
            continue
        try:
            line.decode()
            valid += 1
        except UnicodeDecodeError:
            broken += 1
    if start.startswith(_UTF8_BOM) or valid > broken or not broken:
        return "utf-8-sig"
    return "cp1251"


def delimiter_of(header: str) -> str:
    """What most likely parts the cells of a file with this first line."""
    delimiter = max(DELIMITERS, key=_outside_quotes(header).count)
    return delimiter if delimiter in header else ","


def _outside_quotes(text: str) -> str:
    return "".join(text.split('"')[::2])


def _checked_columns(header: Record | None, may_be_data: bool) -> tuple[str, ...]:  # noqa: FBT001 -- private
    if header is None or header.fault:
        is_long = header is not None and header.fault == "line_too_long"
        raise UnreadableFile("long_header" if is_long else "no_header")
    if "\0" in header.raw:  # a binary file that passes for UTF-16 or Windows-1251
        raise UnreadableFile("binary")
    columns = tuple(cell.strip() for cell in header.cells)
    if may_be_data and "@" in header.raw and len(columns) <= MOST_COLUMNS:
        return columns
    named = [column.casefold() for column in columns if column]
    if not named or any("@" in column for column in columns):
        raise UnreadableFile("no_header")
    if len(columns) - len({*columns} & {*MENDING}) > MOST_COLUMNS:
        raise UnreadableFile("too_many_columns")
    if any(len(column) > LONGEST_COLUMN_NAME for column in columns):
        raise UnreadableFile("long_column_name")
    if len(set(named)) < len(named):
        raise UnreadableFile("repeated_column")
    return columns


class _Lines:
    """Numbered physical lines that can be put back. A line over the limit comes cut, without its newline."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        # The wrapper is never closed: the file belongs to the caller.
        self._text = io.TextIOWrapper(cast(IO[bytes], _Unclosed(file)), encoding=encoding, errors="replace")
        self._back: deque[tuple[int, str]] = deque()
        self._number = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (line := self.take()) is not None:
            yield line

    def take(self) -> tuple[int, str] | None:
        if self._back:
            return self._back.popleft()
        text = self._text.readline(LONGEST_LINE + 1)
        if not text:
            return None
        self._number += 1
        if len(text) > LONGEST_LINE:
            self._skip_rest(text)
        return self._number, text

    def _skip_rest(self, text: str) -> None:
        while text and not text.endswith("\n"):
            text = self._text.readline(LONGEST_LINE)

    def put_back(self, lines: list[tuple[int, str]]) -> None:
        self._back.extendleft(reversed(lines))


class _Unclosed(io.BufferedIOBase):
    """A reader that leaves its file open when a text wrapper over it goes away."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    read1 = read


def _csv_records(lines: _Lines, delimiter: str, *, width: int | None) -> Iterator[Record]:
    for number, text in lines:
        if text.isspace():
            continue
        if len(text) > LONGEST_LINE:
            yield Record(number, text[:1000], [], fault="line_too_long")
        elif '"' in text:
            yield _quoted(lines, number, text, delimiter=delimiter, width=width)
        elif len(cells := text.rstrip("\r\n").split(delimiter)) == width:
            yield Record(number, text, cells)
        else:
            yield _checked(number, text, cells, width)


def _checked(number: int, raw: str, cells: list[str], width: int | None) -> Record:
    if width is None or len(cells) == width:
        return Record(number, raw, cells)
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        return Record(number, raw, cells[:width])
    return Record(number, raw, [], fault="too_few_cells" if len(cells) < width else "too_many_cells")


def _quoted(lines: _Lines, number: int, first: str, *, delimiter: str, width: int | None) -> Record:
    """Join the physical lines of a quoted record; when they make no sense together, only the first one is lost."""
    taken = [(number, first)]
    fault = "unclosed_quote"
    while len(taken) <= MOST_LINES:
        try:
            cells = _parse([text for _number, text in taken], delimiter)
        except csv.Error as err:
            if "unexpected end" not in str(err):
                fault = "bad_quotes" if len(taken) == 1 else fault
                break
        else:
            record = _checked(number, "".join(text for _number, text in taken), cells, width)
            if record.fault and len(taken) > 1:
                break
            return record
        if not _take_until_quote(lines, taken):
            break
    lines.put_back(taken[1:])
    return Record(number, first, [], fault=fault)


def _take_until_quote(lines: _Lines, taken: list[tuple[int, str]]) -> bool:
    """Whether a further line with a quotation mark was found within the limit; what was read is in `taken`."""
    while len(taken) <= MOST_LINES and (following := lines.take()) is not None:
        taken.append(following)
        if '"' in following[1]:
            return True
    return False


def _parse(texts: list[str], delimiter: str) -> list[str]:
    (cells,) = csv.reader(texts, delimiter=delimiter, strict=True)
    return cells


def _json_records(lines: _Lines) -> Iterator[Record]:
    for number, text in lines:
        if not text.strip():
            continue
        if len(text) > LONGEST_LINE:
            yield Record(number, text[:1000], [], fault="line_too_long")
            continue
        try:
            values = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            yield Record(number, text, [], values)
        else:
            yield Record(number, text, [], fault="bad_json")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


csv.field_size_limit(LONGEST_LINE)
