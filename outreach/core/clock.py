"""The one clock of the code: aware UTC. Ledger times are the database's own `clock_timestamp()`, not this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def _system_time() -> datetime:
    return datetime.now(UTC)


_read: Callable[[], datetime] = _system_time


def now() -> datetime:
    """Say the present moment, aware and in UTC."""
    return _read()


@contextmanager
def frozen(moment: datetime) -> Iterator[None]:
    """Let `now()` answer `moment` inside the block; for tests and simulations."""
    with read_from(lambda: moment):
        yield


@contextmanager
def read_from(source: Callable[[], datetime]) -> Iterator[None]:
    """Let `now()` ask `source` inside the block, as a simulation with virtual time needs."""
    global _read
    before, _read = _read, source
    try:
        yield
    finally:
        _read = before
