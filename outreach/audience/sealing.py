"""Seals consents: each minute, those that no block holds yet become the next block of the chain.

Writers of consents do nothing for it and never wait: whoever sees a committed row that no block holds may seal it, in
any order. What a transaction commits late is found because the floor, below which nobody looks again, rises only to
ids that were given out before transactions that have all ended.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connection, transaction
from psycopg import Cursor

from outreach.audience.commitment import COLUMNS, Block, Row, leaf_of
from outreach.audience.consent_chain import ConsentBlock, ConsentBookmark
from outreach.audience.merkle import SIZE
from outreach.core import clock

#: Consents of a block at most: what one transaction reads, hashes and writes. A proof's path has twelve steps then.
MOST_IN_BLOCK: Final = 4096
#: The block before the first.
NOTHING: Final = bytes(SIZE)

#: End of the next stretch of ids that has so many consents; the same as the beginning where there are no more.
STRETCH: Final = """
SELECT COALESCE(max(id), %(after)s) FROM (
    SELECT id FROM outreach_consent WHERE id > %(after)s ORDER BY id LIMIT %(most)s) stretch
"""
#: Consents between two ids that no block holds.
OUTSIDE: Final = f"""
WITH sealed AS MATERIALIZED (
    SELECT unnest(b.ids) AS id FROM outreach_consentblock b
    WHERE int8range(b.first_id, b.last_id, '[]') && int8range(%(after)s, %(upto)s, '(]'))
SELECT {COLUMNS} FROM outreach_consent c LEFT JOIN sealed s ON s.id = c.id
WHERE c.id > %(after)s AND c.id <= %(upto)s AND s.id IS NULL ORDER BY c.id
"""  # noqa: S608 -- the code's own columns
#: Transactions: the oldest that has not ended, and the one that is next.
RUNNING: Final = """
SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint
FROM pg_current_snapshot() AS now
"""
#: The bookmark, by which sealers come one after another.
OPEN: Final = """
INSERT INTO outreach_consentbookmark (id, floor, reached, horizon, last_block) VALUES (1, 0, 0, 0, 0)
ON CONFLICT (id) DO NOTHING
"""


def seal_consents() -> int:
    """Seal every consent that is committed and in no block; return how many. Two at once do no harm."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN)
        ((oldest, following),) = _ask(cursor.cursor, RUNNING)
    begun = ConsentBookmark.objects.get(pk=1)
    after, sealed, is_end = begun.floor, 0, False
    while not is_end:
        upto, count = _seal_stretch(after)
        is_end = upto == after
        after, sealed = upto, sealed + count
    if _has_ended(begun.horizon, oldest=oldest, following=following):
        _rise(begun, reached=after)
    return sealed


@transaction.atomic
def _seal_stretch(after: int) -> tuple[int, int]:
    """Seal the next stretch of consents; say where it ends, and how many were sealed."""
    bookmark = ConsentBookmark.objects.select_for_update().get(pk=1)
    with connection.cursor() as cursor:
        ((upto,),) = _ask(cursor.cursor, STRETCH, after=after, most=MOST_IN_BLOCK)
        outside = [Row(*row) for row in _ask(cursor.cursor, OUTSIDE, after=after, upto=upto)]
    rows = [row for row in outside if row.salt is not None]
    if rows:
        _append(bookmark, rows)
    return upto, len(rows)


def _append(bookmark: ConsentBookmark, rows: list[Row]) -> None:
    """Add a block. Where the chain was cut off it goes on, with the gap for everybody to see."""
    last = ConsentBlock.objects.order_by("-number").only("number", "root", "sealed_at").first()
    block = Block(
        number=max(bookmark.last_block, last.number if last else 0) + 1,
        previous=bytes(last.root) if last else NOTHING,
        # Time goes on from block to block, whatever the clock does.
        sealed_at=max(clock.now(), last.sealed_at) if last else clock.now(),
        ids=[row.id for row in rows],
        leaves=[leaf_of(row) for row in rows],
    )
    ConsentBlock.objects.create(
        number=block.number,
        previous=block.previous,
        root=block.root,
        sealed_at=block.sealed_at,
        ids=block.ids,
        leaves=b"".join(block.leaves),
        first_id=min(block.ids),
        last_id=max(block.ids),
    )
    ConsentBookmark.objects.filter(pk=1).update(last_block=block.number)


def _has_ended(horizon: int, *, oldest: int, following: int) -> bool:
    """Whether all transactions before the horizon have. One that this server has not come to is of another server,
    from which the database was restored: whatever ran there is over."""
    return horizon <= oldest or horizon > following


def _rise(begun: ConsentBookmark, *, reached: int) -> None:
    """Raise the floor to where the sealing before this one came; another that did so meanwhile is left its word."""
    with connection.cursor() as cursor:
        ((_oldest, following),) = _ask(cursor.cursor, RUNNING)
    same = ConsentBookmark.objects.filter(pk=1, floor=begun.floor, reached=begun.reached, horizon=begun.horizon)
    same.update(floor=begun.reached, reached=reached, horizon=following)


def _ask(cursor: Cursor[Any], query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    cursor.execute(query, parameters or None)
    return cursor.fetchall()
