"""How often people want an import's topic, by channel: read and written apart, so that files without it pay nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Cursor

#: Of these people, by which channels they get the topic, and how often.
READ: Final = """
SELECT subscriber_id, channel::text, frequency FROM outreach_subscription
WHERE subscriber_id = ANY(%s) AND topic_id = %s AND state = 'subscribed'
"""
#: Set it where the topic is still wanted.
WRITE: Final = """
UPDATE outreach_subscription p SET frequency = u.days, changed_at = statement_timestamp()
FROM unnest(%s::bigint[], %s::text[], %s::smallint[]) AS u (id, channel, days)
WHERE p.subscriber_id = u.id AND p.topic_id = %s AND p.channel = u.channel AND p.state = 'subscribed'
"""

#: Person, channel, and days of the digest or None for each message at once.
Choice = tuple[int, str, int | None]


def read_frequencies(cursor: Cursor[Any], topic: int, people: Sequence[int]) -> list[Choice]:
    """What these people want by each channel; nothing of those who withdrew."""
    cursor.execute(READ, [list(people), topic])
    return cursor.fetchall()


def write_frequencies(cursor: Cursor[Any], topic: int, wanted: Sequence[Choice]) -> None:
    """Keep what is wanted."""
    if wanted:
        ids, channels, days = (list(column) for column in zip(*wanted, strict=True))
        cursor.execute(WRITE, [ids, channels, days, topic])
