"""The sweep, every few seconds: publishes again what nobody picked up, and moves on what nobody moved.

Nothing depends on any Celery message: what was lost is found here. Harmless to do twice, and at once.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings

from outreach.core.queue import enqueue
from outreach.core.vocabulary import CampaignState, Lane
from outreach.delivery import pacing, queries
from outreach.delivery.balance import balance
from outreach.delivery.connection import Link, change, connect, fetch
from outreach.delivery.fallback import fall_back_everywhere
from outreach.delivery.lease import resolve_lost
from outreach.delivery.runs import advance_run, close_cancelled

#: Messages a sweep publishes at most in one lane.
MOST: Final = 16


def sweep() -> dict[str, int]:
    """Publish work for what waits, close what was cancelled, resolve what died; what was published, by task."""
    with connect() as link:
        resolve_lost(link)
        change(link, queries.CLOSE_NOTICE_RUNS)
        balance(link)
        fall_back_everywhere(link)
        fanned = _move_runs(link)
        return {"outreach.fan_out": fanned, "outreach.work": _publish_work(link)}


def wanted_messages(*, waiting: int, leased: int, slots: int) -> int:
    """How many workers to call: as many as there are batches, but no more than are idle; one where all seem busy."""
    return min(waiting, max(1, slots - leased), MOST)


def _move_runs(link: Link) -> int:
    fanned = 0
    for run, state, is_fanned_out in fetch(link, queries.RUNS_UNDER_WAY):
        if state == CampaignState.CANCELLING:
            close_cancelled(link, run)
        elif state == CampaignState.RUNNING and not is_fanned_out:
            enqueue("outreach.fan_out", run)
            fanned += 1
        else:
            advance_run(link, run)
    return fanned


def _publish_work(link: Link) -> int:
    published = 0
    for lane, waiting, leased in fetch(link, queries.WAITING, jumped=pacing.jumped_lease(), soon=pacing.SOON):
        count = wanted_messages(waiting=waiting, leased=leased, slots=settings.WORKERS)
        for _ in range(count):
            enqueue("outreach.work", lane, lane=Lane(lane))
        published += count
    return published
