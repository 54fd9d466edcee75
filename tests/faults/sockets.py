"""Failpoints around the bytes themselves: before and after each write to the mail server, and each reading of replies.

The adapters know nothing of outreach, so these points are put around the SMTP adapter's connection in a test's own
worker processes. They stand beside the product's table (`outreach.core.failpoints.POINTS`), and are armed like it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from outreach.core import failpoints

T = TypeVar("T")

#: Point -> what can happen at it; a connection that breaks is the faulty peer's part (test_peer_faults.py).
POINTS: Final[Mapping[str, tuple[str, ...]]] = {
    f"socket.{when}_{what}": ("kill", "stall") for what in ("write", "read") for when in ("before", "after")
}


def install() -> None:
    """Put the points around every SMTP connection of this process."""
    from channels.smtp_wire import Connection

    setattr(failpoints, "POINTS", {**failpoints.POINTS, **POINTS})  # noqa: B010 -- a constant, but for this process
    for method, what in (("flush", "write"), ("read", "read")):
        setattr(Connection, method, _between(getattr(Connection, method), what))


def _between(do: Callable[[Any], T], what: str) -> Callable[[Any], T]:
    def do_between_two_points(connection: Any) -> T:
        failpoints.hit(f"socket.before_{what}")
        done = do(connection)
        failpoints.hit(f"socket.after_{what}")
        return done

    return do_between_two_points
