from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import requests

from outreach.sandbox.serve import serve
from tests.sandbox.conftest import Kept


def pick_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    pytest.fail(f"nobody listens on port {port}")


@pytest.mark.usefixtures("store")
def test_peers_serve_until_they_are_stopped(sandbox_database: str, kept: Callable[[], list[Kept]]) -> None:
    smtp, *_ = ports = pick_ports(5)
    stop = threading.Event()
    names = ("smtp_port", "imap_port", "phone_port", "social_port", "sendgrid_port")
    settings = dict(zip(names, ports, strict=True))
    thread = threading.Thread(target=serve, kwargs={"database_url": sandbox_database, "stop": stop, **settings})
    thread.start()
    try:
        for port in ports:
            wait_until_open(port)
        with smtplib.SMTP("127.0.0.1", smtp, timeout=5) as client:
            client.sendmail("a@example.org", ["b@example.org"], b"Subject: One\r\n\r\nText\r\n")
        found = [requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code for port in ports[2:]]
    finally:
        stop.set()
        thread.join(timeout=15)
    assert (found, [row.subject for row in kept()], thread.is_alive()) == ([401, 401, 401], ["One"], False)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", smtp), timeout=1)
