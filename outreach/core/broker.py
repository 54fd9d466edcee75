"""The embedded broker: a kombu transport over PostgreSQL, for an installation that has no RabbitMQ or Redis.

A message is a row of `broker.message`. Taking one leases it (SKIP LOCKED), acknowledging deletes it, and a consumer
renews what it holds; the lease of a killed one runs out and the message is delivered again. LISTEN/NOTIFY wakes
consumers at once. Measured in benchmarks/broker.py; the choice is argued in docs/adr/0002-embedded-broker.md.
"""

from __future__ import annotations

import json
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty
from typing import Any

import psycopg
from amqp.exceptions import RecoverableConnectionError
from kombu.transport import TRANSPORT_ALIASES, virtual

logger = logging.getLogger(__name__)

URL = "outreach://"
#: A killed consumer's messages come back after this long.
LEASE_SECONDS = 60.0
#: A message that was taken so often without an end is kept, but not delivered again.
MOST_DELIVERIES = 20
#: How long to wait for a notification before looking for leases that ran out.
LOOK_SECONDS = 2.0

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS broker;
CREATE TABLE IF NOT EXISTS broker.message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    payload text NOT NULL,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    deliveries integer NOT NULL DEFAULT 0,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX IF NOT EXISTS message_in_order ON broker.message (queue, id);
"""
#: The connection commits without waiting for the disk, since what a power cut takes back of leases and deletions only
#: delivers a message twice. A publication waits.
HASTE = "SET synchronous_commit = off"
PUBLISH = """
WITH sent AS (INSERT INTO broker.message (queue, payload) VALUES (%(queue)s, %(payload)s))
SELECT set_config('synchronous_commit', 'on', true), pg_notify('outreach_broker', %(queue)s)
"""
#: Queues are served in the order in which the consumer names them: notices overtake campaigns.
TAKE = """
WITH next AS (
    SELECT id FROM broker.message
    WHERE queue = ANY(%(queues)s) AND lease_until < clock_timestamp() AND deliveries < %(most)s
    ORDER BY array_position(%(queues)s, queue), id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE broker.message
SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s), deliveries = deliveries + 1
FROM next WHERE message.id = next.id
RETURNING message.id, message.queue, message.payload, message.deliveries
"""
RENEW = "UPDATE broker.message SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE id = ANY(%s)"
ACKNOWLEDGE = "DELETE FROM broker.message WHERE id = %s"
RELEASE = """
WITH freed AS (UPDATE broker.message SET lease_until = '-infinity' WHERE id = %s RETURNING queue)
SELECT pg_notify('outreach_broker', queue) FROM freed
"""

Conninfo = dict[str, Any] | Callable[[], dict[str, Any]]


class Link:
    """A connection to the database that is opened when needed, and only used by the process that opened it."""

    def __init__(self, conninfo: Conninfo, *, greeting: Sequence[str]) -> None:
        self._conninfo = conninfo
        self._greeting = greeting
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._process = 0
        self._opening = threading.Lock()

    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The open connection; a new one after a fork or a loss."""
        with self._opening:
            if self._connection is None or self._connection.closed or self._process != os.getpid():
                conninfo = self._conninfo() if callable(self._conninfo) else self._conninfo
                self._connection = psycopg.connect(**conninfo, autocommit=True, connect_timeout=10)
                self._process = os.getpid()
                for statement in self._greeting:
                    self._connection.execute(statement)
            return self._connection

    def execute(self, statement: str, arguments: Any = None) -> psycopg.Cursor[tuple[Any, ...]]:
        return self.connection().execute(statement, arguments)

    def close(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the broker's table where there is none; safe to call at once from many processes."""
    if connection.execute("SELECT to_regclass('broker.message') IS NOT NULL").fetchone() == (True,):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('outreach broker'))")
        connection.execute(SCHEMA)


