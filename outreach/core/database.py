"""The one database: a real server by `DATABASE_URL`, or the embedded PostgreSQL, started by whoever needs it first.

A user of the embedded one holds a shared lock on `postgres.users`; who lets go last stops it. So a crashed command
leaves at most a running server behind, which the next command uses and stops.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import environ
import psycopg
from psycopg import sql

from outreach.core.postgres import NAME, SOCKET_FILE, Cluster, DatabaseUnavailable, socket_folder

logger = logging.getLogger(__name__)

#: For a chunk of long work, with whose rows its position moves: it need not be on the disk when its commit returns. A
#: crash until then loses the whole chunk and the move, so that it is done again. Whatever waits afterwards, as each
#: window and an import's end do, waits for it, too: there is one log.
COMMIT_LATER = "SET LOCAL synchronous_commit = off"
#: Crash recovery may have 2 GB of redo to read.
START_TIMEOUT = 120.0
#: A fast stop writes a checkpoint; after this it is an immediate one, which the next start repairs.
STOP_TIMEOUT = 8.0
POLL = 0.05
#: Between two tries to start again a server that does not come up.
RETRY_SECONDS = 2.0
#: Servers that we started and others still use; kept, since a forgotten child of a living process stays a zombie.
_left_running: list[subprocess.Popen[bytes] | None] = []


def embedded_url(data: Path, *, name: str = NAME) -> str:
    """Say the embedded database's address, whether it runs or not."""
    return f"postgresql://{NAME}@/{name}?host={socket_folder(data)}"


def django_settings(url: str | None, data: Path) -> dict[str, Any]:
    """Say Django's settings of the database: of `url`, or of the embedded one in `data`."""
    common = {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    if url:
        return {**environ.Env.db_url_config(url), **common}
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": NAME, "USER": NAME, "HOST": str(socket_folder(data))}
    return {**place, **common}


@contextmanager
def running_database(data: Path, *, url: str | None = None) -> Iterator[str]:
    """Yield the address of a database that answers; start the embedded one unless `url` names another.

    Raises:
        DatabaseUnavailable: it did not answer within two minutes; the message says why.
    """
    if url:
        yield url
        return
    with EmbeddedDatabase(data) as embedded:
        yield embedded.url


class EmbeddedDatabase:
    """One process's hold on the embedded database; a context manager. `ensure()` restarts it after a crash."""

    def __init__(self, data: Path, *, durable: bool = True, with_parent: bool = False) -> None:
        #: `with_parent`: the server goes down with this process, even when it is killed; for the supervisor.
        self.data = data.resolve()
        self.url = embedded_url(self.data)
        self.cluster = Cluster(data=self.data, durable=durable)
        self.with_parent = with_parent
        self._users: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._try_after = 0.0

    def __enter__(self) -> EmbeddedDatabase:
        self.data.mkdir(parents=True, exist_ok=True)
        with self._one_at_a_time():
            self._users = os.open(self.data / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._wait_until_it_answers()
            except BaseException:
                self._let_go()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._one_at_a_time():
            self._let_go()

    def ensure(self) -> None:
        """Start the server again if it went away, and wait until it answers.

        Where it does not start, as on a full disk, that is logged and tried again at a later call: who keeps an
        installation running must not give up for it.
        """
        if self.is_running() or time.monotonic() < self._try_after:
            return
        with self._one_at_a_time():
            try:
                self._wait_until_it_answers()
            except (DatabaseUnavailable, OSError) as error:
                logger.error("The embedded database cannot be started, and is tried again: %s", error)
                self._try_after = time.monotonic() + RETRY_SECONDS

    def is_running(self) -> bool:
        """Say whether the server's process is there."""
        return self.cluster.pid() is not None

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        lock = os.open(self.data / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _wait_until_it_answers(self) -> None:
        """Start the server unless one runs; one that is just stopping (its starter was killed) is waited for first."""
        deadline = time.monotonic() + START_TIMEOUT
        started = False
        while not self._answers():
            if self._child is not None and self._child.poll() is not None:
                self._child = None
                if started:
                    raise DatabaseUnavailable(f"The embedded database stopped while starting.\n{self._log_end()}")
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"The embedded database does not answer.\n{self._log_end()}")
            if self._child is None and self.cluster.pid() is None:
                self.cluster.prepare()
                self._child = self.cluster.start(with_parent=self.with_parent)
                started = True
            time.sleep(POLL)

    def _answers(self) -> bool:
        if not (self.cluster.sockets / SOCKET_FILE).exists():
            return False
        try:
            with psycopg.connect(embedded_url(self.data, name="postgres"), autocommit=True, connect_timeout=5) as link:
                found = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
                if found is None:
                    link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
                return True
        except psycopg.OperationalError:
            return False

    def _let_go(self) -> None:
        if self._users is None:
            return
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _left_running.append(self._child)  # others still use it: the last of them stops it
        else:
            self._stop()
        finally:
            os.close(self._users)
            self._users = None

    def _stop(self) -> None:
        """Stop the server in order, then by force: it recovers from its log at the next start."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                self.cluster.signal(number)
            if self._gone_within(STOP_TIMEOUT if number is signal.SIGINT else 2.0):
                break
        if self._child is not None:
            self._child.wait()

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.cluster.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def _log_end(self) -> str:
        with suppress(FileNotFoundError):
            return "\n".join(self.cluster.log.read_text(errors="replace").splitlines()[-10:])
        return ""
