from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import kombu
import psycopg
import pytest
from kombu import Connection, Consumer, Producer, Queue

from outreach.core import broker
from outreach.core.queue import database_conninfo

QUEUES = [Queue("notices", routing_key="notices"), Queue("campaigns", routing_key="campaigns")]


@pytest.fixture
def conninfo(django_db_setup: None) -> Iterator[dict[str, Any]]:
    conninfo = database_conninfo()
    with psycopg.connect(**conninfo, autocommit=True) as link:
        broker.prepare(link)
        link.execute("TRUNCATE broker.message")
    yield conninfo
    with psycopg.connect(**conninfo, autocommit=True) as link:
        link.execute("TRUNCATE broker.message")


class Reader:
    """A consumer that keeps what it got, unacknowledged."""

    def __init__(self, conninfo: dict[str, Any], *, prefetch: int = 10) -> None:
        self.link = connect(conninfo)
        self.got: list[Any] = []
        self.consumer = Consumer(self.link.default_channel, QUEUES, on_message=self.got.append, prefetch_count=prefetch)
        self.consumer.consume()

    def read(self, seconds: float = 0.05) -> list[Any]:
        """Everything that comes within the time, as payloads."""
        before = len(self.got)
        try:
            while True:
                self.link.drain_events(timeout=seconds)
        except TimeoutError:  # nothing more came
            return [message.payload for message in self.got[before:]]


def connect(conninfo: dict[str, Any]) -> Any:
    return Connection(broker.URL, transport_options={"conninfo": conninfo})


def publish(conninfo: dict[str, Any], *payloads: Any, queue: str = "campaigns") -> None:
    with connect(conninfo) as link:
        producer = Producer(link.default_channel)
        for payload in payloads:
            producer.publish(payload, routing_key=queue, declare=QUEUES)


def execute(conninfo: dict[str, Any], statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(**conninfo, autocommit=True) as link:
        cursor = link.execute(statement)
        return cursor.fetchall() if cursor.description else []


def rows(conninfo: dict[str, Any]) -> list[tuple[Any, ...]]:
    return execute(conninfo, "SELECT queue, deliveries FROM broker.message ORDER BY id")


def test_message_is_kept_until_acknowledged(conninfo: dict[str, Any]) -> None:
    publish(conninfo, {"n": 1})
    reader = Reader(conninfo)

    assert reader.read() == [{"n": 1}]
    assert rows(conninfo) == [("campaigns", 1)]
    reader.got[0].ack()
    assert rows(conninfo) == []
    reader.link.release()


def test_messages_come_once_in_order_with_notices_first(conninfo: dict[str, Any]) -> None:
    publish(conninfo, 1, 2, 3)
    publish(conninfo, "notice", queue="notices")
    first, second = Reader(conninfo, prefetch=2), Reader(conninfo)

    assert (first.read(), second.read()) == (["notice", 1], [2, 3])
    first.link.release()
    second.link.release()


def test_acknowledgement_from_another_thread_makes_room_at_once(conninfo: dict[str, Any]) -> None:
    publish(conninfo, 1, 2)
    reader = Reader(conninfo, prefetch=1)
    assert reader.read() == [1]

    begin = time.monotonic()
    threading.Timer(0.1, reader.got[0].ack).start()
    reader.link.drain_events(timeout=5)

    assert ([message.payload for message in reader.got], time.monotonic() - begin < 1) == ([1, 2], True)
    reader.link.release()


def test_orderly_close_gives_back_what_was_not_acknowledged(conninfo: dict[str, Any]) -> None:
    publish(conninfo, 1)
    first, second = Reader(conninfo), Reader(conninfo)
    assert first.read() == [1]
    first.link.release()

    assert second.read() == [1]
    assert second.got[0].delivery_info["redelivered"] is True
    second.link.release()


def test_lease_that_ran_out_is_delivered_again(conninfo: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(broker, "LOOK_SECONDS", 0.05)
    publish(conninfo, 1)
    dead, alive = Reader(conninfo), Reader(conninfo)
    assert dead.read() == [1]

    assert alive.read(1.0) == [1]
    alive.link.release()
    dead.link.release()


def test_living_consumer_renews_what_it_holds(conninfo: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(broker, "LOOK_SECONDS", 0.05)
    publish(conninfo, 1)
    busy, idle = Reader(conninfo), Reader(conninfo)
    assert busy.read() == [1]

    for _ in range(10):
        assert (busy.read(0.1), idle.read(0.05)) == ([], [])
    busy.link.release()
    idle.link.release()


def test_message_that_never_ends_is_kept_but_not_delivered_for_ever(conninfo: dict[str, Any]) -> None:
    publish(conninfo, 1)
    execute(conninfo, f"UPDATE broker.message SET deliveries = {broker.MOST_DELIVERIES}")
    reader = Reader(conninfo)

    assert (reader.read(), rows(conninfo)) == ([], [("campaigns", broker.MOST_DELIVERIES)])
    reader.link.release()


def test_answer_after_the_channel_was_closed_is_a_connection_error(conninfo: dict[str, Any]) -> None:
    """As of a worker that loses its broker while a task runs: Celery takes it for that; the lease brings it back."""
    publish(conninfo, 1)
    reader = Reader(conninfo)
    assert reader.read() == [1]
    reader.consumer.channel.close()

    for answer in (reader.got[0].ack, reader.got[0].reject):
        with pytest.raises(reader.link.connection_errors):
            answer()
    reader.link.release()


def test_rejected_message_is_gone_or_comes_again(conninfo: dict[str, Any]) -> None:
    publish(conninfo, "drop", "again")
    reader = Reader(conninfo)
    reader.read()
    reader.got[0].reject()
    reader.got[1].requeue()

    assert reader.read() == ["again"]
    reader.link.release()


def test_queue_can_be_counted_emptied_and_read_one_by_one(conninfo: dict[str, Any]) -> None:
    publish(conninfo, 1, 2, 3)
    with connect(conninfo) as link:
        bound = QUEUES[1](link.default_channel)
        first = bound.get()
        counts = (bound.queue_declare(passive=True).message_count, bound.purge())
    assert (first.payload, counts, kombu.VERSION >= (5,)) == (1, (3, 3), True)


def test_loss_of_the_database_is_a_connection_error(conninfo: dict[str, Any]) -> None:
    reader = Reader(conninfo)
    reader.read()
    listening = "datname = current_database() AND query LIKE 'LISTEN%'"
    execute(conninfo, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}")
    with pytest.raises(reader.link.connection_errors):
        reader.link.drain_events(timeout=5)
    reader.link.release()
