"""Whom a rule means now: counted exactly where that takes a moment, else estimated from a sample, with an interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from psycopg.errors import QueryCanceled

from outreach.audience.models import Subscriber
from outreach.audience.rule_sql import Condition, compile_rule, ids_of
from outreach.audience.rules import KnownRule
from outreach.core import clock
from outreach.core.models import Organisation

#: How long a screen waits for an exact count, in milliseconds.
PATIENCE: Final = 1_000
#: People shown beside a rule.
SHOWN: Final = 5
#: Part of the table's pages that an estimate reads, as long as the part has no more people than it takes to be sure.
PART: Final = 0.01
MOST_READ: Final = 60_000
#: People of an estimate who are looked up in other tables: of ten million the 20,000 are a fifth of a percent.
MOST_LOOKED_UP: Final = 20_000
#: Of the normal distribution: 95 % of all intervals hold the true count.
SURE: Final = 1.96
#: Standard deviations of the number of pages drawn beyond which a number of rows is not believed.
TOO_FAR: Final = 4.0

_WHO: Final = "s.organisation_id = ANY (%(owners)s::bigint[]) AND s.erased_at IS NULL AND {rule}"
_COUNT: Final = "SELECT count(*) FROM outreach_subscriber s WHERE {who}"
#: Each page is drawn or not as a whole, and neighbours are often alike (a file was imported in its order): so pages are
#: what is drawn, and the squares of what was found on each say how sure the estimate is. A page is known by the first
#: four bytes of where its rows lie, which is worked out of those alone that are meant; of the others the planner asks
#: what is cheap first. The same pages are drawn each time: they are in memory when the next clause is added.
_DRAW: Final = """
SELECT coalesce(sum(hits), 0)::bigint, coalesce(sum(hits * hits), 0)::bigint
FROM (
    SELECT count(*) AS hits FROM outreach_subscriber s TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (7)
    WHERE {who} GROUP BY substr(tidsend(s.ctid), 1, 4)
) AS pages
"""
#: Of how many pages, with how many rows.
_PAGES: Final = """
SELECT count(*), coalesce(sum(rows), 0)::bigint
FROM (
    SELECT count(*) AS rows FROM outreach_subscriber s TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (7)
    GROUP BY substr(tidsend(s.ctid), 1, 4)
) AS pages
"""
_SET: Final = "SELECT set_config(%s, %s, true)"
#: How many rows there are, without looking, as the database's own counters say; 0 where they were lost.
_ROWS: Final = "SELECT coalesce(pg_stat_get_live_tuples('outreach_subscriber'::regclass), 0)"
#: Too little memory to keep all of a topic's subscribers at hand: those who are drawn are looked up, each by an index.
_ONE_BY_ONE: Final = {"work_mem": "1MB", "hash_mem_multiplier": "1"}
_FIRST: Final = "SELECT s.id FROM outreach_subscriber s WHERE {who} ORDER BY s.id LIMIT %(most)s"


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many people; where it is not exact, an estimate within `low` to `high` nineteen times of twenty."""

    count: int
    low: int
    high: int
    is_exact: bool
    #: The part of the people that an estimate is drawn from.
    part: float = PART


def count_people(organisation: Organisation, known: KnownRule, *, patience: int = PATIENCE) -> Count:
    """Count whom the rule means among the organisation's people and those below.

    Exactly, where that takes less than `patience` milliseconds (0: however long it takes); else from a sample.
    """
    sql, params = _statement(_COUNT, organisation, _condition(known))
    rows = run_within(patience, sql, params)
    if rows is None:
        return estimate_people(organisation, known)
    return Count(count=rows[0][0], low=rows[0][0], high=rows[0][0], is_exact=True)


def estimate_people(organisation: Organisation, known: KnownRule, *, part: float = PART) -> Count:
    """Estimate the same from a part of the table's pages: of very many people a smaller one, which is read at once."""
    condition = _condition(known)
    sql, params = _statement(_DRAW, organisation, condition)
    most = MOST_LOOKED_UP if condition.looks_elsewhere else MOST_READ
    with _settings(_ONE_BY_ONE) as cursor:
        cursor.execute(_ROWS)
        everybody = int(cursor.fetchone()[0])
        part = min(part, most / max(everybody, 1))
        cursor.execute(_PAGES, {"percent": part * 100})
        pages, rows = cursor.fetchone()
        cursor.execute(sql, {**params, "percent": part * 100})
        hits, squares = cursor.fetchone()
    return estimated(hits, squares=squares, pages=pages, rows=rows, part=part, known=everybody)


def estimated(hits: int, *, squares: int, pages: int, rows: int, part: float, known: int) -> Count:
    """The count by the hits in some `pages` with `rows`, and the sum of the hits' squares by page. Pure.

    The ratio estimate of a sample of clusters (Cochran, Sampling Techniques, 9A): with the `known` number of all rows
    it does not matter how many pages chance drew. Where that number contradicts the sample, as one that is less than
    what was seen, Horvitz and Thompson's, by the `part` that each page was drawn with.
    """
    reckoned = rows / part
    is_known = pages > 0 and known >= rows and abs(known / reckoned - 1) <= TOO_FAR / math.sqrt(pages)
    times = known / rows if is_known else 1 / part
    alike = hits * hits / pages if is_known else 0.0
    # The rule of three: what none of n draws has is in fewer than 3/n of all, nineteen times of twenty.
    spread = times * max(SURE * math.sqrt((1 - part) * max(0.0, squares - alike)), 3.0)
    count = round(hits * times)
    low, high = max(hits, math.floor(count - spread)), math.ceil(count + spread)
    return Count(count=count, low=low, high=high, is_exact=False, part=part)


def sample_people(organisation: Organisation, known: KnownRule, *, most: int = SHOWN) -> list[Subscriber]:
    """Some of those whom the rule means, with their addresses; fewer or none where a moment does not find them."""
    sql, params = _statement(_FIRST, organisation, _condition(known))
    found = run_within(PATIENCE, sql, {**params, "most": most}) or []
    rows: QuerySet[Subscriber] = Subscriber.objects.filter(pk__in=[id_ for (id_,) in found])
    return list(
        rows.select_related("organisation").prefetch_related("addresses", "subscriptions__topic").order_by("pk")
    )


def _condition(known: KnownRule) -> Condition:
    return compile_rule(known.where, ids_of(known), as_of=clock.now())


def _statement(text: str, organisation: Organisation, condition: Condition) -> tuple[str, dict[str, Any]]:
    owners = list(organisation.subtree().values_list("pk", flat=True))
    return text.replace("{who}", _WHO).replace("{rule}", condition.sql), {**condition.params, "owners": owners}


def run_within(patience: int, sql: str, params: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]] | None:
    """Run a statement; None where it was not done in so many milliseconds (0: no limit)."""
    try:
        with _settings({"statement_timeout": str(patience)}) as cursor:
            cursor.execute(sql, params)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows
    except OperationalError as err:
        if isinstance(err.__cause__, QueryCanceled):
            return None
        raise


@contextmanager
def _settings(wanted: Mapping[str, str]) -> Iterator[CursorWrapper]:
    """A cursor with settings that hold for it alone: the transaction around it has its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join('current_setting(%s)' for _ in wanted)}", list(wanted))
        before = dict(zip(wanted, cursor.fetchone(), strict=True))
        for name, value in wanted.items():
            cursor.execute(_SET, [name, value])
        yield cursor
        for name, value in before.items():
            cursor.execute(_SET, [name, value])
