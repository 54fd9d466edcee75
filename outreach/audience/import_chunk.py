"""One chunk of an import: what is known is read once, each row is decided in memory, everything is written by COPY.

The caller holds the transaction: rows, counts and the position are committed together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from psycopg import Cursor

from outreach.audience.import_reasons import BadRow
from outreach.audience.import_rows import ImportRow
from outreach.audience.names import sort_key
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import AddressState, ConsentAction, ConsentPurpose, SubscriberKind, SubscriptionState

LONGEST_RAW: Final = 10_000

#: Who has one of these addresses in the organisation.
OWNERS: Final = """
SELECT channel, normalised, subscriber_id FROM outreach_address
WHERE organisation_id = %(organisation)s AND channel = %(channel)s AND normalised = ANY(%(values)s)
"""
#: What is known of these people, and by which channels they have, or had, this topic.
PEOPLE: Final = """
SELECT s.id, s.name, s.kind, s.language, s.timezone, s.attributes::text,
       COALESCE((SELECT array_agg(p.channel::text) FROM outreach_subscription p
                 WHERE p.subscriber_id = s.id AND p.topic_id = %(topic)s), '{}')
FROM outreach_subscriber s WHERE s.id = ANY(%(people)s)
"""
#: Ids for people whom we have not written yet, so that one COPY a table is enough.
NEW_IDS: Final = "SELECT nextval(pg_get_serial_sequence('outreach_subscriber', 'id')) FROM generate_series(1, %s)"
#: Lay what the rows say over what is there; null says nothing.
CHANGE_PEOPLE: Final = """
UPDATE outreach_subscriber s
SET name = COALESCE(u.name, s.name), sort_key = COALESCE(u.sort_key, s.sort_key), kind = COALESCE(u.kind, s.kind),
    language = COALESCE(u.language, s.language), timezone = COALESCE(u.timezone, s.timezone),
    attributes = s.attributes || u.attributes::jsonb, updated_at = clock_timestamp()
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
     AS u(id, name, sort_key, kind, language, timezone, attributes)
WHERE s.id = u.id AND s.erased_at IS NULL
"""
_COLUMNS: Final = {
    "subscriber": (
        "id, organisation_id, kind, name, sort_key, language, timezone, attributes, is_measured, created_at, updated_at"
    ),
    "address": "organisation_id, subscriber_id, channel, value, normalised, digest, state, created_at",
    "subscription": "subscriber_id, topic_id, channel, state, changed_at",
    "consent": ("subscriber_id, purpose, topic_id, channel, action, source, text_version, evidence, at, recorded_at"),
    "importrejection": 'job_id, line, "column", reason, raw',
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file's people go."""

    job: int
    organisation: int
    topic: int
    #: Language of people whose rows do not say.
    language: str
    #: When the file was handed in: the time of consents whose rows do not say.
    handed_in: datetime
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Rejection:
    line: int
    reason: str
    column: str
    raw: str


