"""Where `outreach demo` plays: an installation that is nobody's, with ports of its own, deleted when it is over.

Without Django: who only waits for the player does not load the product a second time.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import outreach
from outreach.core.bytecode import keep_bytecode
from outreach.core.supervise import die_with_parent

#: Set in the process that plays: its data folder, database and ports are its own.
PLACE: Final = "OUTREACH_DEMO_PLACE"
LOOPBACK: Final = "127.0.0.1"
PORTS: Final = 8
#: Below the range from which systems choose ports for outgoing connections.
PORT_RANGE: Final = (15_000, 31_000)
STOP_SECONDS: Final = 25.0
#: What the player must not have from whoever calls: his key, his broker.
NOT_HIS: Final = ("OUTREACH_SECRET_KEY", "BROKER_URL")


def play_in_own_place(given: Sequence[str]) -> int:
    """Run `outreach demo` in a place of its own and wait for it; its output is ours, its exit code too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with own_place() as environment:
        player = subprocess.Popen(
            [sys.executable, "-P", "-m", "outreach.cli", *given],
            env=environment,
            # When we are killed, so is it, and with it everything that it started.
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        try:
            return player.wait()
        except BaseException:
            player.terminate()
            with suppress(subprocess.TimeoutExpired):
                player.wait(STOP_SECONDS)
            raise
        finally:
            player.kill()
            player.wait()


@contextmanager
def own_place() -> Iterator[dict[str, str]]:
    """The environment of an empty installation: a folder, free ports, no broker but its own."""
    folder = Path(tempfile.mkdtemp(prefix="outreach-demo-"))
    port = free_ports()
    root = str(Path(outreach.__file__).resolve().parent.parent)
    ours = {
        PLACE: str(folder),
        "OUTREACH_DATA": str(folder),
        "OUTREACH_HOST": LOOPBACK,
        "OUTREACH_PORT": str(port),
        "OUTREACH_BASE_URL": f"http://{LOOPBACK}:{port}",
        "OUTREACH_SANDBOX": "true",
        "OUTREACH_SANDBOX_PORT": str(port + 1),
        "PYTHONPATH": os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_HIS)}
    try:
        yield {**kept, **ours, **keep_bytecode(folder / "bytecode")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int = PORTS) -> int:
    """The first of `count` ports of loopback in a row that nobody uses now.

    Raises:
        OSError: there are none.
    """
    for _try in range(200):
        first = random.randrange(*PORT_RANGE)  # noqa: S311 -- no secret
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise OSError("there are no free ports on this machine")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
