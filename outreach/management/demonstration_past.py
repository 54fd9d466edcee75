"""A campaign of three weeks ago: sent for real to the local peers, then moved back in time with what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from threading import Event, Thread
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from outreach.campaigns.models import Campaign, Run
from outreach.campaigns.planning import create_run
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.database import embedded_url
from outreach.core.vocabulary import CampaignState, DeliveryState, EventKind, Lane, Question
from outreach.delivery.door import real_door
from outreach.delivery.engine import work
from outreach.delivery.fanout import fan_out
from outreach.delivery.models import Delivery
from outreach.events.answering import Given, asked_of, take_answers
from outreach.events.optout import person_of
from outreach.events.record import Happening, record
from outreach.sandbox.serve import serve

AGO: Final = timedelta(days=21)
PATIENCE: Final = 60.0
SEED: Final = 7
#: Of those who got the message, how many answer its question; with which numbers; and in which words, some of them.
ANSWERING: Final = 0.4
LIKELY: Final = (1, 0, 1, 1, 1, 3, 3, 6, 10, 9, 12)
WORDS: Final = (
    "Много полезно. Вече обясних на колегите как да подават заявление.",
    "Един ден е малко. Трябва и упражнение с истински случай.",
    "Мястото беше далеч за хората от общините.",
    "Материалите се разбират и без обучението, благодаря!",
)

#: Everything of the run that has a time; the minutes' counters carry theirs in the name.
MOVE_BACK: Final = (
    "UPDATE outreach_delivery SET created_at = created_at - %(ago)s, settled_at = settled_at - %(ago)s"
    " WHERE run_id = %(run)s",
    "UPDATE outreach_attempt SET at = at - %(ago)s WHERE run_id = %(run)s",
    "UPDATE outreach_batch SET created_at = created_at - %(ago)s, due_at = due_at - %(ago)s WHERE run_id = %(run)s",
    "UPDATE outreach_counter SET name = to_char(name::timestamp - %(ago)s, 'YYYY-MM-DD\"T\"HH24:MI')"
    " WHERE run_id = %(run)s AND kind = 'minute'",
    "UPDATE outreach_run SET occurrence = occurrence - %(ago)s, as_of = as_of - %(ago)s,"
    " fanned_out_at = fanned_out_at - %(ago)s, started_at = started_at - %(ago)s, finished_at = finished_at - %(ago)s"
    " WHERE id = %(run)s",
    "UPDATE outreach_campaign SET created_at = created_at - %(ago)s, edited_at = edited_at - %(ago)s"
    " WHERE id = %(campaign)s",
)


def play_past(campaign: Campaign) -> None:
    """Send an approved campaign to the local peers, here and now, then let it lie three weeks back; once."""
    if campaign.state != CampaignState.APPROVED or campaign.runs.exists():
        return
    run = create_run(campaign, occurrence=clock.now(), actor=product_itself(campaign.organisation))
    with _peers():
        _send(run)
    with transaction.atomic():
        _move_back(run)
        _bring_back(run)
        _answer(run)


@contextmanager
def _peers() -> Iterator[None]:
    """The sandbox for a moment, in this process: nothing else runs yet."""
    stop = Event()
    ports = settings.SANDBOX_PORTS
    options: dict[str, Any] = {f"{name}_port": port for name, port in ports.items()}
    url = settings.DATABASE_URL or embedded_url(settings.DATA)
    peers = Thread(target=serve, kwargs={"database_url": url, "stop": stop, **options}, daemon=True)
    peers.start()
    try:
        yield
    finally:
        stop.set()
        peers.join(timeout=10)


def _send(run: Run) -> None:
    deadline = time.monotonic() + PATIENCE
    fan_out(run.pk)
    while run.state == CampaignState.RUNNING and time.monotonic() < deadline:
        if not work(Lane.CAMPAIGNS.value, door=real_door(), seconds=PATIENCE):
            time.sleep(0.2)
        run.refresh_from_db()


def _move_back(run: Run) -> None:
    values: dict[str, Any] = {"ago": AGO, "run": run.pk, "campaign": run.campaign_id}
    with connection.cursor() as cursor:
        for statement in MOVE_BACK:
            cursor.execute(statement, values)


def _bring_back(run: Run) -> None:
    """What readers did in the days after: most opened, some clicked."""
    draw = Random(SEED)  # noqa: S311 -- the same at every installation
    came: list[Happening] = []
    sent = Delivery.objects.filter(run=run, channel="email", state=DeliveryState.ACCEPTED).order_by("id")
    for row in sent:
        if row.settled_at is None or draw.random() > 0.62:
            continue
        opened = row.settled_at + timedelta(minutes=draw.expovariate(1 / 240))
        came.append(_happening(run, row, EventKind.OPENED, opened))
        if draw.random() < 0.45:
            came.append(
                _happening(run, row, EventKind.CLICKED, opened + timedelta(seconds=draw.randint(5, 90)), link=0)
            )
    record(*came)


def _happening(run: Run, row: Delivery, kind: EventKind, at: Any, *, link: int | None = None) -> Happening:
    return Happening(
        kind=kind,
        run=run.pk,
        delivery=row.id,
        channel=row.channel,
        language=row.language,
        link=link,
        source="redirect" if kind == EventKind.CLICKED else "pixel",
        at=at,
    )


def _answer(run: Run) -> None:
    """What readers answered to the question in it, and why."""
    draw = Random(SEED)  # noqa: S311 -- the same at every installation
    words = iter(WORDS)
    for row in Delivery.objects.filter(run=run, channel="email", state=DeliveryState.ACCEPTED).order_by("id"):
        person = person_of(row) if draw.random() < ANSWERING else None
        asked = asked_of(person) if person else None
        if asked is not None:
            value = draw.choices(range(11), weights=LIKELY)[0]
            given = Given(value=value, text=next(words, "") if value <= 6 or value == 10 else "")
            take_answers(asked, {Question.RECOMMENDS: given}, source="page")
