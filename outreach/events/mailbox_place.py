"""Where the reading of each folder of an account's mailboxes stands, as the account keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from outreach.events.mailbox import Position

#: Key under which the account keeps the positions of all folders but the first that was read.
_MORE: Final = "more"
_AT: Final = "at"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One folder. Another server, user or folder is another place: numbers of messages mean nothing there."""

    #: `user@host/folder`.
    name: str

    @classmethod
    def of(cls, mailbox: Mapping[str, Any], folder: str) -> Self:
        host, port = mailbox.get("host", ""), mailbox.get("port") or ""
        return cls(name=f"{mailbox.get('username', '')}@{host}:{port}/{folder}")

    def find(self, kept: Mapping[str, Any]) -> Position:
        """The position in what the account keeps; of one that was kept without a name, the first asked has it."""
        if kept.get(_AT, self.name) == self.name:
            return _read(kept)
        return _read(kept.get(_MORE, {}).get(self.name, {}))

    def moved(self, kept: Mapping[str, Any], position: Position) -> dict[str, Any]:
        """What the account keeps from now on."""
        if kept.get(_AT, self.name) == self.name:
            return {**kept, **asdict(position), _AT: self.name}
        return {**kept, _MORE: {**kept.get(_MORE, {}), self.name: asdict(position)}}


def _read(kept: Mapping[str, Any]) -> Position:
    return Position(**{name: int(kept.get(name, 0)) for name in ("validity", "uid", "modseq")})
