"""A worker process for the tests that kill: the real engine over an adapter that appends to a file.

`python -m tests.delivery.dying_worker DATABASE FILE WINDOW`, in the environment of the tests, with OUTREACH_FAILPOINT.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings


class FileSession:
    """Appends each recipient to a file and has it on the disk before it answers, as a peer over a socket would."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __enter__(self) -> FileSession:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def send(self, messages: Iterable[Any]) -> Iterator[Any]:
        from channels.base import Outcome, OutcomeKind

        for message in messages:
            os.write(self._file, f"{message.id} {message.to}\n".encode())
            yield Outcome(id=message.id, kind=OutcomeKind.ACCEPTED, provider_id=f"file-{message.id}")


def file_door(path: Path, window: int) -> Any:
    """The engine's door to the file."""
    from channels.base import Capabilities
    from outreach.delivery.engine import Door
    from tests.delivery.world import PlainRenderer

    return Door(
        open_session=lambda _: FileSession(path),
        capabilities=lambda _: Capabilities(window=window, unknown_policy="resend", timeout=10.0),
        compile_run=lambda _, run: PlainRenderer(run=run),
        pause_account=lambda *_: None,
    )


def main(path: str, window: str) -> None:
    from outreach.core.vocabulary import Lane
    from outreach.delivery.engine import work

    work(Lane.CAMPAIGNS.value, door=file_door(Path(path), int(window)))


if __name__ == "__main__":
    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    django.setup()
    main(*sys.argv[2:])
