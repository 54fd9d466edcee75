"""A migrated database, made once for each state of the migrations and copied: migrating takes twenty seconds."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: Where pytest keeps what it may use again; git does not look there.
KEPT: Final = ROOT / ".pytest_cache" / "migrated"


def put_migrated_cluster(data: Path) -> None:
    """Put the embedded PostgreSQL's cluster, its database migrated and empty, into a data folder, unless it has one."""
    with _one_at_a_time():
        if (data / "postgres").exists():
            return
        kept = KEPT / _state_of_migrations()
        if not kept.exists():
            _make(kept)
        shutil.copytree(kept, data / "postgres")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state_of_migrations() -> str:
    """What the kept cluster depends on: our migrations, and the pinned versions of Django and PostgreSQL."""
    files = [ROOT / "requirements.txt", *sorted((ROOT / "outreach" / "migrations").glob("*.py"))]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _make(kept: Path) -> None:
    """As an operator does, in a folder that is not below one which the database's user may not enter."""
    for older in [folder for folder in KEPT.iterdir() if folder.is_dir()]:
        shutil.rmtree(older)
    data = Path(tempfile.mkdtemp(prefix="outreach-migrated-"))
    environment = {**os.environ, "OUTREACH_DATA": str(data), "DATABASE_URL": ""}
    try:
        subprocess.run([sys.executable, "-m", "outreach.cli", "migrate"], check=True, cwd=ROOT, env=environment)
        shutil.move(data / "postgres", kept)
    finally:
        shutil.rmtree(data, ignore_errors=True)
