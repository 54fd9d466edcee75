"""The adapters by name. Each is imported on first use, so that an adapter nobody uses costs no memory.

Outside packages add theirs through the entry-point group `outreach.channels`; a built-in name cannot be taken over.
"""

from __future__ import annotations

import logging
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final, cast

from channels.absent import Absent

if TYPE_CHECKING:
    from channels.base import Adapter

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP: Final = "outreach.channels"
#: What an adapter must have; its form may be empty.
_NEEDED: Final = ("name", "kind", "label", "can", "open", "parse_events", "check")

#: A new adapter is one line here.
BUILT_IN: Final = {
    "feed": "channels.feed:Feed",
    "postmark": "channels.postmark:Postmark",
    "sendgrid": "channels.sendgrid:SendGrid",
    "smpp": "channels.smpp:Smpp",
    "smtp": "channels.smtp:Smtp",
    "twilio": "channels.twilio:Twilio",
    "x": "channels.x:X",
}

#: Adapters that reach nobody; found by name, but not offered to people.
DOUBLES: Final = {"memory": "channels.memory:Memory"}


class UnknownAdapter(LookupError):
    """There is no adapter of this name."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(known)}."
        super().__init__(f"There is no adapter named {name!r}.{hint}")
        self.name = name
        self.known = known

    def __reduce__(self) -> tuple[type[UnknownAdapter], tuple[str, tuple[str, ...]]]:
        return type(self), (self.name, self.known)


def names() -> tuple[str, ...]:
    """The adapters that an account can be made for, built-in and installed, sorted."""
    return tuple(sorted({*BUILT_IN, *_installed()}))


@cache
def get(name: str) -> Adapter:
    """The adapter of this name, one instance a process.

    Raises:
        UnknownAdapter: nobody offers it; the message says what was perhaps meant.
    """
    place = BUILT_IN.get(name) or DOUBLES.get(name)
    if place is not None:
        module, _, attribute = place.partition(":")
        return cast("Adapter", getattr(import_module(module), attribute)())
    if name in _installed():
        return _installed()[name]
    raise UnknownAdapter(name, names())


def find(name: str) -> Adapter:
    """The adapter of an account that there is already; one that refuses everything where nobody offers it any more."""
    try:
        return get(name)
    except UnknownAdapter:
        return cast("Adapter", Absent(name))


@cache
def _installed() -> dict[str, Adapter]:
    """The adapters of outside packages. One that cannot be used is told in the log, and stops nothing else."""
    found = {point.name: _load(point) for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {name: adapter for name, adapter in found.items() if adapter is not None}


def _load(point: EntryPoint) -> Adapter | None:
    try:
        adapter = cast("Adapter", point.load()())
        lacking = [name for name in _NEEDED if not getattr(adapter, name)]
    except Exception:  # foreign code may fail in any way as it is loaded
        logger.exception("An adapter cannot be loaded", extra={"action": "channels.load", "adapter": point.name})
        return None
    if lacking:
        logger.error("An adapter lacks %s", lacking, extra={"action": "channels.load", "adapter": point.name})
    return None if lacking else adapter
