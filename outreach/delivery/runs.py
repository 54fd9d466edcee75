"""A run's states, always together with its campaign's: pause, resume, cancel, hold, and reaching the end.

Who may ask for it, and in which state, is `campaigns.lifecycle` and `delivery.launch`; here it is done.
"""

from __future__ import annotations

import json
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from psycopg.rows import TupleRow

from outreach.campaigns.models import Run
from outreach.core import alerts, failpoints
from outreach.core.errors import StateConflict
from outreach.core.queue import enqueue
from outreach.core.vocabulary import ENDED, BatchState, CampaignState, DeliveryState, Lane, Reason
from outreach.delivery import counters, fallback, queries
from outreach.delivery.connection import Link, callers_link, change, fetch, fetch_one, identity, transaction
from outreach.delivery.models import Batch

S = CampaignState

#: verb -> the states it is possible in, and the state that follows.
VERBS: Final[dict[str, tuple[frozenset[str], str]]] = {
    "pause": (frozenset({S.RUNNING}), S.PAUSING),
    "resume": (frozenset({S.PAUSING, S.PAUSED, S.HELD}), S.RUNNING),
    "cancel": (frozenset({S.RUNNING, S.PAUSING, S.PAUSED, S.HELD}), S.CANCELLING),
    "hold": (frozenset({S.RUNNING, S.PAUSING, S.PAUSED}), S.HELD),
}


def settled_state(state: str, *, is_fanned_out: bool, unfinished: int, in_hand: int) -> str | None:
    """The state a run has come to by itself; None where it stays. Pure: the only rule of a run's end.

    `unfinished` counts batches with open rows, `in_hand` those with ids in somebody's hands.
    """
    if state == S.PAUSING and not in_hand:
        return S.PAUSED
    if state == S.CANCELLING and not in_hand and not unfinished:
        return S.CANCELLED
    if state == S.RUNNING and is_fanned_out and not unfinished:
        return S.FINISHED
    return None


def pause_run(run_id: int, *, trouble: Mapping[str, Any] | None = None) -> str:
    """Stop handing over: no window is committed after this; ids in hand settle, then the run is `paused`."""
    return _do("pause", run_id, trouble=trouble or {})


def resume_run(run_id: int) -> str:
    """Let a paused or held run go on; a held one belongs to this database from now on."""
    state = _do("resume", run_id, trouble={})
    alerts.resolve_alerts(Run(pk=run_id), "run_held", "run_paused")
    enqueue("outreach.fan_out", run_id)
    enqueue("outreach.work", Lane.CAMPAIGNS.value, lane=Lane.CAMPAIGNS)
    return state


def cancel_run(run_id: int) -> str:
    """Close what is open, in chunks, but nothing in hand; those settle, then the run is `cancelled`."""
    state = _do("cancel", run_id, trouble={})
    alerts.resolve_alerts(Run(pk=run_id), "run_held", "run_paused")
    enqueue("outreach.sweep")
    return state


def hold_run(run_id: int, trouble: Mapping[str, Any]) -> bool:
    """Stop a run and ask people whether it may go on; False where it ended meanwhile. `trouble` says why."""
    try:
        _do("hold", run_id, trouble=trouble)
    except StateConflict:
        return False
    run = Run.objects.select_related("organisation", "campaign").get(pk=run_id)
    facts = {**trouble, "name": run.title}
    alerts.raise_alert("run_held", run, organisation=run.organisation, **facts)
    return True


def release_batch(batch_id: int) -> bool:
    """Let a parked batch go on after people looked at it; False where it is not parked."""
    released = Batch.objects.filter(pk=batch_id, state=BatchState.PARKED).update(state=BatchState.READY, inherited=0)
    alerts.resolve_alerts(Batch(pk=batch_id), "batch_parked")
    return released == 1


def pause_for_refusals(run_id: int) -> None:
    """Pause a run whose provider refuses too much of it, and say so."""
    try:
        pause_run(run_id, trouble={"code": "too_many_refusals"})
    except StateConflict:
        return
    run = Run.objects.select_related("organisation", "campaign").get(pk=run_id)
    alerts.raise_alert("run_paused", run, organisation=run.organisation, name=run.title, reason="too_many_refusals")


