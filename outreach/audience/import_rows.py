"""From a record of a file to a person's data, or the reason why not: pure, and the same for CSV and NDJSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from math import inf
from operator import itemgetter
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.csv_reader import MOST_COLUMNS, FileFormat, Record
from outreach.audience.import_columns import ATTRIBUTE, COLUMNS, LEFT_OUT, taken_for
from outreach.audience.import_reasons import BadRow, UnreadableFile
from outreach.audience.profile import LONGEST_ATTRIBUTE, LONGEST_ATTRIBUTE_NAME, LONGEST_NAME, is_timezone
from outreach.audience.regions import find_region
from outreach.core.vocabulary import DIGEST_DAYS, PERSONAL_CHANNELS, Frequency, Language, SubscriberKind
from schedules.zones import is_of_our_time

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
#: How often the person wants the file's topic.
FREQUENCIES: Final[dict[str, str]] = {
    **{word: word for word in Frequency.values},
    **dict.fromkeys(("at once", "instant", "веднага", "щом излезе"), "immediate"),
    **dict.fromkeys(("once a day", "every day", "веднъж на ден", "всеки ден", "дневно"), "daily"),
    **dict.fromkeys(("once a week", "every week", "веднъж на седмица", "всяка седмица", "седмично"), "weekly"),
}
#: What the columns of a consent hold.
LONGEST_SOURCE: Final = 40
LONGEST_VERSION: Final = 60
#: Lone surrogates too: JSON can spell them and UTF-8 cannot.
CONTROL: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\ud800-\\udfff]")
#: The apostrophe that `core.spreadsheet` sets before what would be a formula: exports come back as they were.
_GUARDED: Final = re.compile("^'(?=[=+\\-@＝＋－＠])")
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
    region: str | None
    #: Channel -> days of its digest, or None for each message at once, as far as it is said.
    frequency: Mapping[str, int | None] | None
    attributes: dict[str, Any]
    consent_source: str | None
    consent_at: datetime | None
    consent_text_version: str | None
    #: In which the text was shown.
    consent_language: str | None


def row_maker(
    form: FileFormat,
    *,
    zone: str,
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    needs: frozenset[str] = frozenset(),
) -> Callable[[Record], ImportRow]:
    """Make the function that turns this file's records into rows; it raises BadRow.

    `mapping` says of columns what they are taken for; of the others their names do. A row without one of `needs`, which
    are evidence of its consent, is a bad one.

    Raises:
        UnreadableFile: no column holds addresses, or two hold the same thing.
    """
    maker = _RowMaker(zone=ZoneInfo(zone), now=now, needs=needs)
    if not form.delimiter:
        return partial(maker.from_object, takes=partial(taken_for, mapping=mapping or {}))
    known = [taken_for(column, mapping or {}) for column in form.columns]
    filled = [word for word in known if word in COLUMNS]
    if len(set(filled)) < len(filled):
        raise UnreadableFile("repeated_meaning")
    if not {"email", "phone"} & set(filled):
        raise UnreadableFile("no_address_column")
    # Behind a record's cells stands an empty one, which is what a file says of the fields that it has no column for.
    fields = itemgetter(*[known.index(field) if field in known else len(known) for field in COLUMNS])
    others = [(place, form.columns[place]) for place, word in enumerate(known) if word == ATTRIBUTE]
    return partial(maker.from_cells, fields=fields, others=others)


class _RowMaker:
    def __init__(self, *, zone: ZoneInfo, now: datetime, needs: frozenset[str]) -> None:
        self.now = now
        self.needs = needs
        # Files of people often have few times of consent.
        self._parse = lru_cache(maxsize=4096)(partial(parse_time, zone=zone))

    def from_cells(
        self, record: Record, *, fields: Callable[[list[str]], tuple[str, ...]], others: Sequence[tuple[int, str]]
    ) -> ImportRow:
        if record.fault:
            raise BadRow(record.fault)
        cells = [cell.strip() for cell in record.cells]
        if "'" in record.raw:
            cells = [_GUARDED.sub("", cell) for cell in cells]
        cells.append("")
        attributes = {}
        for place, column in others:
            if cells[place]:
                attributes[column] = _cell(cells[place], column)
        return self._row(record, fields(cells), attributes)

    def from_object(self, record: Record, *, takes: Callable[[str], str]) -> ImportRow:
        if record.fault or record.values is None:
            raise BadRow(record.fault)
        if len(record.values) > MOST_COLUMNS:
            raise BadRow("too_many_values")
        known: dict[str, str] = {}
        attributes: dict[str, Any] = {}
        for column, value in record.values.items():
            if value is None or value == "":
                continue
            word = takes(column)
            if word in COLUMNS:
                said = _text(value, column)
                if known.setdefault(word, said) != said:
                    raise BadRow("repeated_value", word)
            elif word == LEFT_OUT:
                continue
            elif column == "attributes" and isinstance(value, dict):
                attributes |= {name: _checked_attribute(item, name) for name, item in value.items() if item is not None}
            else:
                attributes[column] = _checked_attribute(value, column)
        if len(attributes) > MOST_COLUMNS:
            raise BadRow("too_many_values")
        return self._row(record, tuple(known.get(field, "") for field in COLUMNS), attributes)

    def _row(self, record: Record, fields: tuple[str, ...], attributes: dict[str, Any]) -> ImportRow:
        """`fields` in the order of COLUMNS; '' is what the row does not say."""
        email, phone, name, kind, language, timezone, wish, region, often, source, at, version, shown_in = fields
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
        if self.needs:
            self._check_evidence(consent_source=source, consent_at=at, consent_text_version=version)
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
            _region(region) if region else None,
            _frequency(often) if often else None,
            attributes,
            source or None,
            self._time(at) if at else None,
            version or None,
            _word(LANGUAGES, shown_in, "consent_language") if shown_in else None,
        )

    def _check_evidence(self, **given: str) -> None:
        for column, value in given.items():
            if column in self.needs and not value:
                raise BadRow("no_evidence", column)

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
    if not raw.rstrip("\r\n").isprintable() and CONTROL.search(raw):
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


def _region(text: str) -> str:
    code = find_region(text)
    if code is None:
        raise BadRow("unknown_region", "region")
    return code


@lru_cache(maxsize=64)
def _frequency(text: str) -> Mapping[str, int | None]:
    """Of one word for every channel, or of `email:weekly sms:immediate`, as exports write it where they differ."""
    given = text.casefold()
    words = [part.split(":") for part in given.split()] if ":" in given else [[way, given] for way in PERSONAL_CHANNELS]
    if not all(len(part) == 2 and part[0] in PERSONAL_CHANNELS and part[1] in FREQUENCIES for part in words):
        raise BadRow("unknown_frequency", "frequency")
    return {channel: DIGEST_DAYS[FREQUENCIES[word]] for channel, word in words}


def parse_time(text: str, *, zone: ZoneInfo) -> datetime | None:
    """The moment that a cell names, as ISO or Bulgarians write it; None where it is none."""
    moment = _iso_time(text) or _bulgarian_time(text)
    if moment is None or not is_of_our_time(moment):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


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
    if CONTROL.search(text):
        raise BadRow("control_character", column[:LONGEST_ATTRIBUTE_NAME])
    return text


def _checked_attribute(value: Any, name: str) -> Any:
    if not name.isprintable() and CONTROL.search(name):
        raise BadRow("control_character")  # without the name: the database could not keep it
    column = name[:LONGEST_ATTRIBUTE_NAME]
    # JSON spells infinity as 1e999, and has no number for it.
    if not isinstance(value, str | int | float) or value in (inf, -inf):
        raise BadRow("bad_value", column)
    text = str(value)
    if len(name) > LONGEST_ATTRIBUTE_NAME or len(text) > LONGEST_ATTRIBUTE:
        raise BadRow("too_long_value", column)
    if not text.isprintable() and CONTROL.search(text):
        raise BadRow("control_character", column)
    return value
