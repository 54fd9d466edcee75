"""People on their way out: everybody of a topic or a segment, as a file that an import takes back.

Rows are read by their number, some at a time: whoever reads the file slowly holds no transaction and no memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from django.db import connection

from outreach.audience.facts import ALL_IDS
from outreach.audience.frequency import frequency_of
from outreach.audience.models import Segment, Topic
from outreach.audience.profile import PLAIN_FIELDS
from outreach.audience.rule_sql import NO_CONDITION, Condition, compile_rule, ids_of
from outreach.audience.segments import rule_of
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.spreadsheet import csv_rows
from outreach.core.spreadsheet_book import book_of
from outreach.core.vocabulary import ExportForm, Permission

#: People read at once.
BATCH: Final = 2_000
#: Rows that are sent at once.
BLOCK: Final = 500
#: Attributes that get a column each; more of them than an import takes come as JSON in one column.
MOST_ATTRIBUTES: Final = 150
#: Columns that say more than an import needs, and that it leaves out.
OURS: Final = ("outreach_id", "outreach_organisation", "outreach_more_addresses")
FIELDS: Final = ("email", "phone", *PLAIN_FIELDS, "frequency")
CONSENT: Final = ("consent_source", "consent_at", "consent_text_version", "consent_language")

CONTENT_TYPES: Final = {
    ExportForm.CSV: "text/csv; charset=utf-8",
    ExportForm.NDJSON: "application/x-ndjson",
    ExportForm.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

#: Whom the file is of; `{also}` is the topic's or the segment's condition.
_WHO: Final = "s.organisation_id = ANY (%(owners)s::bigint[]) AND s.erased_at IS NULL{also}"
_OF_TOPIC: Final = """ AND EXISTS (SELECT FROM outreach_subscription p
  WHERE p.subscriber_id = s.id AND p.topic_id = %(topic)s AND p.state = 'subscribed')"""
#: The names of their attributes, as far as there are few.
_NAMES: Final = """
SELECT DISTINCT k.name FROM outreach_subscriber s, jsonb_object_keys(s.attributes) AS k (name)
WHERE {who} ORDER BY k.name LIMIT %(most)s
"""
#: The next people by number, each with addresses in the order in which they came and the last consent on which what
#: they get of the topic rests, given in any of their records.
_PEOPLE: Final = """
SELECT s.id, o.slug, s.name, s.kind, s.language, s.timezone, s.preferred_channel, s.region,
       (SELECT json_object_agg(p.channel, p.frequency ORDER BY p.channel) FROM outreach_subscription p
        WHERE p.subscriber_id = s.id AND p.topic_id = %(topic)s AND p.state = 'subscribed'),
       s.attributes,
       (SELECT coalesce(json_agg(json_build_array(a.channel, a.value) ORDER BY a.id), '[]')
        FROM outreach_address a WHERE a.subscriber_id = s.id),
       c.source, c.at, c.text_version, c.language
FROM outreach_subscriber s JOIN outreach_organisation o ON o.id = s.organisation_id
LEFT JOIN LATERAL (
    SELECT c.source, c.at, c.text_version, c.language FROM {ids} JOIN outreach_consent c ON c.subscriber_id = p.id
    WHERE c.topic_id = %(topic)s AND c.action = 'given' AND EXISTS (
        SELECT FROM outreach_subscription w
        WHERE w.subscriber_id = s.id AND w.topic_id = c.topic_id AND w.state = 'subscribed'
            AND c.channel IN ('', w.channel))
    ORDER BY c.at DESC, c.id DESC LIMIT 1
) c ON true
WHERE {who} AND s.id > %(after)s ORDER BY s.id LIMIT %(batch)s
""".replace("{ids}", ALL_IDS)

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file on its way out."""

    file_name: str
    content_type: str
    pieces: Iterator[bytes]


