"""The one HTTP door: every request of an adapter, its SDK or the reader of feeds leaves through here.

It bounds time and size, connects only where `channels.addresses` allows and only to the address that was checked,
follows no redirect of a call that sends something, and never retries. SDKs are pointed through it by mounting
`GuardedTransport` on the `requests` session they bring. What an answer means is said in `channels.exchange`.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError
from urllib3.util.ssl_match_hostname import CertificateError

from channels.addresses import check_host
from channels.base import (
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    OutcomeUnknown,
    PermanentFailure,
)

#: Together under a quarter of a worker's lease, which one call must not outlast.
CONNECT_SECONDS: Final = 4.0
READ_SECONDS: Final = 10.0
#: Longest answer of a provider's API; feeds ask for more.
ANSWER_BYTES: Final = 1 << 20

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: How long a checked address is used before the name is looked up again, seconds.
_ADDRESS_SECONDS: Final = 60.0
_MOST_REDIRECTS: Final = 5
#: What a header says of the bytes on the wire is not true of the body that was read.
_OF_THE_TRANSFER: Final = ("content-encoding", "content-length", "transfer-encoding")

# The SDKs log whole requests, with credentials and recipients, at DEBUG and INFO.
for _noisy in ("tweepy", "python_http_client", "twilio", "requests_oauthlib", "oauthlib"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer, read to its end and within the limit."""

    status: int
    #: Lower-case names.
    headers: Mapping[str, str]
    body: bytes
    #: Where the answer came from in the end, after redirects.
    url: str = ""

    def json(self) -> Any:
        """The body as JSON, or None where it is not JSON."""
        with suppress(ValueError, RecursionError):
            return json.loads(self.body)
        return None


class _CutOff:
    """Bounds the wait for an answer's head as a whole; a socket's own timeout starts again with each byte."""

    def getresponse(self) -> Any:
        connection: Any = self
        seconds = connection.timeout if isinstance(connection.timeout, int | float) else READ_SECONDS
        timer = threading.Timer(seconds, _shut, args=(connection.sock,))
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()  # type: ignore[misc]  # the mixin's neighbour in the order of classes has it
        finally:
            timer.cancel()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class _PlainConnection(_CutOff, HTTPConnection):
    pass


