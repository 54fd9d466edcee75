from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from outreach.core.supervise import Program, Supervisor, die_with_parent

#: Writes its process id as a line of a file, then does as told.
WRITE = "import os, sys, signal, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); "
FOR_EVER = WRITE + "time.sleep(600)"
STUBBORN = WRITE + "signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1] + '.deaf', 'w'); time.sleep(600)"
WITH_CHILD = WRITE + "os.fork() or open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"


def program(code: str, pids: Path, *, grace: float = 5.0, stage: int = 0) -> Program:
    return Program(name=pids.name, command=[sys.executable, "-c", code, str(pids)], grace=grace, stage=stage)


def pids_in(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def wait_for(claim: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@contextmanager
def supervised(*programs: Program) -> Iterator[Supervisor]:
    supervisor = Supervisor(programs, environment=os.environ)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        thread.join()


def test_child_that_dies_starts_again_and_its_own_children_are_gone(tmp_path: Path) -> None:
    pids = tmp_path / "parent"
    with supervised(program(WITH_CHILD, pids)):
        wait_for(lambda: len(pids_in(pids)) == 2)
        first = pids_in(pids)
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: len(pids_in(pids)) == 4)
        wait_for(lambda: [is_alive(pid) for pid in pids_in(pids)] == [False, False, True, True])

    wait_for(lambda: [is_alive(pid) for pid in pids_in(pids)] == [False] * 4)


def test_what_programs_write_is_no_output_of_ours(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pids = tmp_path / "speaker"
    with supervised(program("print('spoken', flush=True); " + WRITE + "time.sleep(600)", pids)):
        wait_for(lambda: len(pids_in(pids)) == 1)

    said = capfd.readouterr()
    assert (said.out, "spoken" in said.err) == ("", True)


def test_stop_kills_who_does_not_go_in_time(tmp_path: Path) -> None:
    pids = tmp_path / "stubborn"
    with supervised(program(STUBBORN, pids, grace=0.3)):
        wait_for((tmp_path / "stubborn.deaf").exists)
        begin = time.monotonic()

    assert (time.monotonic() - begin < 5, [is_alive(pid) for pid in pids_in(pids)]) == (True, [False])


def test_later_stages_stop_after_earlier_ones(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = f"import atexit; atexit.register(lambda: open({str(order)!r}, 'a').write(sys.argv[1][-1])); "
    patient = code + WRITE + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(600)"
    patient = patient.replace("import atexit", "import atexit, sys", 1)
    with supervised(program(patient, tmp_path / "b", stage=1), program(patient, tmp_path / "a")):
        wait_for(lambda: bool(pids_in(tmp_path / "a") and pids_in(tmp_path / "b")))
        time.sleep(0.2)  # both have to have their signal handler, which follows the line they wrote

    assert order.read_text() == "ab"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux signals the children of the dead")
def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    pids = tmp_path / "orphan"
    code = (
        "import os, sys; from outreach.core.supervise import *; "
        "Supervisor([Program(name='x', command=sys.argv[1:])], environment=os.environ).run()"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, sys.executable, "-c", FOR_EVER, str(pids)])
    wait_for(lambda: len(pids_in(pids)) == 1)
    supervisor.kill()
    supervisor.wait()

    wait_for(lambda: not is_alive(pids_in(pids)[0]))
    assert die_with_parent(signal.SIGTERM) is not None
