"""One chunk of an import: what is known is read once, each row is decided in memory, everything is written by COPY.

The caller holds the transaction: rows, counts and the position are committed together or not at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from django.db import IntegrityError, connection
from psycopg import Cursor

from outreach.audience.import_frequencies import read_frequencies, write_frequencies
from outreach.audience.import_lines import COLUMNS, Lines, WrittenRow, json_text, text
from outreach.audience.import_reasons import BadRow
from outreach.audience.import_rows import ImportRow
from outreach.audience.import_trace import made_of, runs_of
from outreach.audience.names import sort_key
from outreach.audience.profile import PLAIN_FIELDS
from outreach.core import clock
from outreach.core.vocabulary import KnownPeople, SubscriberKind

LONGEST_RAW: Final = 10_000
#: Lines that go to the database at once.
BLOCK: Final = 500

#: The large tables have no foreign keys (ADR 13): the chunk itself keeps from being deleted what its rows point at.
#: Where that is gone already, so is the job, and the chunk is not committed.
HOLD_PLACE: Final = """
SELECT FROM outreach_organisation o, outreach_topic t WHERE o.id = %(organisation)s AND t.id = %(topic)s
FOR KEY SHARE OF o, t
"""
HOLD_PEOPLE: Final = (
    "SELECT id FROM outreach_subscriber WHERE id = ANY(%s) AND erased_at IS NULL ORDER BY id FOR KEY SHARE"
)
#: Who has one of these addresses, one a line, in the organisation. The array comes out of a subquery, so that the
#: planner does not weigh ten thousand values one by one, which takes longer than to find them.
OWNERS: Final = """
SELECT normalised, subscriber_id FROM outreach_address
WHERE organisation_id = %(organisation)s AND channel = %(channel)s
  AND normalised = ANY((SELECT string_to_array(%(values)s, E'\\n'))::text[])
"""
#: What is known of these people, and by which channels they have, or had, this topic.
PEOPLE: Final = """
SELECT s.id, s.name, s.kind, s.language, s.timezone, s.preferred_channel, s.region,
       s.attributes::text,
       COALESCE((SELECT array_agg(p.channel::text) FROM outreach_subscription p
                 WHERE p.subscriber_id = s.id AND p.topic_id = %(topic)s), '{}')
FROM outreach_subscriber s WHERE s.id = ANY(%(people)s)
"""
#: Ids for people whom we have not written yet, so that one COPY a table is enough. The subquery looks up the sequence
#: once, not for each of them.
NEW_IDS: Final = """
SELECT array_agg(nextval((SELECT pg_get_serial_sequence('outreach_subscriber', 'id')::regclass)))
FROM generate_series(1, %s)
"""
#: Lay what the rows say over what is there; null says nothing.
CHANGE_PEOPLE: Final = """
UPDATE outreach_subscriber s
SET name = COALESCE(u.name, s.name), sort_key = COALESCE(u.sort_key, s.sort_key), kind = COALESCE(u.kind, s.kind),
    language = COALESCE(u.language, s.language), timezone = COALESCE(u.timezone, s.timezone),
    preferred_channel = COALESCE(u.preferred_channel, s.preferred_channel), region = COALESCE(u.region, s.region),
    attributes = s.attributes || u.attributes::jsonb, updated_at = %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::text[])
     AS u(id, name, sort_key, kind, language, timezone, preferred_channel, region, attributes)
