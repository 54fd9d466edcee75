"""A database that went back does not resend: who we are and that we are here, written down each minute.

A changed system identifier or timeline, or a long absence, holds what is under way and asks. Workers lease nothing
until this was written, so a restored copy asks before it sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from outreach.delivery import queries
from outreach.delivery.connection import Identity, Link, callers_link, change, fetch, fetch_one, identity
from outreach.delivery.runs import hold_run


@dataclass(frozen=True, kw_only=True)
class LastSeen:
    """What the installation knew of itself."""

    here: Identity
    alive_at: datetime | None
    now: datetime


def reasons_to_hold(seen: LastSeen, here: Identity, *, grace: timedelta) -> dict[str, Any]:
    """Why everything under way has to be asked about; {} where nothing happened. Pure."""
    if seen.here.system and seen.here != here:
        return {"code": "other_database", "now": seen.now.isoformat()}
    if seen.alive_at is not None and seen.now - seen.alive_at > grace:
        return {"code": "away", "from": seen.alive_at.isoformat(), "to": seen.now.isoformat()}
    return {}


def alive() -> list[int]:
    """Write that we are here; first hold what a restored copy or a long absence concerns. Answers the runs held."""
    with transaction.atomic():
        link = callers_link()
        here = identity(link)
        trouble = reasons_to_hold(_last_seen(link), here, grace=timedelta(seconds=settings.GRACE))
        held = _hold(link, here, trouble)
        change(link, queries.SET_ALIVE, system=here.system, timeline=here.timeline)
    return held


def _last_seen(link: Link) -> LastSeen:
    row = fetch_one(link, queries.LOCK_INSTALLATION)
    assert row is not None  # noqa: S101 -- the statement makes the row
    return LastSeen(here=Identity(system=row[0], timeline=row[1]), alive_at=row[2], now=row[3])


def _hold(link: Link, here: Identity, trouble: dict[str, Any]) -> list[int]:
    """Hold every run under way where the whole installation is in doubt, else those of another database."""
    runs = fetch(link, queries.RUNS_TO_HOLD, all=bool(trouble), system=here.system, timeline=here.timeline)
    why = trouble or {"code": "other_database"}
    return [run for (run,) in runs if hold_run(run, why)]