def advance_run(link: Link, run_id: int) -> str | None:
    """Move a run to where its rows already are (`paused`, `cancelled`, `finished`); the new state, or None."""
    if _is_at_work(link, run_id):
        return None
    with transaction(link):
        row = _lock(link, run_id)
        if row is None:
            return None
        unfinished, in_hand = fetch(link, queries.READ_BATCHES, run=run_id)[0]
        new = settled_state(row[0], is_fanned_out=row[1], unfinished=unfinished, in_hand=in_hand)
        if new == S.FINISHED and _goes_on(link, run_id):
            new = None
        if new is not None:
            change(link, queries.SET_STATE, run=run_id, state=new, trouble=None, is_ended=new in ENDED)
            failpoints.hit("advance.before_commit", drop=link.close)
    if new is not None:
        failpoints.hit("advance.after_commit", drop=link.close)
    return new


def close_cancelled(link: Link, run_id: int) -> None:
    """Close the open rows of a cancelled run, one batch a transaction; harmless to do twice or at once."""
    for (batch,) in fetch(link, queries.UNFINISHED_BATCHES, run=run_id):
        with transaction(link):
            _close_batch(link, run_id, batch)
            failpoints.hit("cancel.before_commit", drop=link.close)
        failpoints.hit("cancel.after_commit", drop=link.close)
    advance_run(link, run_id)


def _close_batch(link: Link, run_id: int, batch: int) -> None:
    row = fetch_one(link, queries.LOCK_BATCH, batch=batch)
    if row is None or row[1] == "done":
        return
    in_hand = row[0]
    deltas: counters.Deltas = Tally()
    closed = (DeliveryState.CANCELLED.value, Reason.RUN_CANCELLED.value)
    for channel, language, state, reason, count in fetch(
        link, queries.CANCEL_ROWS, run=run_id, batch=batch, in_hand=in_hand
    ):
        counters.moved(deltas, channel=channel, language=language, old=(state, reason), new=closed, count=count)
    if not in_hand:
        change(link, queries.END_BATCH, batch=batch)
    counters.write(link, run_id, deltas)


def _lock(link: Link, run_id: int) -> TupleRow | None:
    """Lock campaign and run, in this order; (state, whether it is fanned out)."""
    fetch_one(link, queries.LOCK_CAMPAIGN, run=run_id)
    return fetch_one(link, queries.LOCK_RUN, run=run_id)


def _is_at_work(link: Link, run_id: int) -> bool:
    row = fetch_one(link, queries.IS_AT_WORK, run=run_id)
    return row is None or bool(row[0])


def _goes_on(link: Link, run_id: int) -> bool:
    """Whether a run without open rows goes on: with the next channel of what failed, or since receipts may come."""
    made = fallback.fall_back_locked(link, run_id, is_ending=True)
    return bool(made.planned) or made.awaits


def _do(verb: str, run_id: int, *, trouble: Mapping[str, Any]) -> str:
    """Change the state under the run's lock, on the connection that the caller's transaction uses."""
    possible, follows = VERBS[verb]
    link = callers_link()
    with transaction(link):
        row = _lock(link, run_id)
        if row is None or row[0] not in possible:
            raise StateConflict(_("The run is in another state by now."), state=row[0] if row else "")
        if verb == "resume" and row[0] == S.HELD:
            here = identity(link)
            change(link, queries.RESTAMP, run=run_id, system=here.system, timeline=here.timeline)
        change(link, queries.SET_STATE, run=run_id, state=follows, trouble=json.dumps(dict(trouble)), is_ended=False)
        if verb != "resume":
            unfinished, in_hand = fetch(link, queries.READ_BATCHES, run=run_id)[0]
            at_once = settled_state(follows, is_fanned_out=row[1], unfinished=unfinished, in_hand=in_hand)
            if at_once is not None:
                follows = at_once
                change(link, queries.SET_STATE, run=run_id, state=at_once, trouble=None, is_ended=at_once in ENDED)
        failpoints.hit("steer.before_commit", drop=link.close)
    return follows
