"""What work costs: processor time and memory of whole trees of processes, also of those that ended meanwhile."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil


def cpu_seconds(root: int) -> float:
    """User and system time of a process, all its descendants, and those that they waited for."""
    seconds = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def our_cpu_seconds() -> float:
    """Of our Python processes: this one and what it started, but neither the database nor a mail server."""
    others = [child.pid for child in psutil.Process().children() if "python" not in child.name()]
    return cpu_seconds(os.getpid()) - sum(cpu_seconds(pid) for pid in others)


def database_cpu_seconds() -> float:
    """Of the embedded PostgreSQL; 0 where the database is elsewhere."""
    return sum(cpu_seconds(pid) for pid in _postmasters())


def peak_rss_mb(word: str) -> dict[int, float]:
    """Process id -> most memory it ever held (VmHWM), of our descendants whose command line has the word."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            if any(word in part for part in process.cmdline()):
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                peak = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
                found[process.pid] = round(int(peak) / 1024, 1)
    return found


def _postmasters() -> list[int]:
    return [child.pid for child in psutil.Process().children() if "postgres" in child.name()]
