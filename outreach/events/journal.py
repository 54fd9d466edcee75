"""The local journal: where events wait, fsynced, while the database is away.

One file a process, locked while it is written, so that whoever finds an unlocked one may replay it. Each line keeps its
event's key: a replay after an answer that nobody heard doubles nothing.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from outreach.core.vocabulary import EventKind, Verdict
from outreach.events.record import Happening

logger = logging.getLogger(__name__)

SUFFIX: Final = ".ndjson"
#: Entries handed to the database at once in a replay.
CHUNK: Final = 1000


@dataclass(frozen=True, kw_only=True)
class OptOut:
    """A one-click unsubscription that came while the database was away."""

    #: The token as it stood in the URL.
    token: str
    at: datetime


Entry = Happening | OptOut


class Journal:
    """Appends entries durably, and hands back what this or a dead process wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[bytes] | None = None

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries and return when they are on the disk."""
        file = self._file or self._open()
        file.write(b"".join(_to_line(entry) for entry in entries))
        file.flush()
        os.fsync(file.fileno())

    def close(self) -> None:
        """Let go of the own file, so that it can be replayed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_empty(self) -> bool:
        return self.count_files() == 0

    def count_files(self) -> int:
        """Files that wait, the own one too."""
        return sum(1 for _ in self.folder.glob(f"*{SUFFIX}"))

    def replay(self, write: Callable[[Sequence[Entry]], None]) -> int:
        """Hand the entries of each file that nobody writes to `write`, in chunks; a file goes when all of it was taken.

        What `write` raises ends the replay and leaves the file for the next one. The own file waits until `close`.
        """
        return sum(self._replay_file(path, write) for path in sorted(self.folder.glob(f"*{SUFFIX}")))

    def _open(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self._create()
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return self._file

    def _create(self) -> IO[bytes]:
        """A locked file of a new name; before its lock it looks like nobody's, and a replay may take it away."""
        while True:
            file = (self.folder / f"{os.getpid()}-{secrets.token_hex(6)}{SUFFIX}").open("ab")
            fcntl.flock(file, fcntl.LOCK_EX)
            if _has_name(file):
                return file
            file.close()

    def _replay_file(self, path: Path, write: Callable[[Sequence[Entry]], None]) -> int:
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0  # a living process still writes it
            if not _has_name(file):
                return 0  # another replay took it before the lock was ours
            entries = [entry for line in file if (entry := _from_line(line)) is not None]
            for start in range(0, len(entries), CHUNK):
                write(entries[start : start + CHUNK])
            path.unlink(missing_ok=True)
            return len(entries)
        return 0


def _has_name(file: IO[bytes]) -> bool:
    """Whether an open file can still be found; what is written to one that was unlinked is gone."""
    return os.fstat(file.fileno()).st_nlink > 0


def _to_line(entry: Entry) -> bytes:
    fields = {**asdict(entry), "at": entry.at.isoformat(), "what": type(entry).__name__}
    return json.dumps(fields, default=str).encode() + b"\n"


def _from_line(line: bytes) -> Entry | None:
    """The entry; None for a torn last line, whose writer died before it could promise anything."""
    try:
        fields: dict[str, Any] = json.loads(line)
        what = fields.pop("what")
        fields["at"] = datetime.fromisoformat(fields["at"])
        if what == OptOut.__name__:
            return OptOut(**fields)
        return Happening(**{**fields, "kind": EventKind(fields["kind"]), "verdict": Verdict(fields["verdict"])})
    except (ValueError, KeyError, TypeError):
        logger.warning("a line of the journal cannot be read", extra={"action": "journal.torn"})
        return None
