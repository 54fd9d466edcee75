"""The budget: statements a window, WAL bytes a row, HOT share, and our own CPU a message; printed, and held."""

from __future__ import annotations

import resource
from collections import Counter
from typing import Any

import psycopg
import pytest

from outreach.delivery import connection
from outreach.delivery.connection import Link
from tests.delivery.world import World

PEOPLE = 3_000
MOST_STATEMENTS = 4
MOST_WAL = 450
LEAST_HOT = 0.8


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Statements of the ledger's connections by their first words, BEGIN and COMMIT aside."""
    found: Counter[str] = Counter()
    execute = psycopg.Connection.execute

    def counted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        found[str(query)[:60]] += 1
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    return found


def own_wal(link: Link) -> int:
    """WAL bytes that this connection wrote: other tests write at the same time. PostgreSQL 18 counts them."""
    if link.info.server_version < 180000:
        pytest.skip("counting one connection's WAL needs PostgreSQL 18")
    connection.fetch(link, "SELECT pg_stat_force_next_flush()")
    connection.fetch(link, "SELECT pg_stat_clear_snapshot()")
    return int(connection.fetch(link, "SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())")[0][0])


def updates(link: Link) -> tuple[int, int]:
    connection.fetch(link, "SELECT pg_stat_force_next_flush()")
    connection.fetch(link, "SELECT pg_stat_clear_snapshot()")
    row = connection.fetch(
        link,
        "SELECT coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_hot_upd), 0)::bigint"
        " FROM pg_stat_user_tables WHERE relname LIKE 'outreach_delivery%%'",
    )[0]
    return int(row[0]), int(row[1])


def test_what_a_window_costs(world: World, statements: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    world.people(PEOPLE)
    world.fanned_out()
    with connection.connect() as link:
        link.execute("ANALYZE outreach_delivery")
        all_before, hot_before = updates(link)
        statements.clear()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        with world.engine() as engine:
            while engine.serve_next("campaigns"):
                pass
            after = resource.getrusage(resource.RUSAGE_SELF)
            count = statements.total()
            wal_bytes = own_wal(engine._link)
        all_after, hot_after = updates(link)

    batches, windows = 3, PEOPLE // world.window
    # Around the windows: who we are, then for each batch lease, serve, first guard, release and the run's advance.
    around = 1 + 1 + 1 + batches * 8
    budget = {
        "statements_a_window": round((count - around) / windows, 2),
        "wal_bytes_a_row": wal_bytes // PEOPLE,
        "hot_share": round((hot_after - hot_before) / max(all_after - all_before, 1), 3),
        "own_cpu_us_a_message": round(
            (after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime) / PEOPLE * 1e6, 1
        ),
    }
    with capsys.disabled():
        print(f"\nbudget: {budget}")
    assert len(world.box().messages) == PEOPLE
    assert budget["statements_a_window"] <= MOST_STATEMENTS
    assert budget["wal_bytes_a_row"] <= MOST_WAL
    assert budget["hot_share"] >= LEAST_HOT
