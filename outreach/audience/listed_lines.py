"""Lines of a list of whom not to write to: addresses, numbers or hashes, in columns or one a line. Stores nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import IO, Final, NamedTuple

from django.conf import settings

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.csv_reader import FileFormat, Record, inspect_file, read_records
from outreach.audience.import_columns import meaning
from outreach.audience.import_reasons import BadRow, UnreadableFile
from outreach.audience.suppression_list import read_hash
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import Channel

#: Columns that only a list has, beside `email` and `phone` of any file of people.
_COLUMNS: Final = {
    **dict.fromkeys(("hash", "digest", "отпечатък"), "hash"),
    **dict.fromkeys(("channel", "канал"), "channel"),
    **dict.fromkeys(("address", "адрес"), "address"),
}
_ADDRESSES: Final = frozenset({"email", "phone", "address", "hash"})


class Line(NamedTuple):
    """What one line asks for."""

    number: int
    #: (channel, digest) of each of its addresses.
    entries: list[tuple[str, bytes]]


def inspect_list(file: IO[bytes], size: int) -> FileFormat:
    """Find out how a list is read.

    Raises:
        UnreadableFile: it is too large, or there is no way to read addresses from it.
    """
    if size > settings.IMPORT_MAX_BYTES:
        raise UnreadableFile("too_large")
    file.seek(0)
    form = inspect_file(file, may_lack_header=True)
    if form.delimiter and not set(_fields(form)) & _ADDRESSES:
        raise UnreadableFile("no_listed_column")
    return form


def read_list(file: IO[bytes], form: FileFormat, channel: str) -> Iterator[Line | tuple[int, str]]:
    """Yield each line as what it asks for, or as (number, reason) where it cannot be taken."""
    fields = _fields(form)
    records: Iterable[Record] = read_records(file, form)
    if _is_headless(form):
        records = chain([Record(line=1, raw="", cells=list(form.columns))], records)
    for record in records:
        try:
            if record.fault:
                raise BadRow(record.fault)
            yield Line(record.line, list(_entries(_said(record, fields), channel)))
        except BadRow as err:
            yield record.line, err.reason


def _fields(form: FileFormat) -> list[str]:
    """What each column holds; of a file without a header the first is an address."""
    if _is_headless(form):
        return ["address", *[""] * (len(form.columns) - 1)]
    return [_field(column) for column in form.columns]


def _field(column: str) -> str:
    return _COLUMNS.get(" ".join(column.casefold().split()), "") or meaning(column)


def _is_headless(form: FileFormat) -> bool:
    """Whether the first line is an entry already, and not the names of columns."""
    return bool(form.columns) and (_is_address(form.columns[0]) or read_hash(form.columns[0]) is not None)


def _is_address(text: str) -> bool:
    try:
        normalise(Channel.EMAIL if "@" in text else Channel.SMS, text)
    except BadAddress:
        return False
    return True


def _said(record: Record, fields: list[str]) -> Mapping[str, str]:
    if record.values is not None:
        pairs = [(_field(name), value) for name, value in record.values.items() if isinstance(value, str)]
    else:
        pairs = list(zip(fields, record.cells, strict=False))
    return {field: value.strip() for field, value in pairs if field and value.strip()}


def _entries(said: Mapping[str, str], channel: str) -> Iterator[tuple[str, bytes]]:
    """Raises: BadRow: an address is none, or there is none at all."""
    channel = said.get("channel", channel).casefold()
    if channel not in Channel.values:
        raise BadRow("unknown_channel")
    found = [
        (kind, said[field])
        for field, kind in (("email", Channel.EMAIL.value), ("phone", Channel.SMS.value))
        if field in said
    ]
    address, digest = said.get("address", ""), said.get("hash", "")
    if address and read_hash(address):
        digest = digest or address
    elif address:
        found.append((Channel.EMAIL.value if "@" in address else Channel.SMS.value, address))
    if digest:
        if (bare := read_hash(digest)) is None:
            raise BadRow("bad_hash")
        yield channel, bare
    elif not found:
        raise BadRow("no_address")
    for kind, value in found:
        try:
            yield kind, address_digest(kind, normalise(kind, value))
        except BadAddress as err:
            raise BadRow(err.reason) from err
