"""Group commit of what readers do: a request is answered when its event is durable, and one commit serves many.

Inside the web process, on its event loop. While the database is away events go to the local journal, and `Ingest` hands
them back when it answers again. Nothing is decided here: `events.verdict` judged, `events.record` holds the SQL.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import Error as DjangoDatabaseError
from django.db import connections

from outreach.core import clock
from outreach.events import record
from outreach.events.journal import Entry, Journal, OptOut
from outreach.events.record import Happening
from outreach.events.threads import in_thread

logger = logging.getLogger(__name__)

#: Most events in one commit.
LARGEST_BATCH: Final = 2000
#: Seconds between two tries to hand the journal back.
REPLAY_EVERY: Final = 2.0
#: A database that does not answer within this is taken for away: readers do not wait longer.
PATIENCE: Final = 3.0
#: Seconds for which a database that was away is not asked again.
BREATHER: Final = 1.0
#: Seconds between two looks at whose messages came back.
NOTICE_EVERY: Final = 0.2

Waiting = tuple[Happening, "asyncio.Future[None]"]


class Ingest:
    """One writer a process, over one connection of its own."""

    def __init__(
        self,
        journal: Journal,
        *,
        opt_out: Callable[[OptOut], object],
        notice: Callable[[Sequence[tuple[int, int]]], object] | None = None,
    ) -> None:
        #: `opt_out` applies a journalled unsubscription, `notice` hears which deliveries came back; both in a thread.
        self.journal = journal
        self._opt_out = opt_out
        self._notice = notice
        #: What waits for the next commit; `_came` wakes the writer, `_idle` says that everything is written.
        self._waiting: list[Waiting] = []
        self._came = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._disk = asyncio.Lock()
        self._away_until = 0.0
        self._came_back: set[tuple[int, int]] = set()
        self._noticing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start writing, on the running event loop; once."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._write_on()), asyncio.create_task(self._replay_on())]

    async def stop(self) -> None:
        """Write what waits, then let go of connection and journal."""
        await self._idle.wait()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        while self._noticing:
            await asyncio.wait([self._noticing])
        await self._disconnect()
        self.journal.close()

    def take(self, happening: Happening) -> asyncio.Future[None]:
        """Take an event that was never written; what is answered is done when it is durable, in database or journal."""
        self.start()
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((happening, done))
        self._came.set()
        self._idle.clear()
        return done

    async def keep(self, entry: Entry) -> None:
        """Return when the entry is in the journal, for a caller who found the database away."""
        self.start()
        async with self._disk:
            await asyncio.to_thread(self.journal.append, [entry])

    async def _write_on(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while batch := self._waiting[:LARGEST_BATCH]:
                del self._waiting[:LARGEST_BATCH]
                await self._settle(batch)
            self._idle.set()

    async def _settle(self, batch: list[Waiting]) -> None:
        """Make a batch durable and answer who waits; with an error only if disk and database both failed."""
        happenings = [happening for happening, _ in batch]
        try:
            if not await self._commit(happenings):
                async with self._disk:
                    await asyncio.to_thread(self.journal.append, happenings)
        except OSError as err:
            logger.exception("neither the database nor the journal takes events", extra={"action": "ingest.lost"})
            _answer(batch, err)
            return
        _answer(batch, None)

    async def _commit(self, happenings: Sequence[Happening]) -> bool:
        """Write a batch in one commit; False when the database did not confirm it, whatever became of it."""
        if time.monotonic() < self._away_until:
            return False
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await self._connect()
                statement = record.statement(happenings, are_new=True)
                await connection.execute(statement, record.parameters(happenings))
        except (psycopg.Error, TimeoutError, OSError) as err:
            # Ambiguous when the answer to the commit was lost; the events' keys make writing them again harmless.
            logger.warning("events go to the journal: %s", type(err).__name__, extra={"action": "ingest.journal"})
            await self._disconnect()
            self._away_until = time.monotonic() + BREATHER
            return False
        self._tell(happenings)
        return True

    def _tell(self, happenings: Sequence[Happening]) -> None:
        if self._notice is None:
            return
        self._came_back.update((h.run, h.delivery) for h in happenings if h.delivery)
        if self._came_back and not self._noticing:
            self._noticing = asyncio.get_running_loop().create_task(self._notice_all(self._notice))
            self._noticing.add_done_callback(self._noticed)

    async def _notice_all(self, notice: Callable[[Sequence[tuple[int, int]]], object]) -> None:
        """One look at the ledger for many: each costs as much as a commit of events."""
        await asyncio.sleep(NOTICE_EVERY)
        came_back, self._came_back = sorted(self._came_back), set()
        await in_thread(partial(notice, came_back))

    def _noticed(self, noticing: asyncio.Task[None]) -> None:
        self._noticing = None
        if not noticing.cancelled() and (err := noticing.exception()):
            logger.warning("evidence was not taken: %s", err, extra={"action": "ingest.notice"})
        self._tell(())

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            # Read when it is needed: tests and the embedded server settle the address late.
            self._connection = await psycopg.AsyncConnection.connect(
                **_connection_parameters(), autocommit=True, connect_timeout=int(PATIENCE)
            )
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                await connection.close()

    async def _replay_on(self) -> None:
        """Hand back what waits in the journal, also what a dead process left there."""
        while True:
            if not self.journal.is_empty():
                async with self._disk:
                    self.journal.close()
                await in_thread(self._replay)
            await asyncio.sleep(REPLAY_EVERY)

    def _replay(self) -> None:
        """Runs in a thread, over a connection of its own; what the database refuses stays where it is."""
        try:
            with psycopg.connect(
                **_connection_parameters(), autocommit=True, connect_timeout=int(PATIENCE)
            ) as connection:
                count = self.journal.replay(lambda entries: self._write_back(connection, entries))
        except (psycopg.Error, DjangoDatabaseError) as err:
            logger.info("the journal waits: %s", err, extra={"action": "ingest.waiting"})
            return
        if count:
            logger.warning("%s events came back from the journal", count, extra={"action": "ingest.replayed"})

    def _write_back(self, connection: psycopg.Connection[Any], entries: Sequence[Entry]) -> None:
        happenings = [entry for entry in entries if isinstance(entry, Happening)]
        if happenings:
            with connection.transaction():
                if since := record.late_since(happenings):
                    connection.execute(record.LOOK_AGAIN, {"now": clock.now(), "since": since})
                connection.execute(record.statement(happenings), record.parameters(happenings))
        for entry in entries:
            if isinstance(entry, OptOut):
                self._opt_out(entry)


def journal_folder() -> Journal:
    """The installation's journal."""
    return Journal(settings.DATA / "journal")


def _connection_parameters() -> dict[str, Any]:
    parameters: dict[str, Any] = connections["default"].get_connection_params()
    for djangos_own in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(djangos_own, None)
    return parameters


def _answer(batch: Sequence[Waiting], err: OSError | None) -> None:
    for _, done in batch:
        if done.done():
            continue  # the reader went away
        if err is None:
            done.set_result(None)
        else:
            done.set_exception(err)
