"""Places where a test lets a process die, stall, lose its connection or fail: `OUTREACH_FAILPOINT=name:action:nth=N`.

Every commit and hand-over of the ledger stands between two of them. Without the variable a hit costs one comparison.
tests/faults/test_failpoints.py lets each action of each point happen to a real worker, so a new point needs its line
in POINTS and a case there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from outreach.core.errors import OutreachError

VARIABLE: Final = "OUTREACH_FAILPOINT"
#: `stall` stops the process until somebody continues it; `drop` closes the connection in use; `ambiguous` lets the
#: COMMIT reach the server, but not its answer us; `error` raises.
ACTIONS: Final = ("kill", "stall", "drop", "ambiguous", "error")

#: No connection is in use.
_PLAIN: Final = ("kill", "stall")
#: A connection is in use, and may be lost.
_LINKED: Final = ("kill", "stall", "drop")
#: Everything of a transaction is written, and only its COMMIT is missing.
_COMMIT: Final = ("kill", "stall", "drop", "ambiguous")

#: Every point there is -> what can happen at it.
POINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "fanout.before_commit": _COMMIT,
    "fanout.after_commit": _PLAIN,
    "lease.before": _LINKED,
    "lease.before_commit": _COMMIT,
    "lease.after_commit": _LINKED,
    "inherit.before_commit": _COMMIT,
    "inherit.after_commit": _LINKED,
    "lost.before_commit": _COMMIT,
    "lost.after_commit": _LINKED,
    "settle.before": _LINKED,
    "settle.written": _LINKED,
    "window.chosen": _LINKED,
    "settle.before_commit": _COMMIT,
    "settle.after_commit": _LINKED,
    "handover.begin": _PLAIN,
    "handover.before": _PLAIN,
    "handover.after": _PLAIN,
    "handover.end": _PLAIN,
    "release.before": _LINKED,
    "release.after": _LINKED,
    "advance.before_commit": _COMMIT,
    "advance.after_commit": _LINKED,
    "cancel.before_commit": _COMMIT,
    "cancel.after_commit": _LINKED,
    "steer.before_commit": _COMMIT,
    "evidence.before_commit": _COMMIT,
    "evidence.after_commit": _LINKED,
    "engine.after_batch": _PLAIN,
    "digests.written": ("kill",),
    "digests.after_commit": ("kill",),
}


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
    #: The next COMMIT's answer is not to be heard.
    unheard: bool = False


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
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}: there is no point {name!r}")
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
        _act(_armed, drop)


def has_acted() -> bool:
    """Whether the armed place was reached, as often as was asked for."""
    return _armed is not None and _armed.hits >= _armed.nth


def is_commit_unheard() -> bool:
    """Whether the COMMIT that comes now is to be one whose answer is lost; true once."""
    if _armed is None or not _armed.unheard:
        return False
    _armed.unheard = False
    return True


def _act(point: Failpoint, drop: Callable[[], object] | None) -> None:
    if point.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif point.action == "stall":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif point.action == "ambiguous":
        point.unheard = True
    elif point.action == "drop" and drop is not None:
        drop()
    else:
        raise FailpointReached(f"failpoint {point.name}")
