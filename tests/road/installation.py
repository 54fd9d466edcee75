"""A whole installation as an operator starts it: real processes, real sockets, driven by command line and HTTP only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = build_opener(_NoRedirect)


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that nobody uses now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65000 and all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_until(condition: Callable[[], T], *, seconds: float = 60, what: str = "") -> T:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}; last: {answer!r}")
        time.sleep(0.1)


@dataclass
class Installation:
    """`outreach run` with the sandbox in a data folder of its own."""

    data: Path
    environment: dict[str, str] = field(default_factory=dict)
    token: str = ""
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = free_ports(12)
        self.base = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTREACH_", "DATABASE_"))}
        self.environment = {
            **kept,
            "OUTREACH_DATA": str(self.data),
            "OUTREACH_PORT": str(self.port),
            "OUTREACH_SANDBOX": "true",
            "OUTREACH_ALLOW_PRIVATE": "127.0.0.0/8",
            **self.environment,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One `outreach` command."""
        command = [sys.executable, "-m", "outreach.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=self.environment)

    def start(self, *options: str) -> None:
        """`outreach run` with these options."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "outreach.cli", "run", *options],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        wait_until(self.is_up, seconds=180, what="the web process answers")

    @property
    def log(self) -> Path:
        return self.data / "run.log"

    @property
    def pid(self) -> int | None:
        """Process id of `outreach run`, where it was started."""
        return self._process.pid if self._process else None

    def is_up(self) -> bool:
        try:
            return self.http("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self) -> int:
        """Drain and stop; the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=40)

    def http(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
        """(status, body, headers) of one request; redirects are not followed."""
        url = path if path.startswith("http") else f"{self.base}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with _opener.open(Request(url, data=body, method=method, headers=named), timeout=30) as answer:
                return answer.status, answer.read(), answer.headers
        except HTTPError as error:
            return error.code, error.read(), error.headers

    def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body).encode()
        status, answer, _ = self.http(
            method, f"/api/v1{path}", content, Content_Type="application/json", Authorization=f"Bearer {self.token}"
        )
        return status, json.loads(answer) if answer else None

    def make(self, path: str, body: Any) -> Any:
        """POST that must create."""
        status, answer = self.api("POST", path, body)
        assert status in (200, 201, 202), answer
        return answer

    def upload(self, path: str, name: str, content: bytes, **fields: str) -> Any:
        boundary = "outreach-road-test"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: text/csv\r\n\r\n".encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        status, answer, _ = self.http(
            "POST",
            f"/api/v1{path}",
            b"".join(parts),
            Content_Type=f"multipart/form-data; boundary={boundary}",
            Authorization=f"Bearer {self.token}",
        )
        assert status == 202, answer
        return json.loads(answer)

    def sandbox(self, channel: str) -> list[dict[str, Any]]:
        """Everything that the local peers got on a channel, newest first."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            _, page = self.api("GET", f"/sandbox/messages?channel={channel}&limit=1000&cursor={cursor}")
            items += page["items"]
            cursor = page["next_cursor"] or ""
            if not cursor:
                return items
