"""Places where a test lets a process die, stall, lose its connection or fail: `OUTREACH_FAILPOINT=name:action:nth=N`.

Every commit and hand-over of the ledger stands between two of them. Without the variable a hit costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from outreach.core.errors import OutreachError

ACTIONS: Final = ("kill", "stall", "drop", "error")
VARIABLE: Final = "OUTREACH_FAILPOINT"


class FailpointReached(OutreachError):
    """A test let this place fail."""


@dataclass
class Failpoint:
    """One armed place."""

    name: str
    action: str
    #: Acts at this hit, counted from 1.
    nth: int = 1
    hits: int = field(default=0)


def parse(text: str) -> Failpoint | None:
    """Read `name:action[:nth=N]`; '' is none.

    Raises:
        ValueError: it is not of this form; a mistyped test must not pass for one that nothing happened in.
    """
    if not text:
        return None
    name, _, rest = text.partition(":")
    action, _, count = rest.partition(":")
    if action not in ACTIONS:
        raise ValueError(f"{VARIABLE}: {action!r} is none of {', '.join(ACTIONS)}")
    return Failpoint(name=name, action=action, nth=int(count.removeprefix("nth=") or 1))


_armed: Failpoint | None = parse(os.environ.get(VARIABLE, ""))


def arm(text: str) -> None:
    """Arm another failpoint in this process, or none."""
    global _armed
    _armed = parse(text)


def hit(name: str, *, drop: Callable[[], object] | None = None) -> None:
    """Say that the code is here; acts only where a test armed this place. `drop` closes the connection in use."""
    if _armed is None or _armed.name != name:
        return
    _armed.hits += 1
    if _armed.hits == _armed.nth:
        _act(_armed.action, name, drop)


def _act(action: str, name: str, drop: Callable[[], object] | None) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stall":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "drop" and drop is not None:
        drop()
    else:
        raise FailpointReached(f"failpoint {name}")