class _SecureConnection(_CutOff, HTTPSConnection):
    def connect(self) -> None:
        # A handshake that fails or stalls would look like an answer that never came; but no request has left yet.
        try:
            super().connect()
        except (OSError, CertificateError) as err:
            raise NewConnectionError(self, str(err)) from err


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class GuardedTransport(HTTPAdapter):
    """A `requests` transport that is the door itself: mounted on a session, nothing of the session goes around it.

    `base_url` with `instead_of` sends what an SDK addresses to its provider to a stand-in at `base_url`.

    Raises, from `send`, only errors of `channels.base`: AccountWideFailure where no byte of the request left,
    OutcomeUnknown where it left and no whole answer came, AccountProblem where the address is not allowed.
    """

    def __init__(
        self,
        *,
        allow_private: Iterable[str] = (),
        base_url: str = "",
        instead_of: str = "",
        follow: bool = False,
        limit: int = ANSWER_BYTES,
    ) -> None:
        self._allow_private = tuple(allow_private)
        self._base_url = base_url.rstrip("/")
        self._instead_of = instead_of.rstrip("/")
        self._follow = follow
        self._limit = limit
        self._addresses: dict[tuple[str, int], tuple[float, list[str]]] = {}
        super().__init__(max_retries=0, pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(request, verify, cert)
        if host_params["scheme"] != "https":
            return host_params, pool_kwargs
        # We connect to an address; the certificate must be that of the name.
        name = _split_host(str(request.headers["Host"]))
        return host_params, {**pool_kwargs, "server_hostname": name, "assert_hostname": name}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001,FBT002 -- the signature of requests
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002 -- the signature of requests
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        request.url = self._redirected_to_stand_in(str(request.url))
        started = time.monotonic()
        response = self._connect_and_send(request, verify=verify)
        answer = self._read(request, response, deadline=started + CONNECT_SECONDS + READ_SECONDS)
        if answer.is_redirect and not self._follow:
            raise AccountProblem(
                f"The provider sent us on to {answer.headers.get('Location', '')[:200]}; correct the base URL.",
                reason="account_problem",
                status=answer.status_code,
            )
        return answer

    def _redirected_to_stand_in(self, url: str) -> str:
        if self._base_url and self._instead_of and url.startswith(self._instead_of + "/"):
            return self._base_url + url.removeprefix(self._instead_of)
        return url

    def _connect_and_send(self, request: requests.PreparedRequest, *, verify: Any) -> requests.Response:
        """Try the name's addresses in turn until one takes the connection; the request itself leaves once."""
        target = urlsplit(str(request.url))
        give_up_at = time.monotonic() + CONNECT_SECONDS
        refusal: ChannelError = AccountWideFailure(f"{target.hostname} could not be reached.", reason="temporary")
        for address in self._checked_addresses(target):
            try:
                return super().send(
                    _pinned(request, target, address),
                    stream=True,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    verify=verify,
                )
            except requests.RequestException as err:
                if not _never_left(err):
                    raise OutcomeUnknown(_what_broke(err), reason="no_answer") from err
                refusal = _not_reached(target, err)
            if time.monotonic() >= give_up_at:
                break
        self._addresses.clear()
        raise refusal

    def _checked_addresses(self, target: SplitResult) -> list[str]:
        host, port = target.hostname or "", target.port or _DEFAULT_PORTS.get(target.scheme, 0)
        checked_at, addresses = self._addresses.get((host, port), (0.0, []))
        if not addresses or time.monotonic() - checked_at > _ADDRESS_SECONDS:
            addresses = check_host(host, port, self._allow_private)
            self._addresses[(host, port)] = (time.monotonic(), addresses)
        return addresses

    def _read(
        self, request: requests.PreparedRequest, response: requests.Response, *, deadline: float
    ) -> requests.Response:
        """The same answer with its body read, bounded in bytes and in time."""
        body, source = io.BytesIO(), response.raw
        try:
            while chunk := source.read1(1 << 16, decode_content=True):
                body.write(chunk)
                if body.tell() > self._limit:
                    raise OutcomeUnknown(f"The answer is longer than {self._limit} bytes.", reason="no_answer")
                if time.monotonic() > deadline:
                    raise OutcomeUnknown("The answer did not end in time.", reason="no_answer")
        except (urllib3.exceptions.HTTPError, OSError) as err:
            source.close()
            raise OutcomeUnknown(f"The answer broke off: {err}", reason="no_answer") from err
        except OutcomeUnknown:
            source.close()
            raise
        source.release_conn()
        body.seek(0)
        headers = {name: value for name, value in source.headers.items() if name.lower() not in _OF_THE_TRANSFER}
        whole = urllib3.HTTPResponse(
            body=body, headers=headers, status=source.status, reason=source.reason, preload_content=False
        )
        return self.build_response(request, whole)


def _pinned(request: requests.PreparedRequest, target: SplitResult, address: str) -> requests.PreparedRequest:
    """The request addressed to the checked address itself, so that no second look-up can lead it elsewhere."""
    literal = f"[{address}]" if ":" in address else address
    port = f":{target.port}" if target.port else ""
    pinned = request.copy()
    pinned.headers["Host"] = target.netloc.rpartition("@")[2]
    pinned.url = urlunsplit(target._replace(netloc=literal + port))
    return pinned


def _split_host(netloc: str) -> str:
    return urlsplit(f"//{netloc}").hostname or ""


def _never_left(error: requests.RequestException) -> bool:
    return isinstance(_root(error), NewConnectionError | ConnectTimeoutError)


def _root(error: requests.RequestException) -> object:
    cause = error.args[0] if error.args else error
    return cause.reason if isinstance(cause, MaxRetryError) else cause


def _not_reached(target: SplitResult, error: requests.RequestException) -> ChannelError:
    root = _root(error)
    why = root.__cause__ if isinstance(root, BaseException) and root.__cause__ is not None else root
    if isinstance(why, ssl.SSLCertVerificationError | CertificateError):
        detail = f"The certificate of {target.hostname} is not valid: {getattr(why, 'verify_message', why)}"
        return AccountProblem(detail, reason="account_problem")
    return AccountWideFailure(f"{target.hostname} could not be reached: {why}", reason="temporary")


def _what_broke(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "The provider did not answer in time."
    return f"The connection broke before the answer: {type(error).__name__}"


def guard(session: requests.Session, transport: GuardedTransport) -> requests.Session:
    """Lead everything that `session` does through `transport`: no proxy, .netrc or redirect goes around it."""
    session.trust_env = False
    session.max_redirects = _MOST_REDIRECTS
    session.adapters.clear()
    session.mount("https://", transport)
    session.mount("http://", transport)
    return session


def fetch(
    url: str, *, headers: Mapping[str, str] | None = None, allow_private: Iterable[str] = (), limit: int = ANSWER_BYTES
) -> Answer:
    """Read `url` by GET, following at most five redirects, each checked like the first address.

    Raises:
        ChannelError: there is no answer within the limits.
    """
    transport = GuardedTransport(allow_private=allow_private, follow=True, limit=limit)
    with guard(requests.Session(), transport) as session:
        try:
            return as_answer(session.get(url, headers=headers))
        except (requests.RequestException, ValueError) as err:  # a redirect may name what is no address at all
            raise PermanentFailure(f"{url} cannot be read: {err}") from err


def as_answer(response: requests.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=response.content, url=response.url)
