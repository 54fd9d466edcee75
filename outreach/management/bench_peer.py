"""What is measured against: the mail server of a blast, Postfix's load generator, our own servers in service."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings

from outreach.core.errors import Invalid, StateConflict
from outreach.core.supervise import die_with_parent

SINK, SOURCE = "smtp-sink", "smtp-source"
SESSIONS: Final = (4, 8, 16, 32)
LOOPBACK: Final = ("127.", "localhost", "::1")


def parse_peer(text: str) -> tuple[str, int]:
    """`HOST:PORT` on loopback.

    Raises:
        Invalid: it is another address: what is measured must reach nobody.
    """
    host, _, port = text.rpartition(":")
    if not host.startswith(LOOPBACK) or not port.isdigit():
        raise Invalid({"smtp": ["Name a mail server on this machine, such as 127.0.0.1:2525."]})
    return host, int(port)


@contextmanager
def sink() -> Iterator[tuple[str, int]]:
    """Postfix's smtp-sink on a free port, which takes everything and keeps nothing.

    Raises:
        StateConflict: it is not installed.
    """
    if shutil.which(SINK) is None:
        raise StateConflict("smtp-sink is not installed (Debian: postfix). Name another mail server with --smtp.")
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([SINK, *user, f"127.0.0.1:{port}", "1000"], stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield "127.0.0.1", port
    finally:
        process.kill()
        process.wait()


def best_source_rate(peer: tuple[str, int], *, octets: int, count: int) -> tuple[float | None, dict[str, float]]:
    """Messages a second of smtp-source at its best number of sessions, and at each; None where it is not installed."""
    if shutil.which(SOURCE) is None:
        return None, {}
    rates = {str(sessions): round(_source_rate(peer, sessions, octets, count), 1) for sessions in SESSIONS}
    return max(rates.values()), rates


def _source_rate(peer: tuple[str, int], sessions: int, octets: int, count: int) -> float:
    begun = time.monotonic()
    subprocess.run(
        # -d: the connections are kept, as ours are.
        [
            *(SOURCE, "-d", "-s", str(sessions), "-l", str(octets), "-m", str(count)),
            *("-f", "n@example.org", "-t", "p@example.org", f"{peer[0]}:{peer[1]}"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return count / (time.monotonic() - begun)


@contextmanager
def served(command: str, port: int) -> Iterator[int]:
    """`outreach web` or `outreach track` as it is in service, on a port of loopback; its process."""
    given = [sys.executable, "-P", "-m", "outreach.cli", command, "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "OUTREACH_DATA": str(settings.DATA)}
    server = subprocess.Popen(given, env=environment, preexec_fn=die_with_parent(signal.SIGTERM))
    try:
        wait_for(port)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
