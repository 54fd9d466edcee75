"""Keeps a set of processes running: starts them, starts again those that die, stops all of them within a known time."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

logger = logging.getLogger(__name__)

#: Waits between two looks at the children.
LOOK_SECONDS = 0.2
#: The first and the longest wait before a child that died is started again.
BACKOFF_SECONDS = (0.5, 30.0)
#: A child that lived so long starts again without the accumulated wait.
HEALTHY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    #: Seconds between SIGTERM and SIGKILL.
    grace: float = 18.0
    #: Programs of a lower stage stop before those of a higher one.
    stage: int = 0


#: Where programs write: our own output may be one line of JSON.
STDERR: Final = 2


@dataclass(kw_only=True)
class Child:
    """A program's present process, and when it may be started again."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_after: float = 0.0
    backoff: float = field(default=BACKOFF_SECONDS[0])


class Supervisor:
    """Runs programs until told to stop; `tick` is called between two looks at them."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.children = [Child(program=program) for program in programs]
        self.environment = dict(environment)
        self.tick = tick
        self._told_to_stop = threading.Event()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT end `run`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def stop(self) -> None:
        self._told_to_stop.set()

    def run(self) -> None:
        """Keep all programs running until `stop`; then stop them, stage by stage."""
        try:
            while not self._told_to_stop.is_set():
                self.tick()
                for child in self.children:
                    self._look_after(child)
                self._told_to_stop.wait(LOOK_SECONDS)
        finally:
            self._stop_all()

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.start_after:
                self._start(child)
        elif child.process.poll() is not None:
            self._note_death(child, child.process)

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(
            child.program.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,
            start_new_session=True,  # Ctrl-C reaches us alone, and its whole group can be killed
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        child.started_at = time.monotonic()

    def _note_death(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        _kill_group(process.pid)  # what it forked may hold its port or its work
        lived = time.monotonic() - child.started_at
        wait = BACKOFF_SECONDS[0] if lived > HEALTHY_SECONDS else child.backoff
        logger.error("%s ended (%s); it starts again in %.1f s", child.program.name, _ending(process.returncode), wait)
        child.process = None
        child.start_after = time.monotonic() + wait
        child.backoff = min(wait * 2, BACKOFF_SECONDS[1])

    def _stop_all(self) -> None:
        for stage in sorted({child.program.stage for child in self.children}):
            running = [child for child in self.children if child.process and child.program.stage == stage]
            for child in running:
                _signal(child.process, signal.SIGTERM)
            begin = time.monotonic()
            for child in running:
                self._wait_or_kill(child, begin + child.program.grace)

    def _wait_or_kill(self, child: Child, deadline: float) -> None:
        process, child.process = child.process, None
        if process is None:
            return
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.error("%s did not stop in %.0f s and is killed", child.program.name, child.program.grace)
        _kill_group(process.pid)
        process.wait()


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Let the kernel signal a child when its parent dies, however it dies: for `preexec_fn`; on Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    libc, parent_death_signal = ctypes.CDLL(None), 1
    return lambda: libc.prctl(parent_death_signal, int(number), 0, 0, 0)


def _signal(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _ending(code: int | None) -> str:
    return f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit {code}"
