from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db.models import Sum

from outreach.core import clock
from outreach.core.vocabulary import EventKind
from outreach.delivery.models import Counter
from outreach.events import ingest as ingest_module
from outreach.events.ingest import Ingest
from outreach.events.journal import Journal, OptOut
from outreach.events.models import Event
from outreach.events.record import Happening

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    monkeypatch.setattr(ingest_module, "REPLAY_EVERY", 0.02)
    monkeypatch.setattr(ingest_module, "BREATHER", 0.02)
    return Ingest(Journal(tmp_path / "journal"), opt_out=lambda wish: None)


def opens(sent: Any, count: int) -> list[Happening]:
    return [Happening(kind=EventKind.OPENED, run=sent.run.pk, channel="email") for _ in range(count)]


def counted() -> int:
    return Counter.objects.filter(kind="event", name="opened").aggregate(sum=Sum("count"))["sum"] or 0


async def take_all(ingest: Ingest, happenings: list[Happening]) -> None:
    await asyncio.gather(*(ingest.take(happening) for happening in happenings))


async def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < deadline, "it did not happen within 10 seconds"
        await asyncio.sleep(0.02)


def test_many_requests_share_few_commits(sent: Any, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = []
    execute = psycopg.AsyncConnection.execute

    async def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        commits.append(1)
        return await execute(self, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", counting)

    async def road() -> None:
        await take_all(ingest, opens(sent, 200))
        await ingest.stop()

    asyncio.run(road())
    assert (Event.objects.count(), counted()) == (200, 200)
    assert len(commits) <= 3


def test_while_the_database_is_away_events_wait_in_the_journal(
    sent: Any, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parameters = ingest_module._connection_parameters
    away = {**parameters(), "host": str(tmp_path)}
    monkeypatch.setattr(ingest_module, "_connection_parameters", lambda: away)

    async def road() -> None:
        await take_all(ingest, opens(sent, 20))
        assert not ingest.journal.is_empty()
        monkeypatch.setattr(ingest_module, "_connection_parameters", parameters)
        await wait_until(ingest.journal.is_empty)
        await ingest.stop()

    asyncio.run(road())
    assert (Event.objects.count(), counted()) == (20, 20)


def test_a_commit_whose_answer_was_lost_is_not_doubled(
    sent: Any, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = psycopg.AsyncConnection.execute

    async def lose_the_answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        await execute(self, *args, **kwargs)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    async def road() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.AsyncConnection, "execute", lose_the_answer)
            await take_all(ingest, opens(sent, 20))
        await wait_until(ingest.journal.is_empty)
        await ingest.stop()

    asyncio.run(road())
    assert (Event.objects.count(), counted()) == (20, 20)


def test_an_event_that_is_there_spoils_nothing(sent: Any, ingest: Ingest) -> None:
    once, *others = opens(sent, 3)

    async def road() -> None:
        await ingest.take(once)
        await take_all(ingest, [once, *others])
        await wait_until(ingest.journal.is_empty)
        await ingest.stop()

    asyncio.run(road())
    assert (Event.objects.count(), counted()) == (3, 3)


def test_a_journalled_wish_to_opt_out_is_applied_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "REPLAY_EVERY", 0.02)
    applied: list[OptOut] = []
    ingest = Ingest(Journal(tmp_path), opt_out=applied.append)
    wish = OptOut(token="token", at=clock.now())

    async def road() -> None:
        await ingest.keep(wish)
        await wait_until(ingest.journal.is_empty)
        await ingest.stop()

    asyncio.run(road())
    assert applied == [wish]


def test_deliveries_that_came_back_are_noticed(sent: Any, tmp_path: Path) -> None:
    noticed: list[Any] = []
    ingest = Ingest(Journal(tmp_path), opt_out=lambda wish: None, notice=noticed.append)

    async def road() -> None:
        await ingest.take(Happening(kind=EventKind.OPENED, run=sent.run.pk, delivery=sent.delivery, channel="email"))
        await ingest.stop()

    asyncio.run(road())
    assert noticed == [[(sent.run.pk, sent.delivery)]]
