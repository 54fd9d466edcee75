"""An engine that stays open between two tasks, so that the next notice finds its connections ready.

It keeps connections and compiled texts, and never a lease: whoever dies with it leaves what any worker leaves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from outreach.delivery.engine import Door, Engine, serve_all

#: Seconds without work after which it closes: mail servers drop quiet connections, and others may need the place.
IDLE: Final = 15.0
#: Seconds after which it is opened anew in any case: what people changed in an account counts from then on.
LONGEST: Final = 60.0


class KeptEngine:
    """At most one open engine of this process; a timer closes it where no work comes."""

    def __init__(self, *, idle: float = IDLE, longest: float = LONGEST) -> None:
        self._idle, self._longest = idle, longest
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self._opened_at = 0.0
        self._timer: threading.Timer | None = None

    @property
    def is_open(self) -> bool:
        return self._engine is not None

    def work(self, lane: str, *, door: Callable[[], Door], seconds: float) -> int:
        """Serve batches of a lane until none waits; how many were served. After an error nothing is kept."""
        with self._guard:
            self._stop_timer()
            opened = door()
            engine = self._open(opened)
            try:
                served = serve_all(engine, lane, is_stopping=opened.is_stopping, seconds=seconds)
            except BaseException:
                self._close()
                raise
            self._start_timer()
            return served

    def close(self) -> None:
        """Close what is open, once nothing is at work with it."""
        with self._guard:
            self._stop_timer()
            self._close()

    def _open(self, door: Door) -> Engine:
        if self._engine is not None and time.monotonic() - self._opened_at > self._longest:
            self._close()
        if self._engine is None:
            self._engine, self._opened_at = Engine(door), time.monotonic()
        return self._engine

    def _close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.__exit__(None, None, None)

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._idle, self.close)
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
