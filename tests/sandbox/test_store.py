from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection

from outreach.sandbox.models import SandboxMessage
from outreach.sandbox.store import Arrival, MessageStore
from tests.sandbox.conftest import Kept

ARRIVAL = Arrival(channel="sms", recipient="+359881234567")


def test_what_is_done_is_committed(store: MessageStore, kept: Callable[[], list[Kept]]) -> None:
    store.keep(ARRIVAL, Arrival(channel="email", recipient="a@example.org")).result(timeout=5)
    assert [(row.channel, row.recipient) for row in kept()] == [("sms", "+359881234567"), ("email", "a@example.org")]


def test_many_writers_lose_nothing(store: MessageStore, kept: Callable[[], list[Kept]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.keep(ARRIVAL).result(timeout=10), range(400)))
    assert len(kept()) == 400


def test_text_that_the_database_cannot_hold_is_fitted(store: MessageStore, kept: Callable[[], list[Kept]]) -> None:
    arrival = Arrival(channel="sms", recipient="1" * 400, body="a\x00b", raw=b"a\x00b", provider_id="2" * 200)
    store.keep(arrival).result(timeout=5)
    (row,) = kept()
    assert (row.recipient, row.body, row.raw, row.provider_id) == ("1" * 320, "ab", b"a\x00b", "2" * 100)


def test_database_that_went_away_is_told_and_comes_back(
    store: MessageStore, kept: Callable[[], list[Kept]], sandbox_database: str
) -> None:
    store.keep(ARRIVAL).result(timeout=5)
    with psycopg.connect(sandbox_database, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(psycopg.Error):
        store.keep(ARRIVAL).result(timeout=5)
    store.keep(ARRIVAL).result(timeout=5)
    assert len(kept()) == 2


def test_closing_keeps_what_was_taken(sandbox_database: str, kept: Callable[[], list[Kept]]) -> None:
    with MessageStore(sandbox_database) as store:
        before = len(kept())
        for _ in range(50):
            store.keep(ARRIVAL)
    assert len(kept()) - before == 50


@pytest.mark.django_db(transaction=True)
def test_rows_are_those_of_the_model() -> None:
    settings = connection.settings_dict
    place = {"dbname": settings["NAME"], "user": settings["USER"], "host": settings["HOST"]}
    place |= {"password": settings["PASSWORD"], "port": settings["PORT"]}
    url = psycopg.conninfo.make_conninfo(**{name: value for name, value in place.items() if value})
    arrival = Arrival(channel="sms", recipient="a", sender="b", subject="c", body="d", raw=b"e", provider_id="f")
    with MessageStore(url) as store:
        store.keep(arrival).result(timeout=5)
    message = SandboxMessage.objects.get()
    found = (message.channel, message.recipient, message.sender, message.subject, message.body, message.provider_id)
    assert found == ("sms", "a", "b", "c", "d", "f")
    assert bytes(message.raw) == b"e"
    assert message.at is not None
