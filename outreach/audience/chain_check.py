"""Proves the chain of consents against the rows: names each block and each consent that is not as it was sealed.

Reads block by block, so that its memory does not grow with the chain. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext as _
from psycopg import Cursor

from outreach.audience.commitment import COLUMNS, Block, Row, is_empty, leaf_of
from outreach.audience.commitment_lines import LINES, leaf_of_line
from outreach.audience.consent_chain import ConsentBlock, ConsentBookmark, ConsentDay
from outreach.audience.consent_days import tree_of
from outreach.audience.merkle import root_of
from outreach.audience.sealing import NOTHING, OUTSIDE, STRETCH

#: Problems that are told one by one; the others are counted.
MOST_TOLD: Final = 100
#: Below every id, whoever chose it.
LEAST: Final = -(2**63)
#: Ids looked through at once for rows that no block holds.
STRETCH_OF_CHECK: Final = 20_000

SEALED: Final = f"SELECT {COLUMNS} FROM outreach_consent c WHERE c.id = ANY(%(ids)s)"  # noqa: S608 -- the code's own columns
#: Which of these consents an erasure of the same person names.
EXPLAINED: Final = """
SELECT e.id FROM unnest(%(ids)s::bigint[], %(people)s::bigint[]) AS e(id, person)
WHERE EXISTS (
    SELECT FROM outreach_consent r
    WHERE r.subscriber_id = e.person AND r.action = 'erased' AND r.salt IS NOT NULL
      AND r.evidence @> jsonb_build_object('consents', jsonb_build_array(e.id)))
"""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is not as it was sealed."""

    #: `changed`, `deleted`, `emptied`, `unsealed` of a consent; `block`, `link`, `missing` of a block; `day` of a day;
    #: `root` of one that somebody kept.
    code: str
    #: None for a consent that no block holds; the first of several that are missing.
    block: int | None = None
    consent: int | None = None
    day: date | None = None
    root: str | None = None

    @property
    def message(self) -> str:
        return _WORDS[self.code]() % {"block": self.block, "consent": self.consent, "day": self.day, "root": self.root}

    def as_json(self) -> dict[str, Any]:
        day = self.day.isoformat() if self.day else None
        of = {"block": self.block, "consent": self.consent, "day": day, "root": self.root}
        return {"code": self.code, **of, "message": self.message}


_WORDS: Final[dict[str, Callable[[], str]]] = {
    "changed": lambda: _("Consent %(consent)s of block %(block)s is not what was sealed."),
    "deleted": lambda: _("Consent %(consent)s of block %(block)s is gone, and no erasure took it."),
    "emptied": lambda: _("Consent %(consent)s has no salt, and is not as an erasure leaves it."),
    "unsealed": lambda: _("Consent %(consent)s is in no block, though its time to be sealed is over."),
    "block": lambda: _("Block %(block)s is not what was sealed."),
    "link": lambda: _("Block %(block)s does not follow upon the block before it."),
    "day": lambda: _("The root of %(day)s is not that of its blocks, or does not follow upon the day before it."),
    "root": lambda: _(
        "No day and no block has the root %(root)s: it is not of this installation, or the chain is not."
    ),
    "missing": lambda: _("The chain has a gap: block %(block)s is missing."),
}


@dataclass(kw_only=True)
class ChainCheck:
    """What was found."""

    blocks: int = 0
    consents: int = 0
    #: Of these, emptied by erasures.
    erased: int = 0
    #: Not sealed yet: their minute is not over.
    waiting: int = 0
    #: Root of the last block, in hexadecimal; '' where there is none.
    root: str = ""
    problems: list[Problem] = field(default_factory=list)
    #: All of them, told or not.
    found: int = 0

    @property
    def holds(self) -> bool:
        return self.found == 0

    def tell(self, problem: Problem) -> None:
        self.found += 1
        if len(self.problems) < MOST_TOLD:
            self.problems.append(problem)

    def as_json(self) -> dict[str, Any]:
        return {
            "blocks": self.blocks,
            "consents": self.consents,
            "erased": self.erased,
            "waiting": self.waiting,
            "root": self.root,
            "problems": [one.as_json() for one in self.problems],
            "problems_found": self.found,
        }


def check_chain(on_progress: Callable[[float], None] = lambda share: None) -> ChainCheck:
    """Read the whole chain and every consent, and say what does not hold; `on_progress` gets the share that is done."""
    check = ChainCheck()
    bookmark = ConsentBookmark.objects.filter(pk=1).first() or ConsentBookmark()
    with connection.cursor() as cursor:
        for stored in _stored_blocks():
            _check_place(check, stored)
            _check_block(check, cursor.cursor, stored)
            on_progress(stored.number / max(bookmark.last_block, stored.number))
        if check.blocks < bookmark.last_block:
            check.tell(Problem(code="missing", block=check.blocks + 1))
        _check_days(check)
        _check_outside(check, cursor.cursor, bookmark.floor)
    return check


