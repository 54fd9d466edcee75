from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pytest

from outreach.core import clock
from outreach.core.vocabulary import EventKind, Verdict
from outreach.events.journal import Entry, Journal, OptOut
from outreach.events.record import Happening

CLICK = Happening(
    kind=EventKind.CLICKED, run=3, delivery=4, channel="email", link=1, verdict=Verdict.MACHINE, raw={"име": "Ж"}
)
WISH = OptOut(token="abc", at=clock.now())


def replayed(journal: Journal) -> list[Entry]:
    taken: list[Entry] = []

    def take(entries: Sequence[Entry]) -> None:
        taken.extend(entries)

    journal.replay(take)
    return taken


def test_what_was_appended_comes_back_whole_and_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append([CLICK])
    journal.append([WISH])
    journal.close()
    assert replayed(journal) == [CLICK, WISH]
    assert journal.is_empty()
    assert replayed(journal) == []


def test_a_file_that_somebody_writes_is_left_alone(tmp_path: Path) -> None:
    writing, other = Journal(tmp_path), Journal(tmp_path)
    writing.append([CLICK])
    assert replayed(other) == []
    writing.close()
    assert replayed(other) == [CLICK]


def before_the_first_lock(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen once, between the opening of a file and its lock."""
    lock = fcntl.flock

    def locked_late(file: IO[bytes], how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        happens()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", locked_late)


def test_a_file_that_is_replayed_before_its_lock_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, other = Journal(tmp_path), Journal(tmp_path)
    before_the_first_lock(monkeypatch, lambda: replayed(other))
    writing.append([CLICK])
    assert writing.count_files() == 1
    writing.close()
    assert replayed(other) == [CLICK]


def test_two_replays_hand_a_file_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, other = Journal(tmp_path), Journal(tmp_path)
    journal.append([CLICK])
    journal.close()
    taken: list[Entry] = []
    before_the_first_lock(monkeypatch, lambda: taken.extend(replayed(other)))
    assert (replayed(journal), taken) == ([], [CLICK])


def test_what_the_database_did_not_take_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([CLICK])
    journal.close()

    def refuse(entries: Sequence[Entry]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        journal.replay(refuse)
    assert replayed(journal) == [CLICK]


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([CLICK])
    journal.close()
    with next(tmp_path.iterdir()).open("ab") as file:
        file.write(b'{"what": "Happening", "run": 3')
    assert replayed(journal) == [CLICK]


def test_a_dead_process_leaves_its_file_to_the_next(tmp_path: Path) -> None:
    write_and_die = (
        "import os, pathlib, django; django.setup()\n"
        "from outreach.core import clock\n"
        "from outreach.events.journal import Journal, OptOut\n"
        f"Journal(pathlib.Path({str(tmp_path)!r})).append([OptOut(token='t', at=clock.now())])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", write_and_die], check=False, cwd=Path(__file__).parents[2])
    assert [getattr(entry, "token", "") for entry in replayed(Journal(tmp_path))] == ["t"]