def export_people(actor: Actor, *, form: str, topic: Topic | None = None, segment: Segment | None = None) -> Export:
    """Begin a file of the people of the actor's organisation and those below it, and write that into the audit.

    Of a topic, those subscribed to it, with the addresses to which they get it and their last consent to that; of a
    segment, whom it means now. Nothing is read before the first piece is asked for.

    Raises:
        Invalid: the segment names something that is gone.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    selection = _Selection(actor, topic=topic, segment=segment)
    audit.record(
        actor,
        "people.exported",
        actor.organisation,
        form=form,
        topic=topic.slug if topic else None,
        segment=str(segment.pk) if segment else None,
    )
    name = "-".join(
        filter(None, [actor.organisation.slug, topic.slug if topic else "", f"segment-{segment.pk}" if segment else ""])
    )
    pieces = _FORMS[ExportForm(form)](selection)
    return Export(file_name=f"{name}.{form}", content_type=CONTENT_TYPES[ExportForm(form)], pieces=pieces)


class _Selection:
    """Whom the file is of."""

    def __init__(self, actor: Actor, *, topic: Topic | None, segment: Segment | None) -> None:
        known = rule_of(segment) if segment else None
        rule: Condition = compile_rule(known.where, ids_of(known), as_of=clock.now()) if known else NO_CONDITION
        also = (_OF_TOPIC if topic else "") + (f" AND {rule.sql}" if rule.sql else "")
        self._who = _WHO.replace("{also}", also)
        owners = list(actor.organisation.subtree().values_list("pk", flat=True))
        self._params = {**rule.params, "owners": owners, "topic": topic.pk if topic else None}

    def attributes(self) -> list[str] | None:
        """The names of their attributes; None where there are too many for columns."""
        found = self._ask(_NAMES, most=MOST_ATTRIBUTES + 1)
        return [name for (name,) in found] if len(found) <= MOST_ATTRIBUTES else None

    def rows(self) -> Iterator[Row]:
        after = 0
        while found := self._ask(_PEOPLE, after=after, batch=BATCH):
            after = found[-1][0]
            yield from map(_as_row, found)

    def _ask(self, text: str, **more: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(text.replace("{who}", self._who), {**self._params, **more})
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


def _as_row(found: tuple[Any, ...]) -> Row:
    (
        key,
        organisation,
        name,
        kind,
        language,
        timezone,
        wish,
        region,
        often,
        attributes,
        addresses,
        source,
        at,
        version,
        shown_in,
    ) = found
    first: dict[str, str] = {}
    others = []
    # Of a topic, by what it is wanted by: an import subscribes by each address that stands in these columns.
    plain = {"email", "sms"} if often is None else {"email", "sms"} & often.keys()
    for channel, value in addresses:
        if channel in plain and channel not in first:
            first[channel] = value
        else:
            others.append(f"{channel}:{value}")
    return {
        "email": first.get("email", ""),
        "phone": first.get("sms", ""),
        "name": name,
        "kind": kind,
        "language": language,
        "timezone": timezone,
        "preferred_channel": wish,
        "region": region,
        "frequency": _frequency(often or {}),
        "consent_source": source or "",
        "consent_at": at.isoformat() if at else "",
        "consent_text_version": version or "",
        "consent_language": shown_in or "",
        "outreach_id": str(key),
        "outreach_organisation": organisation,
        "outreach_more_addresses": " ".join(others),
        "attributes": json.loads(attributes) if isinstance(attributes, str) else attributes,
    }


def _frequency(often: Mapping[str, int | None]) -> str:
    """One word where it is the same by each channel, as an import reads it."""
    words = {channel: frequency_of(days).value for channel, days in often.items()}
    if len(set(words.values())) < 2:
        return next(iter(words.values()), "")
    return " ".join(f"{channel}:{word}" for channel, word in words.items())


def _table(selection: _Selection) -> tuple[list[str], Iterator[list[Any]]]:
    """Header and rows with a column for each attribute."""
    names = selection.attributes()
    plain = [*FIELDS, *CONSENT, *OURS]

    def rows() -> Iterator[list[Any]]:
        for row in selection.rows():
            own = row["attributes"]
            told = [json.dumps(own, ensure_ascii=False)] if names is None else [_text(own.get(name)) for name in names]
            yield [*(row[column] for column in plain), *told]

    return [*plain, *(["outreach_attributes"] if names is None else names)], rows()


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def csv_pieces(header: list[str], rows: Iterator[list[Any]]) -> Iterator[bytes]:
    """A table as a file, in blocks."""
    yield ("\ufeff" + csv_rows([header])).encode()
    while block := list(islice(rows, BLOCK)):
        yield csv_rows(block).encode()


def _ndjson(selection: _Selection) -> Iterator[bytes]:
    for row in selection.rows():
        yield (json.dumps({name: value for name, value in row.items() if value}, ensure_ascii=False) + "\n").encode()


_FORMS: Final[Mapping[ExportForm, Callable[[_Selection], Iterator[bytes]]]] = {
    ExportForm.CSV: lambda selection: csv_pieces(*_table(selection)),
    ExportForm.NDJSON: _ndjson,
    ExportForm.XLSX: lambda selection: book_of(*_table(selection)),
}
