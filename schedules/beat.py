"""The beat table: what happens again and again, and how often. Plain data; `outreach.core.queue` hands it to Celery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The queue of everything that is neither a notice nor a campaign's batch.
UPKEEP: Final = "upkeep"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the table."""

    #: Name of the Celery task.
    task: str
    #: Seconds between two starts.
    seconds: float
    queue: str = UPKEEP


BEAT: Final = (
    Entry(task="outreach.sweep", seconds=5),
    Entry(task="outreach.plan_due", seconds=5),
    Entry(task="outreach.poll_replies", seconds=15),
    Entry(task="outreach.receive", seconds=30),
    Entry(task="outreach.apply_hooks", seconds=15),
    Entry(task="outreach.alive", seconds=60),
    Entry(task="outreach.poll_sources", seconds=60),
    Entry(task="outreach.resume_imports", seconds=60),
    Entry(task="outreach.seal_consents", seconds=60),
    Entry(task="outreach.send_digests", seconds=60),
    Entry(task="outreach.judge_bursts", seconds=60),
    Entry(task="outreach.gather_troubles", seconds=60),
    Entry(task="outreach.reopen_lost", seconds=60),
    Entry(task="outreach.gather_evidence", seconds=300),
    Entry(task="outreach.upkeep", seconds=3600),
    Entry(task="outreach.sync_suppressions", seconds=3600),
    Entry(task="outreach.let_go", seconds=3600),
    Entry(task="outreach.forget_raw", seconds=86400),
    Entry(task="outreach.gather_all_evidence", seconds=86400),
)
