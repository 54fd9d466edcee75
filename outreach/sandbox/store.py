"""Keeps what the peers got: a message is committed before its peer answers, many messages by one commit."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any, Final, LiteralString, Self

import psycopg

logger = logging.getLogger(__name__)

#: Most messages of one commit.
_MOST_AT_ONCE: Final = 500

_KEEP: Final = """
    INSERT INTO sandbox_message (channel, recipient, sender, subject, body, raw, provider_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message as it arrived at a peer; the fields are the table's columns, in its order."""

    channel: str
    recipient: str
    sender: str = ""
    subject: str = ""
    body: str = ""
    raw: bytes = b""
    provider_id: str = ""


class MessageStore:
    """One writer thread over one connection; a context manager.

    A peer that cannot keep a message must not say that it took it: the Future carries the database's error.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._waiting: queue.SimpleQueue[tuple[Sequence[Arrival], Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_until_closed, name="sandbox-store", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)
        self._writer.join(timeout=10)

    def keep(self, *arrivals: Arrival) -> Future[None]:
        """Queue the arrivals for the next commit; the Future is done when they are durable."""
        done: Future[None] = Future()
        self._waiting.put((arrivals, done))
        return done

    def find(self, sql: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Read rows; for the few questions that a peer is asked."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    def _write_until_closed(self) -> None:
        closing = False
        while not closing:
            taken, closing = self._take()
            if taken:
                self._settle(taken)
        if self._connection is not None:
            self._connection.close()

    def _take(self) -> tuple[list[tuple[Sequence[Arrival], Future[None]]], bool]:
        """Everything that waits, at least one thing; and whether the store is being closed."""
        taken: list[tuple[Sequence[Arrival], Future[None]]] = []
        item = self._waiting.get()
        with suppress(queue.Empty):
            while item is not None:
                taken.append(item)
                if len(taken) >= _MOST_AT_ONCE:
                    return taken, False
                item = self._waiting.get_nowait()
            return taken, True
        return taken, False

    def _settle(self, taken: list[tuple[Sequence[Arrival], Future[None]]]) -> None:
        try:
            self._write([arrival for arrivals, _ in taken for arrival in arrivals])
        except psycopg.Error as err:
            logger.warning("The sandbox could not keep %s messages: %s", len(taken), err)
            self._connection = None
            for _, done in taken:
                done.set_exception(err)
        else:
            for _, done in taken:
                done.set_result(None)

    def _write(self, arrivals: list[Arrival]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._database_url)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(_KEEP, [_row(arrival) for arrival in arrivals])


def _row(arrival: Arrival) -> tuple[Any, ...]:
    """The row as PostgreSQL takes it: text holds no NUL, and the short columns are short."""
    limits = {1: 320, 2: 320, 6: 100}
    values = [value.replace("\x00", "") if isinstance(value, str) else value for value in astuple(arrival)]
    return tuple(value[: limits[n]] if n in limits else value for n, value in enumerate(values))
