"""What a row becomes in the tables, as lines of PostgreSQL's COPY: all of each line but the person's id in front."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring
from secrets import token_hex
from typing import Any, Final, NamedTuple

from outreach.audience.import_rows import ImportRow
from outreach.audience.names import sort_key
from outreach.core.secrets import mac
from outreach.core.vocabulary import ConsentAction, ConsentPurpose, SubscriberKind

#: Table -> the columns of its lines; times of writing and first states are the database's defaults.
COLUMNS: Final = {
    "subscriber": "id, organisation_id, kind, name, sort_key, language, timezone, preferred_channel, region,"
    " attributes",
    "address": "subscriber_id, organisation_id, channel, value, normalised, digest",
    "subscription": "subscriber_id, topic_id, channel",
    "consent": "subscriber_id, purpose, topic_id, channel, action, source, text_version, language, at, evidence, salt",
    "importrejection": 'job_id, line, "column", reason, raw',
    "importchange": 'job_id, subscriber_id, "row", made, at',
    "importmade": "job_id, first_id, last_id",
}


#: Bytes of a consent's salt, and how many are drawn at once.
SALT: Final = 16
SALTS: Final = 256


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file's people go."""

    job: int
    organisation: int
    topic: int
    #: Language of people whose rows do not say.
    language: str
    #: Source, text and time of consents whose rows do not say.
    source: str
    text_version: str
    given_at: datetime
    #: What becomes of people who are known already: a word of `KnownPeople`.
    known: str
    #: Whether its rows may say how often people want the topic.
    has_frequencies: bool


class Entry(NamedTuple):
    """The lines of one address of a person."""

    address: str
    subscription: str
    consent: str


class WrittenRow(NamedTuple):
    """A row, and its lines for the case that it is of a person whom nobody knew: nearly all are."""

    row: ImportRow
    person: str
    entries: list[Entry]


class Lines:
    """Lines of one place: what they have in common is written once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._language = place.language
        self._organisation = f"\t{place.organisation}\t"
        self._digest = mac("addresses").digest
        self._salts: list[str] = []
        self._consent = lru_cache(maxsize=4096)(self._new_consent)

    def written(self, row: ImportRow) -> WrittenRow:
        """The row with its lines."""
        person = self.person(
            row.name or "",
            row.kind or SubscriberKind.CITIZEN.value,
            row.language or self._language,
            row.timezone or "",
            row.preferred_channel or "",
            row.region or "",
            row.attributes,
        )
        return WrittenRow(row, person, [self.entry(*address, row) for address in row.addresses])

    def person(
        self,
        name: str,
        kind: str,
        language: str,
        timezone: str,
        preferred_channel: str,
        region: str,
        attributes: Mapping[str, Any],
    ) -> str:
        """A person of one row, or what several rows together say of one, whom nobody knew."""
        return (
            f"{self._organisation}{kind}\t{text(name)}\t{sort_key(name)}\t{language}\t{timezone}"
            f"\t{preferred_channel}\t{region}\t{_attributes(attributes)}\n"
        )

    def entry(self, channel: str, value: str, normalised: str, row: ImportRow) -> Entry:
        """An address, and the wish for the topic by its channel."""
        return Entry(self.address(channel, value, normalised), self.subscription(channel), self.consent(channel, row))

    def address(self, channel: str, value: str, normalised: str) -> str:
        compared = text(normalised)
        written = compared if value == normalised else text(value)
        # The key of the suppression list: `core.secrets.address_digest`.
        digest = self._digest(f"{channel}:{normalised}".encode()).hex()
        return f"{self._organisation}{channel}\t{written}\t{compared}\t\\\\x{digest}\n"

    def subscription(self, channel: str) -> str:
        return f"\t{self.place.topic}\t{channel}\n"

    def consent(self, channel: str, row: ImportRow) -> str:
        """All but the row's number and the salt is the same for most rows of a file.

        The database would make the salt as well, but asks the system for it each time in the dearest way.
        """
        said = row.consent_source, row.consent_text_version, row.consent_language, row.consent_at
        shared = self._consent(channel, *said)
        return f"{shared}{row.line}}}\t{self._salt()}\n"

    def _salt(self) -> str:
        """The system is asked for many at once: a call of it costs more than the rest of a consent."""
        try:
            return self._salts.pop()
        except IndexError:
            drawn = token_hex(SALT * SALTS)
            self._salts += [drawn[place : place + 2 * SALT] for place in range(2 * SALT, len(drawn), 2 * SALT)]
            return drawn[: 2 * SALT]

    def _new_consent(
        self, channel: str, source: str | None, version: str | None, language: str | None, at: datetime | None
    ) -> str:
        given = (ConsentPurpose.TOPIC.value, self.place.topic, channel, ConsentAction.GIVEN.value)
        place = self.place
        proof = (
            text(source or place.source),
            text(version or place.text_version),
            language or "",
            at or place.given_at,
        )
        fields = "\t".join(map(str, given + proof))
        return f'\t{fields}\t{{"import": {self.place.job}, "line": '


def json_text(values: Mapping[str, Any]) -> str:
    """JSON as PostgreSQL takes it; nearly all of it is text."""
    return f"{{{', '.join([_member(name, value) for name, value in values.items()])}}}"


def _member(name: str, value: Any) -> str:
    return f"{encode_basestring(name)}: {encode_basestring(value) if type(value) is str else _JSON.encode(value)}"


def _attributes(values: Mapping[str, Any]) -> str:
    """`json_text` as COPY takes it."""
    members = [
        _pair(name, value) if type(value) is str else text(_member(name, value)) for name, value in values.items()
    ]
    return f"{{{', '.join(members)}}}"


@lru_cache(maxsize=16_384)
def _pair(name: str, value: str) -> str:
    """Many people live in one town. Only of texts: 1 and 1.0 are one key, and True is another spelling."""
    return text(_member(name, value))


_JSON: Final = json.JSONEncoder(ensure_ascii=False)

#: What COPY's text format spells in another way; NUL is no text for PostgreSQL.
_SPELT: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"})


def text(value: str) -> str:
    """A text as COPY takes it; nearly all are taken as they are."""
    return value if value.isprintable() and "\\" not in value else value.translate(_SPELT)
