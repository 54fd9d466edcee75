"""Celery tasks: an id or nothing in, one verb each. A message may be lost, doubled or late: done twice, no harm."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from celery import shared_task

from outreach.audience import (
    caps,
    consent_days,
    import_trace,
    import_undo,
    imports,
    sealing,
    snapshots,
    suppression_import,
)
from outreach.campaigns import planning
from outreach.core.queue import enqueue, is_stopping
from outreach.core.vocabulary import Lane
from outreach.delivery import alive as liveness
from outreach.delivery import cost, digests, engine, fanout, partitions
from outreach.delivery import retention as retention_of_rows
from outreach.delivery import sweep as sweeping
from outreach.delivery.door import real_door
from outreach.delivery.kept import KeptEngine
from outreach.effectiveness import gathering
from outreach.events import (
    bursts,
    domain_troubles,
    hooks,
    inbox,
    polling,
    receiving,
    retention,
    sender_inbox,
    signups,
    sunset,
    suppressions,
)
from outreach.feeds import sources

#: Seconds a worker serves batches before it looks at its queues again: notices must not wait behind a blast.
SHIFT: Final = 20.0
#: What the notices' worker keeps open between two notices.
KEPT: Final = KeptEngine()

F = TypeVar("F", bound=Callable[..., Any])


def task(name: str) -> Callable[[F], F]:
    """Register a verb under the name that `core.queue.enqueue` and the beat table use."""
    return cast(Callable[[F], F], shared_task(name=name))


@task("outreach.fan_out")
def fan_out(run_id: int) -> bool:
    """Write the rows of a run."""
    return fanout.fan_out(run_id)


@task("outreach.work")
def work(lane: str = Lane.CAMPAIGNS.value) -> int:
    """Serve batches of a lane for a while; call the next worker where more may wait."""
    until = time.monotonic() + SHIFT
    is_notices = lane == Lane.NOTICES
    served = (
        KEPT.work(lane, door=real_door, seconds=SHIFT)
        if is_notices
        else engine.work(lane, door=real_door(), seconds=SHIFT)
    )
    # Who serves notices goes on until none waits: a message more for each of them would only cost time.
    if served and not is_stopping() and (not is_notices or time.monotonic() > until):
        enqueue("outreach.work", lane, lane=lane)
    return served


@task("outreach.sweep")
def sweep() -> dict[str, int]:
    """Find what nobody picked up."""
    return sweeping.sweep()


@task("outreach.plan_due")
def plan_due() -> int:
    """Make the runs whose time has come."""
    return planning.plan_due()


@task("outreach.alive")
def alive() -> list[int]:
    """Say that we are here; hold what a restored copy would send again."""
    return liveness.alive()


@task("outreach.upkeep")
def upkeep() -> Any:
    """Make the partitions that are needed soon, keep what was spent; drop and forget what is too old to keep."""
    retention_of_rows.forget_notice_data()
    cost.keep_spends()
    signups.forget_expired()
    caps.forget_pressure()
    import_trace.forget_old_traces()
    return partitions.keep_partitions() + retention_of_rows.retire()


@task("outreach.poll_sources")
def poll_sources() -> int:
    """Read the outside feeds that are due."""
    return sources.poll_sources()


@task("outreach.run_import")
def run_import(import_id: int) -> None:
    """Take a file's people in."""
    imports.run_import(import_id)


@task("outreach.run_suppression_import")
def run_suppression_import(job_id: int) -> None:
    """Take in a list of whom not to write to."""
    suppression_import.run_suppression_import(job_id)


@task("outreach.undo_import")
def undo_import(import_id: int) -> None:
    """Take an import back."""
    import_undo.run_undo(import_id)


@task("outreach.list_snapshot")
def list_snapshot(segment_id: int) -> None:
    """Go on with a snapshot of a segment."""
    snapshots.list_snapshot(segment_id)


@task("outreach.resume_imports")
def resume_imports() -> int:
    """Queue again the imports and snapshots, and the imports on their way back, whose worker died."""
    mine = imports.resume_imports() + import_undo.resume_undos() + snapshots.resume_snapshots()
    return mine + suppression_import.resume_suppression_imports()


@task("outreach.seal_consents")
def seal_consents() -> int:
    """Make the consents of the last minute a block of their chain."""
    sealed = sealing.seal_consents()
    consent_days.close_days()
    return sealed


@task("outreach.send_digests")
def send_digests() -> int:
    """Tell together what was kept for readers who chose that, where its time has come."""
    return digests.send_digests()


@task("outreach.poll_replies")
def poll_replies() -> int:
    """Fetch what people wrote to the accounts' mailboxes and on social media."""
    return polling.poll_replies()


@task("outreach.receive")
def receive() -> int:
    """Fetch the receipts and messages that message centres keep for us."""
    return receiving.receive_all()


@task("outreach.apply_hooks")
def apply_hooks() -> int:
    """Apply call-backs that came before their delivery was known or settled."""
    return hooks.apply_waiting()


@task("outreach.reopen_lost")
def reopen_lost() -> int:
    """Have people wait again in the inbox whose answer did not reach them."""
    return inbox.reopen_lost()


@task("outreach.judge_bursts")
def judge_bursts() -> int:
    """Correct clicks that no hand can have made."""
    return bursts.judge_bursts()


@task("outreach.gather_troubles")
def gather_troubles() -> int:
    """Add up which recipient domains put off, refused or returned what we sent."""
    return domain_troubles.gather_troubles()


@task("outreach.gather_evidence")
def gather_evidence() -> int:
    """Write down how far people came."""
    return gathering.gather_lately()


@task("outreach.gather_all_evidence")
def gather_all_evidence() -> int:
    """The same for campaigns of long ago, whose links are still followed."""
    return gathering.gather_all()


@task("outreach.sync_suppressions")
def sync_suppressions() -> int:
    """Compare our lists of whom not to write to with those of the providers."""
    return suppressions.sync_suppressions()


@task("outreach.let_go")
def let_go() -> int:
    """Let go of subscribers who were asked whether to go on and gave no sign."""
    return sunset.decide_questions()


@task("outreach.forget_raw")
def forget_raw() -> int:
    """Empty old raw words of providers; drop old reports and old trouble with domains; let old answers be final."""
    sender_inbox.forget_reports()
    domain_troubles.forget_troubles()
    retention.close_answers()
    return retention.forget_raw()
