"""Brokers beside the embedded one, each of a test's own on loopback, with data that ends with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import kombu

from tests.road.installation import free_ports, wait_until

#: Where Debian keeps the server itself; the one on the path changes to a user of its own.
RABBITMQ: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def why_absent(name: str) -> str:
    """Why a broker cannot be started here; '' where it can."""
    is_there = {"redis": shutil.which("redis-server") is not None, "rabbitmq": RABBITMQ.exists()}[name]
    return "" if is_there else f"{name} is not installed"


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing on the disk; its URL."""
    port = free_ports(1)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command, {}, url=f"redis://127.0.0.1:{port}/0") as url:
        yield url


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A RabbitMQ node with a name mapper of its own; its URL."""
    node = free_ports(3)
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(node + 2),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"outreach{node}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(node),
        "RABBITMQ_DIST_PORT": str(node + 1),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }
    url = f"amqp://guest:guest@127.0.0.1:{node}//"
    with _running(["epmd"], environment, url=""), _running([str(RABBITMQ)], environment, url=url):
        yield url


BROKERS: Final[Mapping[str, Callable[[Path], AbstractContextManager[str]]]] = {"redis": redis, "rabbitmq": rabbitmq}


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], *, url: str) -> Iterator[str]:
    """The program, in a group of its own that ends with the test; once it answers at `url`, where it has one."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        if url:
            wait_until(lambda: _answers(url), seconds=90, what=f"{command[0]} answers")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    with kombu.Connection(url, connect_timeout=2) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=2)
        except (kombu.exceptions.OperationalError, *connection.connection_errors):
            return False
        return True
