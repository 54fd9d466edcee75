"""From a record of a file to a person's data, or the reason why not: pure, and the same for CSV and NDJSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from math import inf
from operator import itemgetter
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.csv_reader import MOST_COLUMNS, FileFormat, Record
from outreach.audience.import_reasons import BadRow, UnreadableFile
from outreach.audience.profile import LONGEST_ATTRIBUTE, LONGEST_ATTRIBUTE_NAME, LONGEST_NAME, is_timezone
from outreach.core.vocabulary import Language, SubscriberKind

#: Columns with a meaning, and the Bulgarian names that offices give them. Any other column is an attribute.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("e-mail", "mail", "имейл", "е-поща", "електронна поща", "имейл адрес", "поща"),
    "phone": ("mobile", "телефон", "мобилен", "мобилен телефон", "тел", "тел."),
    "name": ("име", "имена", "наименование", "име и фамилия"),
    "kind": ("вид", "тип"),
    "language": ("lang", "език"),
    "timezone": ("time zone", "часова зона", "часови пояс"),
    "preferred_channel": ("preferred channel", "предпочитан канал", "предпочитан начин", "предпочитана връзка"),
    "consent_source": ("източник на съгласие", "източник на съгласието"),
    "consent_at": ("дата на съгласие", "дата на съгласието", "съгласие от"),
    "consent_text_version": ("версия на текста", "версия на съгласието"),
}
_MEANING: Final = {name: field for field, names in COLUMNS.items() for name in (field, *names)}

KINDS: Final = {
    **{kind: kind for kind in SubscriberKind.values},
    **dict.fromkeys(("гражданин", "граждани", "физическо лице"), "citizen"),
    **dict.fromkeys(("бизнес", "фирма", "юридическо лице"), "business"),
    **dict.fromkeys(("служител", "държавен служител"), "official"),
    **dict.fromkeys(("партньор",), "partner"),
}
LANGUAGES: Final = {
    **{language: language for language in Language.values},
    **dict.fromkeys(("bg-bg", "bul", "български"), "bg"),
    **dict.fromkeys(("en-gb", "en-us", "eng", "английски", "english"), "en"),
}
#: How the person asked to be written to. A number of a telephone is where SMS go, as in the columns of addresses.
WISHES: Final[dict[str, str]] = {
    "email": "email",
    "sms": "sms",
    **dict.fromkeys(("e-mail", "mail", "имейл", "имейл адрес", "е-поща", "електронна поща", "поща"), "email"),
    **dict.fromkeys(("phone", "mobile", "смс", "есемес", "телефон", "мобилен", "мобилен телефон"), "sms"),
}
#: What the columns of a consent hold.
LONGEST_SOURCE: Final = 40
LONGEST_VERSION: Final = 60
#: Lone surrogates too: JSON can spell them and UTF-8 cannot.
_CONTROL: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\ud800-\\udfff]")
_BULGARIAN_TIME: Final = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y г.")


class ImportRow(NamedTuple):
    """One row that can be taken. None is what the row does not say."""

    line: int
    raw: str
    #: (channel, as written, normalised).
    addresses: tuple[tuple[str, str, str], ...]
    name: str | None
    kind: str | None
    language: str | None
    timezone: str | None
    preferred_channel: str | None
    attributes: dict[str, Any]
    consent_source: str | None
    consent_at: datetime | None
    consent_text_version: str | None


def meaning(column: str) -> str:
    """The field that a column fills, or '' for an attribute."""
    return _MEANING.get(" ".join(column.casefold().split()), "")


def row_maker(form: FileFormat, *, zone: str, now: datetime) -> Callable[[Record], ImportRow]:
    """Make the function that turns this file's records into rows; it raises BadRow.

    Raises:
        UnreadableFile: no column holds addresses, or two hold the same thing.
    """
    maker = _RowMaker(zone=ZoneInfo(zone), now=now)
    if not form.delimiter:
        return maker.from_object
    known = [meaning(column) for column in form.columns]
    filled = [field for field in known if field]
    if len(set(filled)) < len(filled):
        raise UnreadableFile("repeated_column")
    if not {"email", "phone"} & set(filled):
        raise UnreadableFile("no_address_column")
    # Behind a record's cells stands an empty one, which is what a file says of the fields that it has no column for.
    fields = itemgetter(*[known.index(field) if field in known else len(known) for field in COLUMNS])
    others = [(place, form.columns[place]) for place, field in enumerate(known) if not field]
    return partial(maker.from_cells, fields=fields, others=others)


class _RowMaker:
    def __init__(self, *, zone: ZoneInfo, now: datetime) -> None:
        self.now = now
        # Files of people often have few times of consent.
        self._parse = lru_cache(maxsize=4096)(partial(_parse_time, zone=zone))

    def from_cells(
        self, record: Record, *, fields: Callable[[list[str]], tuple[str, ...]], others: Sequence[tuple[int, str]]
    ) -> ImportRow:
        if record.fault:
            raise BadRow(record.fault)
        cells = [cell.strip() for cell in record.cells]
        cells.append("")
        attributes = {}
        for place, column in others:
            if cells[place]:
                attributes[column] = _cell(cells[place], column)
        return self._row(record, fields(cells), attributes)

    def from_object(self, record: Record) -> ImportRow:
        if record.fault or record.values is None:
            raise BadRow(record.fault)
        if len(record.values) > MOST_COLUMNS:
            raise BadRow("too_many_values")
        known: dict[str, str] = {}
        attributes: dict[str, Any] = {}
        for column, value in record.values.items():
            if value is None or value == "":
                continue
            field = meaning(column)
            if field:
                known[field] = _text(value, column)
            elif column == "attributes" and isinstance(value, dict):
                attributes |= {name: _checked_attribute(item, name) for name, item in value.items() if item is not None}
            else:
                attributes[column] = _checked_attribute(value, column)
        if len(attributes) > MOST_COLUMNS:
            raise BadRow("too_many_values")
        return self._row(record, tuple(known.get(field, "") for field in COLUMNS), attributes)

    def _row(self, record: Record, fields: tuple[str, ...], attributes: dict[str, Any]) -> ImportRow:
        """`fields` in the order of COLUMNS; '' is what the row does not say."""
        email, phone, name, kind, language, timezone, wish, source, at, version = fields
        _check_characters(record.raw)
        if len(name) > LONGEST_NAME or len(source) > LONGEST_SOURCE or len(version) > LONGEST_VERSION:
            raise BadRow("too_long_value", _too_long(name, source))
        addresses = []
        if email:
            addresses.append(("email", email, _normalised("email", email, "email")))
        if phone:
            addresses.append(("sms", phone, _normalised("sms", phone, "phone")))
        if not addresses:
            raise BadRow("no_address")
        if timezone and not is_timezone(timezone):
            raise BadRow("unknown_timezone", "timezone")
        return ImportRow(
            record.line,
            record.raw,
            tuple(addresses),
            " ".join(name.split()) if name else None,
            _word(KINDS, kind, "kind") if kind else None,
            _word(LANGUAGES, language, "language") if language else None,
            timezone or None,
            _word(WISHES, wish, "preferred_channel") if wish else None,
            attributes,
            source or None,
            self._time(at) if at else None,
            version or None,
        )

    def _time(self, text: str) -> datetime:
        moment = self._parse(text)
        if moment is None:
            raise BadRow("bad_time", "consent_at")
        if moment > self.now:
            raise BadRow("future_time", "consent_at")
        return moment


def _too_long(name: str, source: str) -> str:
    if len(name) > LONGEST_NAME:
        return "name"
    return "consent_source" if len(source) > LONGEST_SOURCE else "consent_text_version"


def _check_characters(raw: str) -> None:
    if "\ufffd" in raw:
        raise BadRow("undecodable")
    if not raw.rstrip("\r\n").isprintable() and _CONTROL.search(raw):
        raise BadRow("control_character")


def _normalised(channel: str, text: str, column: str) -> str:
    try:
        return normalise(channel, text)
    except BadAddress as err:
        raise BadRow(err.reason, column) from err


def _word(words: dict[str, str], text: str, column: str) -> str:
    found = words.get(text) or words.get(text.casefold())
    if found is None:
        raise BadRow(f"unknown_{column}", column)
    return found


def _parse_time(text: str, *, zone: ZoneInfo) -> datetime | None:
    moment = _iso_time(text) or _bulgarian_time(text)
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:  # at the calendar's very ends
        return None


def _iso_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _bulgarian_time(text: str) -> datetime | None:
    for form in _BULGARIAN_TIME:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 -- the caller gives it the organisation's zone
        except ValueError:
            continue
    return None


def _cell(text: str, column: str) -> str:
    if not column:
        raise BadRow("too_many_cells")
    if len(text) > LONGEST_ATTRIBUTE or not text.isprintable() or not column.isprintable():
        _checked_attribute(text, column)
    return text


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise BadRow("bad_value", column[:LONGEST_ATTRIBUTE_NAME])
    text = str(value).strip()
    if _CONTROL.search(text):
        raise BadRow("control_character", column)
    return text


def _checked_attribute(value: Any, name: str) -> Any:
    if not name.isprintable() and _CONTROL.search(name):
        raise BadRow("control_character")  # without the name: the database could not keep it
    column = name[:LONGEST_ATTRIBUTE_NAME]
    # JSON spells infinity as 1e999, and has no number for it.
    if not isinstance(value, str | int | float) or value in (inf, -inf):
        raise BadRow("bad_value", column)
    text = str(value)
    if len(name) > LONGEST_ATTRIBUTE_NAME or len(text) > LONGEST_ATTRIBUTE:
        raise BadRow("too_long_value", column)
    if not text.isprintable() and _CONTROL.search(text):
        raise BadRow("control_character", column)
    return value
