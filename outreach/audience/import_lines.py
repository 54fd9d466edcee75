"""What a row becomes in the tables, as lines of PostgreSQL's COPY: all of each line but the person's id in front."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from outreach.audience.import_rows import ImportRow
from outreach.audience.names import sort_key
from outreach.core.secrets import mac
from outreach.core.vocabulary import AddressState, ConsentAction, ConsentPurpose, SubscriberKind, SubscriptionState

#: Table -> the columns of its lines.
COLUMNS: Final = {
    "subscriber": (
        "id, organisation_id, kind, name, sort_key, language, timezone, attributes, is_measured, created_at, updated_at"
    ),
    "address": "subscriber_id, organisation_id, channel, value, normalised, digest, state, created_at",
    "subscription": "subscriber_id, topic_id, channel, state, changed_at",
    "consent": "subscriber_id, purpose, topic_id, channel, action, source, text_version, evidence, at, recorded_at",
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


class WrittenRow(NamedTuple):
    """A row, and its lines for the case that it is of a person whom nobody knew: nearly all are."""

    row: ImportRow
    person: str
    addresses: list[str]
    subscriptions: list[str]
    consents: list[str]


class Lines:
    """Lines of one place: what they have in common is written once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        now = str(place.now)
        self._language = place.language
        self._handed_in = place.handed_in
        self._organisation = f"\t{place.organisation}\t"
        self._person_end = f"\tf\t{now}\t{now}\n"
        self._address_end = f"\t{AddressState.ACTIVE.value}\t{now}\n"
        self._subscription = f"\t{place.topic}\t%s\t{SubscriptionState.SUBSCRIBED.value}\t{now}\n"
        self._consent = f"\t{ConsentPurpose.TOPIC.value}\t{place.topic}\t%s\t{ConsentAction.GIVEN.value}\t"
        self._evidence = f'\t{{"import": {place.job}, "line": '
        self._consent_end = f"\t{now}\n"
        self._digest = mac("addresses").digest

    def written(self, row: ImportRow) -> WrittenRow:
        """The row with its lines."""
        return WrittenRow(
            row,
            self.person(row),
            [self.address(*entry) for entry in row.addresses],
            [self.subscription(entry[0]) for entry in row.addresses],
            [self.consent(entry[0], row) for entry in row.addresses],
        )

    def person(self, row: ImportRow) -> str:
        """A person whom nobody knew."""
        return self.person_of(
            row.name or "",
            row.kind or SubscriberKind.CITIZEN.value,
            row.language or self._language,
            row.timezone or "",
            row.attributes,
        )

    def person_of(self, name: str, kind: str, language: str, timezone: str, attributes: Mapping[str, Any]) -> str:
        """A person of several rows."""
        return (
            f"{self._organisation}{kind}\t{text(name)}\t{sort_key(name)}\t{language}\t{timezone}"
            f"\t{text(json_text(attributes))}{self._person_end}"
        )

    def address(self, channel: str, value: str, normalised: str) -> str:
        compared = text(normalised)
        written = compared if value == normalised else text(value)
        # The key of the suppression list: `core.secrets.address_digest`.
        digest = self._digest(f"{channel}:{normalised}".encode()).hex()
        return f"{self._organisation}{channel}\t{written}\t{compared}\t\\\\x{digest}{self._address_end}"

    def subscription(self, channel: str) -> str:
        return self._subscription % channel

    def consent(self, channel: str, row: ImportRow) -> str:
        source, version = text(row.consent_source or "import"), text(row.consent_text_version or "")
        at = _moment(row.consent_at or self._handed_in)
        return f"{self._consent % channel}{source}\t{version}{self._evidence}{row.line}}}\t{at}{self._consent_end}"


@lru_cache(maxsize=4096)
def _moment(at: datetime) -> str:
    return str(at)


def json_text(values: Mapping[str, Any]) -> str:
    """JSON as PostgreSQL takes it; nearly all of it is text."""
    parts = [
        f"{encode_basestring(name)}: {encode_basestring(value) if type(value) is str else _JSON.encode(value)}"
        for name, value in values.items()
    ]
    return f"{{{', '.join(parts)}}}"


_JSON: Final = json.JSONEncoder(ensure_ascii=False)

#: What COPY's text format spells in another way; NUL is no text for PostgreSQL.
_SPELT: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"})


def text(value: str) -> str:
    """A text as COPY takes it; nearly all are taken as they are."""
    return value if value.isprintable() and "\\" not in value else value.translate(_SPELT)