def _check_days(check: ChainCheck) -> None:
    previous, block = NOTHING, 1
    for day in ConsentDay.objects.order_by("day").iterator():
        numbers, tree = tree_of(day)
        is_next = (bytes(day.previous), day.first_block) == (previous, block)
        if not is_next or root_of(tree) != bytes(day.root) or numbers[-1:] != [day.last_block]:
            check.tell(Problem(code="day", day=day.day))
        previous, block = bytes(day.root), day.last_block + 1


def _stored_blocks() -> Iterator[ConsentBlock]:
    """One by one: a block may have four thousand consents."""
    number = 0
    while stored := ConsentBlock.objects.filter(number__gt=number).order_by("number").first():
        yield stored
        number = stored.number


def check_roots(check: ChainCheck, roots: Iterable[bytes]) -> None:
    """Whether the chain still leads to roots that somebody kept: one that was made anew holds, and does not."""
    for root in roots:
        if not (ConsentDay.objects.filter(root=root).exists() or ConsentBlock.objects.filter(root=root).exists()):
            check.tell(Problem(code="root", root=root.hex()))


def _check_place(check: ChainCheck, stored: ConsentBlock) -> None:
    if stored.number != check.blocks + 1:
        check.tell(Problem(code="missing", block=check.blocks + 1))
    if bytes(stored.previous) != (bytes.fromhex(check.root) or NOTHING):
        check.tell(Problem(code="link", block=stored.number))
    check.blocks, check.root = stored.number, bytes(stored.root).hex()


def _check_block(check: ChainCheck, cursor: Cursor[Any], stored: ConsentBlock) -> None:
    block = stored.content
    is_whole = len(block.leaves) == len(block.ids) and (stored.first_id, stored.last_id) == _range(stored.ids)
    if not is_whole or block.root != bytes(stored.root):
        check.tell(Problem(code="block", block=stored.number))
    check.consents += len(block.ids)
    _check_consents(check, cursor, block)


def _range(ids: list[int]) -> tuple[int, int]:
    return (min(ids), max(ids)) if ids else (0, 0)


def _check_consents(check: ChainCheck, cursor: Cursor[Any], block: Block) -> None:
    """Most consents are told by their lines; what does not fit there is looked at again, field by field."""
    plain = _plain_leaves(cursor, block)
    doubtful = [number for number, leaf in zip(block.ids, block.leaves, strict=False) if plain.get(number) != leaf]
    if doubtful:
        _check_doubtful(check, cursor, block, doubtful)


def _plain_leaves(cursor: Cursor[Any], block: Block) -> dict[int, bytes | None]:
    with cursor.copy(LINES, {"ids": list(block.ids)}) as lines:
        return dict(leaf_of_line(bytes(line).decode()) for line in lines)


def _check_doubtful(check: ChainCheck, cursor: Cursor[Any], block: Block, ids: list[int]) -> None:
    rows = {row.id: row for row in _rows(cursor, SEALED, ids=ids)}
    suspected = set(ids)
    emptied = [row for row in rows.values() if row.salt is None]
    explained = _explained(cursor, emptied)
    check.erased += len(emptied)
    for number, leaf in zip(block.ids, block.leaves, strict=False):
        if number not in suspected:
            continue
        row = rows.get(number)
        if row is None:
            code = "deleted"
        elif row.salt is None:
            code = "" if number in explained else "emptied"
        else:
            code = "" if leaf_of(row) == leaf else "changed"
        if code:
            check.tell(Problem(code=code, block=block.number, consent=number))


def _explained(cursor: Cursor[Any], emptied: list[Row]) -> set[int]:
    """Which of these an erasure of the same person names."""
    empty = [row for row in emptied if is_empty(row)]
    if not empty:
        return set()
    parameters = {"ids": [row.id for row in empty], "people": [row.subscriber for row in empty]}
    cursor.execute(EXPLAINED, parameters)
    return {number for (number,) in cursor.fetchall()}


def _check_outside(check: ChainCheck, cursor: Cursor[Any], floor: int) -> None:
    """What stands in no block must be younger than the floor, or erased before it could be sealed."""
    after = LEAST
    while True:
        cursor.execute(STRETCH, {"after": after, "most": STRETCH_OF_CHECK})
        ((upto,),) = cursor.fetchall()
        if upto == after:
            return
        outside = list(_rows(cursor, OUTSIDE, after=after, upto=upto))
        explained = _explained(cursor, [row for row in outside if row.salt is None])
        for row in outside:
            if row.salt is None and row.id not in explained:
                check.tell(Problem(code="emptied", consent=row.id))
            elif row.salt is not None and row.id <= floor:
                check.tell(Problem(code="unsealed", consent=row.id))
            elif row.salt is not None:
                check.waiting += 1
        after = upto


def _rows(cursor: Cursor[Any], query: str, **parameters: Any) -> Iterator[Row]:
    cursor.execute(query, parameters)
    return (Row(*row) for row in cursor.fetchall())
