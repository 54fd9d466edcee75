"""The outer application as it is served: granian in a process of its own, real sockets, Django behind the bridge."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.models import Sum

from outreach.core.vocabulary import SubscriptionState
from outreach.delivery import tokens
from outreach.delivery.models import Counter
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.models import Event
from tests.events.conftest import Sent, make_sent

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request(method, path, body.encode() or None, {**FIREFOX, **headers})
            answer = link.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            link.close()


@pytest.fixture
def served(free_port: int) -> Iterator[Served]:
    found = connection.get_connection_params()
    place = urlencode({str(name): found[name] for name in ("host", "port", "password") if name in found})
    url = f"postgresql://{found['user']}@/{found['dbname']}?{place}"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(free_port)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
    )
    server = Served(port=free_port, process=process)
    try:
        wait_until_up(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


SERVE = """
import sys
from granian.constants import Interfaces
from granian.server import Server
Server("outreach.web.asgi:application", port=int(sys.argv[1]), interface=Interfaces.ASGI).serve()
"""


def wait_until_up(server: Served) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.ask("GET", "/healthz")
        except OSError:
            assert server.process.poll() is None, "the server ended while it was starting"
            assert time.monotonic() < deadline, "the server did not answer within 60 seconds"
            time.sleep(0.05)
        else:
            return


def path(sent: Sent, prefix: str, kind: TokenKind, **changes: Any) -> str:
    told = {"run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "language": "bg"}
    return f"/{prefix}/{tokens.make(Token(kind=kind, **{**told, **changes}))}"


def test_readers_and_django_are_served_by_one_process(served: Served) -> None:
    sent = make_sent()
    opened = path(sent, "o", TokenKind.OPEN)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.ask("GET", opened)[0], range(40)))
    assert answers == [200] * 40
    # What was answered is there: no waiting.
    assert Event.objects.filter(kind="opened").count() == 40
    assert Counter.objects.filter(kind="event", name="opened").aggregate(sum=Sum("count")) == {"sum": 40}

    status, headers, page = served.ask("GET", path(sent, "u", TokenKind.PERSON))
    assert (status, "Местни данъци".encode() in page) == (200, True)
    assert "default-src 'none'" in headers["content-security-policy"]

    one_click = {"Content-Type": "application/x-www-form-urlencoded"}
    person = path(sent, "u", TokenKind.PERSON)
    assert served.ask("POST", person, "List-Unsubscribe=One-Click", **one_click)[0] == 200
    assert wanted(sent) == ["schools"]
    assert served.ask("POST", person, "scope=all", **one_click)[0] == 200
    assert wanted(sent) == []

    assert served.ask("GET", "/c/nonsense")[0] == 404
    assert served.ask("GET", "/readyz")[0] == 200
    assert served.ask("GET", "/static/public/public.css")[0] == 200
    assert served.ask("HEAD", "/healthz")[0] == 200
    assert served.ask("GET", "/feeds/nothing.rss")[0] == 404


def wanted(sent: Sent) -> list[str]:
    rows = sent.subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    return sorted(rows.values_list("topic__slug", flat=True))


def test_letters_of_a_query_may_come_as_they_were_typed(served: Served) -> None:
    request = "GET /join/nobody?topic=Здраве HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as link:
        link.sendall(request.encode())
        answer = link.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 404 ")


def test_a_gigabyte_is_refused_before_it_is_sent(served: Served) -> None:
    link = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    link.putrequest("POST", "/api/v1/imports")
    link.putheader("Content-Length", str(1024**3))
    link.endheaders()

    answer = link.getresponse()

    assert (answer.status, json.loads(answer.read())["errors"][0]["pointer"]) == (413, "/file")
    link.close()