@dataclass
class Tally:
    """What became of a chunk's rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        return self.created + self.updated + self.unchanged + self.rejected


@dataclass(slots=True)
class Person:
    """A person as known in this chunk: read from the database, or made of an earlier row."""

    fields: dict[str, Any]
    attributes: dict[str, Any]
    #: Channels by which the person has the topic, wanted or withdrawn: a withdrawal is not undone by a file.
    channels: set[str]
    is_new: bool = False
    #: What rows changed, to be laid over the stored person.
    changes: dict[str, Any] = field(default_factory=dict)
    changed_attributes: dict[str, Any] = field(default_factory=dict)
    #: What the database held of it, and how many rows changed nothing but that.
    stored: dict[str, Any] = field(default_factory=dict)
    overlaid: int = 0


_FIELDS: Final = ("name", "kind", "language", "timezone")


class Chunk:
    """Rows on their way in; `take` them one by one, then `write` all at once."""

    def __init__(self, place: Place, rows: Sequence[ImportRow], rejections: Iterable[Rejection]) -> None:
        self.place = place
        self.rows = rows
        self.rejections = list(rejections)
        self.tally = Tally()
        self.owners: dict[tuple[str, str], int] = {}
        self.people: dict[int, Person] = {}
        self.fresh_ids: list[int] = []
        #: Lines of COPY, made as the rows are decided.
        self.addresses: list[str] = []
        self.subscriptions: list[str] = []
        self.consents: list[str] = []

    def run(self) -> Tally:
        """Read, decide and write; return what became of the rows."""
        with connection.cursor() as cursor:
            self._read(cursor.cursor)
            for row in self.rows:
                try:
                    self._take(row)
                except BadRow as err:
                    self.rejections.append(Rejection(line=row.line, reason=err.reason, column=err.column, raw=row.raw))
            self.tally.rejected = len(self.rejections)
            self._forget_what_was_undone()
            self._write(cursor.cursor)
        return self.tally

    def _read(self, cursor: Cursor[Any]) -> None:
        for channel in ("email", "sms"):
            values = [entry[2] for row in self.rows for entry in row.addresses if entry[0] == channel]
            if values:
                cursor.execute(OWNERS, {"organisation": self.place.organisation, "channel": channel, "values": values})
                self.owners |= {(row[0], row[1]): row[2] for row in cursor.fetchall()}
        cursor.execute(PEOPLE, {"topic": self.place.topic, "people": list(set(self.owners.values()))})
        for key, name, kind, language, timezone, attributes, channels in cursor.fetchall():
            known = {"name": name, "kind": kind, "language": language, "timezone": timezone}
            kept = json.loads(attributes)
            self.people[key] = Person(known, kept, set(channels), stored={**known, "attributes": dict(kept)})
        strangers = sum(not any(entry[::2] in self.owners for entry in row.addresses) for row in self.rows)
        cursor.execute(NEW_IDS, [strangers])
        self.fresh_ids = [row[0] for row in reversed(cursor.fetchall())]

    def _take(self, row: ImportRow) -> None:
        owners = {self.owners[entry[::2]] for entry in row.addresses if entry[::2] in self.owners}
        if len(owners) > 1:
            raise BadRow("two_people", "phone")
        is_first = not owners
        key = self._create() if is_first else owners.pop()
        person = self.people[key]
        overlaid = self._overlay(person, row)
        changed = self._add_addresses(key, row)
        changed |= self._subscribe(key, person, row)
        person.overlaid += overlaid and not changed
        changed |= overlaid
        if is_first:
            self.tally.created += 1
        elif changed:
            self.tally.updated += 1
        else:
            self.tally.unchanged += 1

    def _forget_what_was_undone(self) -> None:
        """Rows that left a person as the database holds it changed nothing: so does a file with two rows of a person,
        handed in twice."""
        for person in self.people.values():
            now = {**person.fields, "attributes": person.attributes}
            if person.overlaid and not person.is_new and now == person.stored:
                self.tally.updated -= person.overlaid
                self.tally.unchanged += person.overlaid
                person.changes, person.changed_attributes = {}, {}

    def _create(self) -> int:
        key = self.fresh_ids.pop()
        known = {"name": "", "kind": SubscriberKind.CITIZEN.value, "language": self.place.language, "timezone": ""}
        self.people[key] = Person(known, {}, set(), is_new=True)
        return key

    def _overlay(self, person: Person, row: ImportRow) -> bool:
        changes = {
            name: value
            for name, value in zip(_FIELDS, (row.name, row.kind, row.language, row.timezone), strict=True)
            if value is not None and value != person.fields[name]
        }
        known = person.attributes
        attributes = {name: value for name, value in row.attributes.items() if known.get(name) != value}
        if changes:
            person.fields |= changes
            person.changes |= changes
        if attributes:
            person.attributes |= attributes
            person.changed_attributes |= attributes
        return bool(changes or attributes)

    def _add_addresses(self, key: int, row: ImportRow) -> bool:
        added = False
        for channel, value, normalised in row.addresses:
            if (channel, normalised) in self.owners:
                continue
            self.owners[channel, normalised] = key
            digest = address_digest(channel, normalised).hex()
            self.addresses.append(
                f"{self.place.organisation}\t{key}\t{channel}\t{_text(value)}\t{_text(normalised)}\t\\\\x{digest}"
                f"\t{_ACTIVE}\t{self.place.now}\n"
            )
            added = True
        return added

    def _subscribe(self, key: int, person: Person, row: ImportRow) -> bool:
        fresh = [entry[0] for entry in row.addresses if entry[0] not in person.channels]
        for channel in fresh:
            person.channels.add(channel)
            self.subscriptions.append(f"{key}\t{self.place.topic}\t{channel}\t{_SUBSCRIBED}\t{self.place.now}\n")
            self.consents.append(
                f"{key}\t{_TOPIC}\t{self.place.topic}\t{channel}\t{_GIVEN}\t{_text(row.consent_source or 'import')}"
                f"\t{_text(row.consent_text_version or '')}"
                f'\t{{"import": {self.place.job}, "line": {row.line}}}'
                f"\t{row.consent_at or self.place.handed_in}\t{self.place.now}\n"
            )
        return bool(fresh)

    def _write(self, cursor: Cursor[Any]) -> None:
        _copy(cursor, "subscriber", (self._new_person(key, one) for key, one in self.people.items() if one.is_new))
        self._write_changes(cursor)
        _copy(cursor, "address", self.addresses)
        _copy(cursor, "subscription", self.subscriptions)
        _copy(cursor, "consent", self.consents)
        _copy(
            cursor,
            "importrejection",
            (
                f"{self.place.job}\t{row.line}\t{_text(row.column)}\t{row.reason}\t{_text(row.raw[:LONGEST_RAW])}\n"
                for row in self.rejections
            ),
        )

    def _new_person(self, key: int, person: Person) -> str:
        known = person.fields
        return (
            f"{key}\t{self.place.organisation}\t{known['kind']}\t{_text(known['name'])}\t{sort_key(known['name'])}"
            f"\t{known['language']}\t{known['timezone']}\t{_text(_json(person.attributes))}"
            f"\tf\t{self.place.now}\t{self.place.now}\n"
        )

    def _write_changes(self, cursor: Cursor[Any]) -> None:
        changed = {
            key: person
            for key, person in self.people.items()
            if not person.is_new and (person.changes or person.changed_attributes)
        }
        if not changed:
            return
        columns = [[person.changes.get(name) for person in changed.values()] for name in _FIELDS]
        keys = [None if name is None else sort_key(name) for name in columns[0]]
        attributes = [_json(person.changed_attributes) for person in changed.values()]
        cursor.execute(CHANGE_PEOPLE, [list(changed), columns[0], keys, *columns[1:], attributes])


_ACTIVE: Final = AddressState.ACTIVE.value
_SUBSCRIBED: Final = SubscriptionState.SUBSCRIBED.value
_TOPIC: Final = ConsentPurpose.TOPIC.value
_GIVEN: Final = ConsentAction.GIVEN.value


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) if values else "{}"


#: What COPY's text format spells in another way; NUL is no text for PostgreSQL.
_SPELT: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"})


def _text(value: str) -> str:
    """A text as COPY takes it; nearly all are taken as they are."""
    return value if value.isprintable() and "\\" not in value else value.translate(_SPELT)


def _copy(cursor: Cursor[Any], table: str, lines: Iterable[str]) -> None:
    with cursor.copy(f"COPY outreach_{table} ({_COLUMNS[table]}) FROM STDIN") as copy:
        copy.write("".join(lines))
