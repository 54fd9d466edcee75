"""What jobs over a handed-in file have in common: one worker at a time, a file that lies by, and an end.

A job is a row with `state`, `lease_until` and `created_at`; one with a file that is kept and ended here has `trouble`,
`bytes_read` and `finished_at` besides.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

from django.db.models import Q, QuerySet

from outreach.core import clock
from outreach.core.queue import enqueue
from outreach.core.vocabulary import JobState

#: How long a silent worker keeps a job; each chunk renews it.
LEASE: Final = timedelta(seconds=60)
#: How old a file without a job is left alone: that of a younger one may not be committed yet.
LEFT: Final = timedelta(hours=1)


def claim(jobs: QuerySet[Any], job_id: int) -> bool:
    """Take a job that waits, or whose worker died; False where another has it or it has ended."""
    now = clock.now()
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=now)
    return jobs.filter(free, pk=job_id).update(state=JobState.RUNNING, lease_until=now + LEASE) == 1


def resume(jobs: QuerySet[Any], task: str) -> int:
    """Queue `task` again for the jobs that nobody works on, whose message was lost or whose worker died; how many."""
    now = clock.now()
    waiting = Q(state=JobState.QUEUED, created_at__lt=now - LEASE)
    orphaned = Q(state=JobState.RUNNING, lease_until__lt=now)
    forsaken = list(jobs.filter(waiting | orphaned).values_list("pk", flat=True))
    for key in forsaken:
        enqueue(task, key)
    return len(forsaken)


def end(jobs: QuerySet[Any], path: Path, state: JobState, *, bytes_read: int, trouble: str = "") -> None:
    """End the one running job of `jobs`, and with it its file: people's data does not lie about."""
    ended = jobs.filter(state=JobState.RUNNING).update(
        state=state, trouble=trouble, bytes_read=bytes_read, lease_until=None, finished_at=clock.now()
    )
    if ended == 1:
        with suppress(FileNotFoundError):
            path.unlink()


def sweep(files: Iterable[Path], needed: Collection[Path]) -> int:
    """Delete files whose job has ended or is not there: a process was killed before its file was gone; how many."""
    before, swept = (clock.now() - LEFT).timestamp(), 0
    for path in files:
        with suppress(FileNotFoundError):
            if path not in needed and path.stat().st_mtime < before:
                path.unlink()
                swept += 1
    return swept


def keep(file: IO[bytes], path: Path) -> None:
    """Lay a file down for its job, readable for nobody else."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.seek(0)
    with path.open("wb") as kept:
        shutil.copyfileobj(file, kept, 1 << 20)


def shown_name(file_name: str, *, default: str) -> str:
    """The last part of a name, from whatever system; it is shown and never a path. What cannot be printed goes."""
    last = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(character for character in last if character.isprintable())[:255]
    return name if name.strip(". ") else default
