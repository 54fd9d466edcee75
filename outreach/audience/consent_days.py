"""Each day's blocks become one root, which is published: whoever kept it can tell whether the record was made anew.

A day's tree is made as a block's: its first leaf is its header, which names the root of the day before; the others are
made of the roots of its blocks. Days are in UTC; one without blocks has no root.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import Final

from django.db import transaction

from outreach.audience.consent_chain import ConsentBlock, ConsentBookmark, ConsentDay
from outreach.audience.merkle import leaf_hash, root_of
from outreach.audience.sealing import NOTHING
from outreach.core import clock

#: Blocks that are read at once: a day has 1,440, or some thousands where files were imported.
MOST_AT_ONCE: Final = 50_000


@transaction.atomic
def close_days() -> int:
    """Give the days that are over, and have blocks, their roots; return how many. Doing it twice changes nothing."""
    ConsentBookmark.objects.select_for_update().filter(pk=1).first()  # after a block that is just being sealed
    last = ConsentDay.objects.order_by("-day").first()
    midnight = datetime.combine(clock.now().astimezone(UTC).date(), time(), UTC)
    waiting = ConsentBlock.objects.filter(number__gt=last.last_block if last else 0, sealed_at__lt=midnight)
    rows = waiting.order_by("number").values_list("number", "sealed_at", "root")
    closed = 0
    for day, blocks in groupby(rows.iterator(MOST_AT_ONCE), key=lambda row: row[1].astimezone(UTC).date()):
        last = _close(day, [(number, bytes(root)) for number, _at, root in blocks], last)
        closed += 1
    return closed


def _close(day: date, blocks: list[tuple[int, bytes]], before: ConsentDay | None) -> ConsentDay:
    previous = bytes(before.root) if before else NOTHING
    numbers = [number for number, _root in blocks]
    tree = day_tree(day, previous=previous, numbers=numbers, roots=[root for _number, root in blocks])
    return ConsentDay.objects.create(
        day=day,
        previous=previous,
        root=root_of(tree),
        first_block=numbers[0],
        last_block=numbers[-1],
    )


def day_tree(day: date, *, previous: bytes, numbers: list[int], roots: list[bytes]) -> list[bytes]:
    """Hashes of the leaves of a day's tree."""
    header = {"day": day.isoformat(), "previous": previous.hex(), "blocks": numbers}
    return [leaf_hash(json.dumps(header, separators=(",", ":")).encode()), *(leaf_hash(root) for root in roots)]


def tree_of(day: ConsentDay) -> tuple[list[int], list[bytes]]:
    """Numbers of the day's blocks as they are now, and the tree that they make."""
    blocks = ConsentBlock.objects.filter(number__range=(day.first_block, day.last_block)).order_by("number")
    rows = [(number, bytes(root)) for number, root in blocks.values_list("number", "root")]
    numbers = [number for number, _root in rows]
    return numbers, day_tree(
        day.day, previous=bytes(day.previous), numbers=numbers, roots=[root for _number, root in rows]
    )