WHERE s.id = u.id AND s.erased_at IS NULL
"""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    line: int
    reason: str
    column: str
    raw: str


@dataclass(frozen=True, kw_only=True)
class ReadChunk:
    """Some rows of the file, read and sorted out, and how far the file was read for them.

    Whatever can be worked out without the database is: another thread does it while the database is busy.
    """

    lines: Lines
    rows: list[WrittenRow]
    rejected: list[Rejection]
    #: Channel -> addresses as they are compared, one a line: none of them has a line break.
    sought: dict[str, str]
    #: Addresses that several rows have.
    repeated: set[str]
    position: int
    is_end: bool


def read_chunk(lines: Lines, rows: Iterable[ImportRow], rejected: list[Rejection], *, position: int) -> ReadChunk:
    """Work out of these rows what the database is not needed for."""
    written = [lines.written(row) for row in rows]
    found: dict[str, list[str]] = {}
    for one in written:
        for channel, _value, normalised in one.row.addresses:
            found.setdefault(channel, []).append(normalised)
    return ReadChunk(
        lines=lines,
        rows=written,
        rejected=rejected,
        sought={channel: "\n".join(values) for channel, values in found.items()},
        repeated={value for values in found.values() for value in _repeated(values)},
        position=position,
        is_end=not written and not rejected,
    )


def _repeated(values: list[str]) -> list[str]:
    if len(set(values)) == len(values):
        return []
    return [value for value, count in Counter(values).items() if count > 1]


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
    #: Channel -> days of its digest, of what the topic is subscribed by; looked up only where the file may say it.
    frequencies: dict[str, int | None] = field(default_factory=dict)
    #: Of people known before: addresses that came, and channels by which they were subscribed.
    came: list[tuple[str, str]] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)

    def as_stored(self) -> dict[str, Any]:
        """What the database would hold of it, but for what came: see `stored`."""
        known = {channel: self.frequencies[channel] for channel in self.stored.get("frequencies", ())}
        return {**self.fields, "attributes": dict(self.attributes), "frequencies": known}

    @property
    def has_changed(self) -> bool:
        return bool(self.changes or self.changed_attributes or self.changed_frequencies())

    def changed_frequencies(self) -> dict[str, list[int | None]]:
        """Channel -> its days before and now."""
        before = self.stored.get("frequencies", {})
        return {way: [before[way], self.frequencies[way]] for way in before if before[way] != self.frequencies[way]}


#: What a row says of a person's fields.
_SAID: Final = attrgetter(*PLAIN_FIELDS)


class Chunk:
    """Rows on their way in: those of strangers are written as they are, the others laid over what is known."""

    def __init__(self, read: ReadChunk) -> None:
        self.read = read
        self.lines = read.lines
        self.place = read.lines.place
        self.rejections = list(read.rejected)
        self.tally = Tally()
        self.owners: dict[tuple[str, str], int] = {}
        self.people: dict[int, Person] = {}
        #: Rows of people whom nobody knows, each with a row of its own, and their ids.
        self.strangers: list[WrittenRow] = []
        self.stranger_ids: list[int] = []
        #: Ids that the database gave for new people.
        self.new_ids: list[int] = []
        #: When people known before were changed.
        self.changed_at = clock.now()
        #: Ids for the people of other rows.
        self.fresh_ids: Iterator[int] = iter(())
        #: Lines of COPY of the others, made as their rows are decided.
        self.addresses: list[str] = []
        self.subscriptions: list[str] = []
        self.consents: list[str] = []
        #: People known before who get an address or a subscription.
        self.extended: set[int] = set()

    def run(self) -> Tally:
        """Read, decide and write; return what became of the rows."""
        with connection.cursor() as cursor:
            self._read(cursor.cursor)
            self._decide(cursor.cursor)
            self._write(cursor.cursor)
        return self.tally

    def _read(self, cursor: Cursor[Any]) -> None:
        cursor.execute(HOLD_PLACE, {"organisation": self.place.organisation, "topic": self.place.topic})
        for channel, values in self.read.sought.items():
            cursor.execute(OWNERS, {"organisation": self.place.organisation, "channel": channel, "values": values})
            self.owners |= {(channel, normalised): subscriber for normalised, subscriber in cursor.fetchall()}
        if self.owners:
            self._read_people(cursor)

    def _read_people(self, cursor: Cursor[Any]) -> None:
        cursor.execute(PEOPLE, {"topic": self.place.topic, "people": list(set(self.owners.values()))})
        for key, *fields, attributes, channels in cursor.fetchall():
            known = dict(zip(PLAIN_FIELDS, fields, strict=True))
            self.people[key] = Person(known, json.loads(attributes), set(channels))
        if self.place.has_frequencies:
            for key, channel, days in read_frequencies(cursor, self.place.topic, list(self.people)):
                self.people[key].frequencies[channel] = days
        for person in self.people.values():
            person.stored = {"frequencies": dict(person.frequencies)}
            person.stored = person.as_stored()

    def _decide(self, cursor: Cursor[Any]) -> None:
        self.strangers, others = _told_apart(self.read, self.owners)
        cursor.execute(NEW_IDS, [len(self.read.rows) - sum(_is_known(row, self.owners) for row in others)])
        ids: list[int] = cursor.fetchall()[0][0] or []
        self.new_ids = ids
        self.fresh_ids = iter(ids[len(self.strangers) :])
        self.stranger_ids = ids[: len(self.strangers)]
        self.tally.created = len(self.strangers)
        for row in others:
            try:
                self._take(row)
            except BadRow as err:
                self.rejections.append(Rejection(line=row.line, reason=err.reason, column=err.column, raw=row.raw))
        self.tally.rejected = len(self.rejections)
        self._forget_what_was_undone()

    def _take(self, row: ImportRow) -> None:
        owners = {self.owners[entry[::2]] for entry in row.addresses if entry[::2] in self.owners}
        if len(owners) > 1:
            raise BadRow("two_people", "phone")
        is_first = not owners
        if owners and self.place.known == KnownPeople.SKIP:
            self.tally.unchanged += 1
            return
        key = self._create() if is_first else owners.pop()
        person = self.people[key]
        overlaid = self._overlay(person, row, fills=self.place.known == KnownPeople.FILL and not is_first)
        changed = self._add_addresses(key, row)
        changed |= self._subscribe(key, person, row)
        overlaid |= self._choose(person, row, fills=self.place.known == KnownPeople.FILL)
        if changed and not person.is_new:
            self.extended.add(key)
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
            if person.overlaid and not person.is_new and person.as_stored() == person.stored:
                self.tally.updated -= person.overlaid
                self.tally.unchanged += person.overlaid
                person.changes, person.changed_attributes = {}, {}

    def _create(self) -> int:
        key = next(self.fresh_ids)
        known = dict.fromkeys(PLAIN_FIELDS, "") | {
            "kind": SubscriberKind.CITIZEN.value,
            "language": self.place.language,
        }
        self.people[key] = Person(known, {}, set(), is_new=True)
        return key

    def _overlay(self, person: Person, row: ImportRow, *, fills: bool) -> bool:
        changes = {
            name: value
            for name, value in zip(PLAIN_FIELDS, _SAID(row), strict=True)
            if value is not None and value != person.fields[name]
        }
        known = person.attributes
        attributes = {name: value for name, value in row.attributes.items() if known.get(name) != value}
        if fills:
            changes = {name: value for name, value in changes.items() if not person.fields[name]}
            attributes = {name: value for name, value in attributes.items() if name not in known}
        if changes:
            person.fields |= changes
            person.changes |= changes
        if attributes:
            person.attributes |= attributes
            person.changed_attributes |= attributes
        return bool(changes or attributes)

    def _choose(self, person: Person, row: ImportRow, *, fills: bool) -> bool:
        """How often, by each channel that is subscribed; where the file only fills, by those that it subscribed."""
        said = row.frequency or {}
        chosen = {
            channel: days
            for channel, days in said.items()
            if person.frequencies.get(channel, days) != days and not (fills and channel not in person.joined)
        }
        person.frequencies |= chosen
        return bool(chosen)

    def _add_addresses(self, key: int, row: ImportRow) -> bool:
        added = False
        for channel, value, normalised in row.addresses:
            if (channel, normalised) in self.owners:
                continue
            self.owners[channel, normalised] = key
            self.addresses.append(f"{key}{self.lines.address(channel, value, normalised)}")
            self.people[key].came.append((channel, normalised))
            added = True
        return added

    def _subscribe(self, key: int, person: Person, row: ImportRow) -> bool:
        fresh = [entry[0] for entry in row.addresses if entry[0] not in person.channels]
        for channel in fresh:
            person.channels.add(channel)
            person.joined.append(channel)
            person.frequencies[channel] = None
            self.subscriptions.append(f"{key}{self.lines.subscription(channel)}")
            self.consents.append(f"{key}{self.lines.consent(channel, row)}")
        return bool(fresh)

    def _write(self, cursor: Cursor[Any]) -> None:
        self._hold_people(cursor)
        self._write_changes(cursor)
        new = list(zip(self.stranger_ids, self.strangers, strict=True))
        _copy(cursor, "subscriber", (f"{key}{one.person}" for key, one in new))
        _copy(cursor, "subscriber", self._people_of_several_rows())
        _copy(cursor, "address", (f"{key}{entry.address}" for key, one in new for entry in one.entries))
        _copy(cursor, "address", self.addresses)
        _copy(cursor, "subscription", (f"{key}{entry.subscription}" for key, one in new for entry in one.entries))
        _copy(cursor, "subscription", self.subscriptions)
        _copy(cursor, "consent", (f"{key}{entry.consent}" for key, one in new for entry in one.entries))
        _copy(cursor, "consent", self.consents)
        if self.place.has_frequencies:
            write_frequencies(cursor, self.place.topic, list(self._frequencies()))
        _copy(cursor, "importrejection", self._rejected())
        _copy(cursor, "importchange", self._changed())
        # Behind all that is of new people: see `ImportMade.at`.
        _copy(cursor, "importmade", (f"{self.place.job}\t{first}\t{last}\n" for first, last in runs_of(self.new_ids)))

    def _hold_people(self, cursor: Cursor[Any]) -> None:
        """Of whom we write must be there until we commit: what a foreign key would see to, for all of them at once.

        Otherwise what somebody was before is written down behind their erasure.
        """
        held = self.extended | {key for key, person in self.people.items() if not person.is_new and person.has_changed}
        if not held:
            return
        cursor.execute(HOLD_PEOPLE, [sorted(held)])
        if len(cursor.fetchall()) < len(held):
            raise IntegrityError("a person was erased meanwhile")

    def _people_of_several_rows(self) -> Iterator[str]:
        for key, person in self.people.items():
            if person.is_new:
                yield f"{key}{self.lines.person(**person.fields, attributes=person.attributes)}"

    def _frequencies(self) -> Iterator[tuple[int, str, int | None]]:
        """Person, channel and days of what is not as it was, nor, where it is new, as it begins."""
        for key, one in zip(self.stranger_ids, self.strangers, strict=True):
            for channel, days in (one.row.frequency or {}).items():
                if days is not None:
                    yield key, channel, days
        for key, person in self.people.items():
            before = person.stored.get("frequencies", {})
            yield from ((key, way, days) for way, days in person.frequencies.items() if days != before.get(way))

    def _rejected(self) -> Iterator[str]:
        for row in self.rejections:
            yield f"{self.place.job}\t{row.line}\t{text(row.column)}\t{row.reason}\t{text(row.raw[:LONGEST_RAW])}\n"

    def _changed(self) -> Iterator[str]:
        """What has to be known to take the import back, of people known before."""
        row = self.read.rows[0].row.line if self.read.rows else 0
        for key, person in self.people.items():
            frequencies = person.changed_frequencies()
            parts = (person.changes, person.changed_attributes, frequencies, person.came, person.joined)
            if person.is_new or not any(parts):
                continue
            made = made_of(
                stored=person.stored,
                changes=person.changes,
                attributes=person.changed_attributes,
                frequencies=frequencies,
                addresses=person.came,
                channels=person.joined,
            )
            yield f"{self.place.job}\t{key}\t{row}\t{text(json_text(made))}\t{self.changed_at.isoformat()}\n"

    def _write_changes(self, cursor: Cursor[Any]) -> None:
        changed = {
            key: person
            for key, person in self.people.items()
            if not person.is_new and (person.changes or person.changed_attributes)
        }
        if not changed:
            return
        columns = [[person.changes.get(name) for person in changed.values()] for name in PLAIN_FIELDS]
        keys = [None if name is None else sort_key(name) for name in columns[0]]
        attributes = [json_text(person.changed_attributes) for person in changed.values()]
        cursor.execute(CHANGE_PEOPLE, [self.changed_at, list(changed), columns[0], keys, *columns[1:], attributes])


def _told_apart(read: ReadChunk, owners: Mapping[tuple[str, str], int]) -> tuple[list[WrittenRow], list[ImportRow]]:
    """Rows of strangers, and rows that have to do with somebody known or with each other."""
    entangled = read.repeated | {normalised for _channel, normalised in owners}
    if not entangled:
        return read.rows, []
    strangers: list[WrittenRow] = []
    others: list[ImportRow] = []
    for one in read.rows:
        if any(entry[2] in entangled for entry in one.row.addresses):
            others.append(one.row)
        else:
            strangers.append(one)
    return strangers, others


def _is_known(row: ImportRow, owners: Mapping[tuple[str, str], int]) -> bool:
    return any(entry[::2] in owners for entry in row.addresses)


def _copy(cursor: Cursor[Any], table: str, lines: Iterable[str]) -> None:
    """Write lines in blocks: while the database works on one the next is made."""
    remaining = iter(lines)
    block = list(islice(remaining, BLOCK))
    if not block:
        return
    with cursor.copy(f"COPY outreach_{table} ({COLUMNS[table]}) FROM STDIN") as copy:
        while block:
            copy.write("".join(block))
            block = list(islice(remaining, BLOCK))
