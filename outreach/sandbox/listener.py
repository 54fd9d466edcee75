"""The HTTP under the phone, social and SendGrid peers: loopback only, HTTP/1.1 with connections kept open."""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import psycopg

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
_LONGEST_BODY: Final = 10 << 20


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as a peer sees it."""

    method: str
    path: str
    query: Mapping[str, str]
    #: Lower-case names.
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a peer answers."""

    status: int
    #: Sent as JSON; None for no body.
    body: Mapping[str, Any] | list[Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpPeer(ABC):
    """A provider's stand-in on a port of loopback; a context manager. Port 0 takes a free one."""

    def __init__(self, port: int) -> None:
        peer = self

        class Handler(_Handler):
            def answer(self, call: Call) -> Reply:
                return peer.answer_or_fail(call)

        self._server = _Server((LOOPBACK, port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name=type(self).__name__, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @abstractmethod
    def answer(self, call: Call) -> Reply:
        """Answer as the provider would, after what must be kept is kept."""

    def answer_or_fail(self, call: Call) -> Reply:
        try:
            return self.answer(call)
        except psycopg.Error as err:
            logger.warning("The sandbox could not answer %s %s: %s", call.method, call.path, err)
            return Reply(status=503, body={"message": "The sandbox cannot keep messages now."})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def answer(self, call: Call) -> Reply:
        raise NotImplementedError

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LONGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._write(Reply(status=413))
            return
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
        )
        self._write(self.answer(call))

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 -- the names that http.server calls

    def _write(self, reply: Reply) -> None:
        body = b"" if reply.body is None else json.dumps(reply.body, ensure_ascii=False).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)