class Channel(virtual.Channel):  # type: ignore[misc]  # kombu has no types
    """Publishes, leases, acknowledges. Everything waits in the transport's `drain_events`."""

    #: A restart delivers again what was not acknowledged: by lease, or at once on an orderly close.
    do_restore = True

    def __init__(self, connection: Any, **options: Any) -> None:
        super().__init__(connection, **options)
        self._renewed_at = time.monotonic()

    @property
    def _link(self) -> Link:
        if self.connection is None:  # a task ended after its channel was closed: the message's lease runs out
            raise psycopg.OperationalError("the channel is closed")
        link: Link = self.connection.link
        return link

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 -- kombu's signature
        self._link.execute(ACKNOWLEDGE, [int(delivery_tag)])
        super().basic_ack(delivery_tag, multiple)
        self.connection.wake()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 -- as above
        if not requeue:
            self._link.execute(ACKNOWLEDGE, [int(delivery_tag)])
        super().basic_reject(delivery_tag, requeue)
        self.connection.wake()

    def deliver_ready(self) -> bool:
        """Take as many messages as the prefetch limit allows and hand them to their consumers."""
        self._renew_leases()
        if not self._active_queues or not self.qos.can_consume():
            return False
        taken = self._take(list(self._active_queues), self.qos.can_consume_max_estimate() or 1)
        for queue, message in taken:
            self.connection._deliver(message, queue)
        return bool(taken)

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self._link.execute(PUBLISH, {"queue": queue, "payload": json.dumps(message)})

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for _, message in self._take([queue], 1):
            return message
        raise Empty

    def _take(self, queues: list[str], limit: int) -> list[tuple[str, dict[str, Any]]]:
        arguments = {"queues": queues, "limit": limit, "lease": LEASE_SECONDS, "most": MOST_DELIVERIES}
        rows = self._link.execute(TAKE, arguments).fetchall()
        rows.sort(key=lambda row: (queues.index(row[1]), row[0]))
        return [(queue, _message(number, payload, deliveries)) for number, queue, payload, deliveries in rows]

    def _renew_leases(self) -> None:
        if time.monotonic() - self._renewed_at < LEASE_SECONDS / 3:
            return
        self._renewed_at = time.monotonic()
        self.qos._flush()
        if held := [int(tag) for tag in self.qos._delivered]:
            self._link.execute(RENEW, [LEASE_SECONDS, held])

    def _restore(self, message: Any) -> None:
        with suppress(psycopg.Error):  # then its lease runs out
            self._link.execute(RELEASE, [int(message.delivery_tag)])

    def _size(self, queue: str) -> int:
        row = self._link.execute("SELECT count(*) FROM broker.message WHERE queue = %s", [queue]).fetchone()
        return int(row[0]) if row else 0

    def _purge(self, queue: str) -> int:
        return int(self._link.execute("DELETE FROM broker.message WHERE queue = %s", [queue]).rowcount)


class Transport(virtual.Transport):  # type: ignore[misc]  # kombu has no types
    """The connection of one process: one link for statements, and for a consumer one that listens."""

    Channel = Channel
    driver_type = "postgresql"
    driver_name = "psycopg"
    #: kombu's own words for a channel whose connection was closed are amqp's.
    connection_errors = (psycopg.OperationalError, psycopg.InterfaceError, RecoverableConnectionError)
    recoverable_connection_errors = connection_errors
    channel_errors = (psycopg.DatabaseError,)
    can_parse_url = True

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        conninfo = client.transport_options["conninfo"]
        self.link = Link(conninfo, greeting=(HASTE,))
        self._ears = Link(conninfo, greeting=("LISTEN outreach_broker",))
        self._bell: tuple[int, int] | None = None

    def driver_version(self) -> str:
        return psycopg.__version__

    def establish_connection(self) -> Any:
        prepare(self.link.connection())
        return super().establish_connection()

    def close_connection(self, connection: Any) -> None:
        with suppress(*self.connection_errors):  # what cannot be released now is delivered again after its lease
            super().close_connection(connection)
        self.link.close()
        self._ears.close()
        bell, self._bell = self._bell, None
        for end in bell or ():
            os.close(end)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        self._ears.connection()  # listens before it looks, so nothing falls between
        while not sum(channel.deliver_ready() for channel in list(self.channels)):
            left = LOOK_SECONDS if deadline is None else min(LOOK_SECONDS, deadline - time.monotonic())
            if left <= 0:
                raise TimeoutError
            self._wait(left)

    def wake(self) -> None:
        """Let a waiting `drain_events` look again: an acknowledgement, from whatever thread, made room."""
        if self._bell is not None:
            with suppress(OSError):
                os.write(self._bell[1], b"!")

    def _wait(self, seconds: float) -> None:
        if self._bell is None:
            self._bell = os.pipe()
            for end in self._bell:
                os.set_blocking(end, False)
        ears = self._ears.connection().pgconn
        ready, _, _ = select.select([ears.socket, self._bell[0]], [], [], seconds)
        if self._bell[0] in ready:
            os.read(self._bell[0], 4096)
        if ears.socket in ready:
            ears.consume_input()
            while ears.notifies():
                pass


def _message(number: int, payload: str, deliveries: int) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(payload)
    message["properties"]["delivery_tag"] = str(number)
    message["properties"]["delivery_info"]["redelivered"] = deliveries > 1
    return message


TRANSPORT_ALIASES.setdefault("outreach", f"{__name__}:Transport")
