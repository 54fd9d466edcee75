"""What a consent's hash is made of: a text of everything that the row says, behind a salt that nobody can guess.

The text names its fields, so that a person can read it; fields without a value are left out, so that a later version
may add some without changing the texts of rows that were sealed before. With the salt gone nobody can find out from
the hash what the row said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from outreach.audience.merkle import leaf_hash, root_of

#: Columns of a consent in the order of `Row`.
COLUMNS: Final = (
    "c.id, c.salt, c.subscriber_id, c.purpose, c.topic_id, c.channel, c.action, c.source, c.text_version, c.language,"
    " c.at, c.recorded_at, c.evidence::text"
)
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Row(NamedTuple):
    """A consent as the database holds it."""

    id: int
    #: None where the row was erased.
    salt: UUID | None
    subscriber: int
    purpose: str
    topic: int | None
    channel: str
    action: str
    source: str
    text_version: str
    language: str
    at: datetime
    recorded_at: datetime
    #: JSON, as PostgreSQL writes it.
    evidence: str


#: What an erased row says: nothing, not even when. Its id and its nameless person stay.
NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_empty(row: Row) -> bool:
    """Whether the row is as an erasure leaves it."""
    said = (row.salt, row.topic, row.purpose, row.channel, row.action, row.source, row.text_version, row.language)
    return not any(said) and (row.at, row.recorded_at, row.evidence) == (NO_TIME, NO_TIME, "{}")


def text_of(row: Row) -> str:
    """Everything that the row says, as JSON."""
    fields = {
        "consent": row.id,
        "subscriber": row.subscriber,
        "purpose": row.purpose,
        "action": row.action,
        "topic": row.topic,
        "channel": row.channel,
        "source": row.source,
        "text_version": row.text_version,
        "language": row.language,
        "at": row.at.astimezone(UTC).isoformat(),
        "recorded_at": row.recorded_at.astimezone(UTC).isoformat(),
    }
    given = _ENCODE({name: value for name, value in fields.items() if value not in ("", None)})
    return f'{given[:-1]},"evidence":{row.evidence}}}'


def leaf_of(row: Row) -> bytes:
    """The row's hash; the row is not an erased one."""
    assert row.salt is not None  # noqa: S101 -- the callers' contract
    return leaf_hash(row.salt.bytes + text_of(row).encode())


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block, before it is written or after it was read."""

    number: int
    previous: bytes
    sealed_at: datetime
    ids: Sequence[int]
    leaves: Sequence[bytes]

    @property
    def header(self) -> str:
        """What the tree's first leaf is made of: so the root depends on all of it, and on the block before."""
        fields: dict[str, Any] = {
            "block": self.number,
            "previous": self.previous.hex(),
            "sealed_at": self.sealed_at.astimezone(UTC).isoformat(),
            "consents": list(self.ids),
        }
        return _ENCODE(fields)

    @property
    def tree(self) -> list[bytes]:
        """Hashes of the tree's leaves: the header's, then the consents'."""
        return [leaf_hash(self.header.encode()), *self.leaves]

    @property
    def root(self) -> bytes:
        return root_of(self.tree)
