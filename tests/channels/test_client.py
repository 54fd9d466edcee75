from __future__ import annotations

import gzip
import pickle
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels import client
from channels.base import (
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    OutcomeKind,
    OutcomeUnknown,
    PermanentFailure,
    TemporaryFailure,
)
from channels.client import GuardedTransport, fetch, guard
from tests.channels.scripted import BREAK_OFF, DROP, ENDLESS, STALL, Http, ScriptedPeer, running

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def peer() -> Iterator[ScriptedPeer]:
    with running(ScriptedPeer(lambda request: Http(200, {"path": request.path}), provider="")) as peer:
        yield peer


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_SECONDS", 0.3)


def open_session(**settings: object) -> requests.Session:
    return guard(requests.Session(), GuardedTransport(allow_private=LOOPBACK, **settings))  # type: ignore[arg-type]  # a test's own choice


def test_connection_is_kept_between_calls(peer: ScriptedPeer) -> None:
    with open_session() as session:
        answers = [session.post(f"{peer.url}/{n}", data=b"x").json() for n in range(3)]
    assert answers == [{"path": "/0"}, {"path": "/1"}, {"path": "/2"}]
    assert peer.connections == 1


def test_sdks_host_is_replaced_by_the_stand_in(peer: ScriptedPeer) -> None:
    with open_session(base_url=peer.url + "/stand-in/", instead_of="https://api.example.com") as session:
        answer = session.get("https://api.example.com/v1/things?a=b")
    assert answer.json() == {"path": "/stand-in/v1/things?a=b"}
    assert peer.requests[0].headers["host"] == peer.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (DROP, "The connection broke before the answer: ConnectionError"),
        (STALL, None),
        (BREAK_OFF, None),
        (b"not HTTP at all\r\n\r\n", "The connection broke before the answer: ConnectionError"),
    ],
    ids=["dropped", "stalled", "broken off", "garbage"],
)
@pytest.mark.usefixtures("short_waits")
def test_request_without_an_answer_is_unknown_and_leaves_once(
    peer: ScriptedPeer, answer: object, detail: str | None
) -> None:
    peer.answer(answer)
    with open_session() as session, pytest.raises(OutcomeUnknown) as caught:
        session.post(f"{peer.url}/send", data=b"x")
    assert detail in (None, caught.value.detail)
    assert peer.attempts == ["/send"]


@pytest.mark.usefixtures("short_waits")
def test_stale_connection_is_not_a_reason_to_send_twice(peer: ScriptedPeer) -> None:
    with open_session() as session:
        session.post(f"{peer.url}/first", data=b"x")
        peer.answer(DROP)
        with pytest.raises(OutcomeUnknown):
            session.post(f"{peer.url}/second", data=b"x")
    assert peer.attempts == ["/first", "/second"]


@pytest.mark.usefixtures("short_waits")
def test_answer_that_drips_is_cut_off(peer: ScriptedPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    drip_head = threading.Event()

    def drip(connection: object, answer: object) -> bool:
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 600:
            if drip_head.wait(0.05):
                break
            connection.sendall(bytes([letter]))  # type: ignore[attr-defined]  # a socket
        return False

    monkeypatch.setattr(peer, "_reply", drip)
    started = time.monotonic()
    with open_session() as session, pytest.raises(OutcomeUnknown):
        session.post(f"{peer.url}/send", data=b"x")
    drip_head.set()
    assert time.monotonic() - started < 5


def test_nobody_listening_is_temporary_for_the_whole_account(peer: ScriptedPeer) -> None:
    peer.stop()
    with open_session() as session, pytest.raises(AccountWideFailure) as caught:
        session.post(f"{peer.url}/send", data=b"x")
    outcome = caught.value.outcome("m")
    assert (outcome.kind, outcome.scope, outcome.reason) == (OutcomeKind.TEMPORARY, "account", "temporary")


def test_private_address_is_refused(peer: ScriptedPeer) -> None:
    with guard(requests.Session(), GuardedTransport()) as session, pytest.raises(AccountProblem):
        session.post(f"{peer.url}/send", data=b"x")
    assert peer.requests == []


def test_name_is_looked_up_once_and_the_checked_address_is_used(
    peer: ScriptedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def check(host: str, port: int, allow_private: object) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    monkeypatch.setattr(client, "check_host", check)
    port = peer.url.rpartition(":")[2]
    with open_session() as session:
        for _ in range(2):
            assert session.get(f"http://provider.invalid:{port}/a").status_code == 200
    assert asked == ["provider.invalid"]
    assert {request.headers["host"] for request in peer.requests} == {f"provider.invalid:{port}"}


def test_resolver_that_is_silent_is_temporary_for_the_whole_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "no")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with open_session() as session, pytest.raises(AccountWideFailure, match="looked up"):
        session.post("https://provider.invalid/send", data=b"x")


def test_next_address_is_tried_only_when_nothing_left(peer: ScriptedPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "check_host", lambda *_: ["127.0.0.2", "127.0.0.1"])
    with open_session() as session:
        assert session.post(f"{peer.url}/send", data=b"x").status_code == 200
    assert peer.attempts == ["/send"]


def test_certificate_is_that_of_the_name_though_an_address_is_connected_to(tmp_path: Path) -> None:
    with tls_listener(tmp_path, "localhost") as (port, certificate), open_session() as session:
        answer = session.post(f"https://localhost:{port}/send", data=b"x", verify=str(certificate))
        assert (answer.status_code, answer.content) == (200, b"ok")


@pytest.mark.parametrize(("name", "is_trusted"), [("localhost", False), ("other.example.org", True)])
def test_certificate_that_proves_nothing_is_an_account_problem(tmp_path: Path, name: str, *, is_trusted: bool) -> None:
    with (
        tls_listener(tmp_path, name) as (port, certificate),
        open_session() as session,
        pytest.raises(AccountProblem) as caught,
    ):
        session.post(f"https://localhost:{port}/send", data=b"x", verify=str(certificate) if is_trusted else True)
    assert caught.value.detail.startswith("The certificate of localhost is not valid: ")


def test_server_that_speaks_no_tls_got_nothing(peer: ScriptedPeer) -> None:
    with open_session() as session, pytest.raises(AccountWideFailure):
        session.post(peer.url.replace("http:", "https:") + "/send", data=b"x")
    assert peer.attempts == []


@pytest.mark.parametrize("answer", [ENDLESS, Http(200, b"x" * 3000)], ids=["endless", "long"])
def test_long_answer_is_not_read_to_its_end(peer: ScriptedPeer, answer: object) -> None:
    peer.answer(answer)
    with open_session(limit=2000) as session, pytest.raises(OutcomeUnknown, match="longer than 2000 bytes"):
        session.post(f"{peer.url}/send", data=b"x")


def test_small_answer_that_unpacks_to_a_long_one_is_not_read(peer: ScriptedPeer) -> None:
    peer.answer(Http(200, gzip.compress(b"x" * 5_000_000), {"Content-Encoding": "gzip"}))
    with open_session() as session, pytest.raises(OutcomeUnknown):
        session.post(f"{peer.url}/send", data=b"x")


def test_packed_answer_is_unpacked(peer: ScriptedPeer) -> None:
    peer.answer(Http(200, gzip.compress(b'{"a": "b"}'), {"Content-Encoding": "gzip"}))
    with open_session() as session:
        assert session.post(f"{peer.url}/send", data=b"x").json() == {"a": "b"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_call_that_sends_follows_no_redirect(peer: ScriptedPeer, status: int) -> None:
    peer.answer(Http(status, headers={"Location": peer.url + "/elsewhere"}))
    with open_session() as session, pytest.raises(AccountProblem, match="elsewhere"):
        session.post(f"{peer.url}/send", data=b"x")
    assert peer.attempts == ["/send"]


def test_fetch_follows_redirects_but_not_to_private_networks(peer: ScriptedPeer) -> None:
    port = peer.url.rpartition(":")[2]
    peer.answer(Http(302, headers={"Location": "/new"}))
    answer = fetch(f"{peer.url}/old", allow_private=(f"127.0.0.1:{port}",))
    assert (answer.status, answer.json(), answer.url) == (200, {"path": "/new"}, f"{peer.url}/new")

    peer.answer(Http(302, headers={"Location": "http://127.0.0.1:1/admin"}))
    with pytest.raises(AccountProblem):
        fetch(f"{peer.url}/old", allow_private=(f"127.0.0.1:{port}",))


@pytest.mark.parametrize("address", ["http://x.example:99999/", "http://x.example:smtp/", "http://[::1/"])
def test_fetch_follows_no_redirect_to_what_is_no_address(peer: ScriptedPeer, address: str) -> None:
    peer.answer(Http(302, headers={"Location": address}))
    with pytest.raises(PermanentFailure, match="cannot be read"):
        fetch(f"{peer.url}/old", allow_private=LOOPBACK)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "127.1", "[::ffff:127.0.0.1]", "169.254.169.254", "168.63.129.16", "0xa83f8110", "localhost"],
)
def test_fetch_follows_no_redirect_to_a_private_address_however_it_is_written(peer: ScriptedPeer, host: str) -> None:
    port = peer.url.rpartition(":")[2]
    peer.answer(Http(302, headers={"Location": f"http://{host}:1/latest/meta-data"}))
    with pytest.raises(AccountProblem, match="private network"):
        fetch(f"{peer.url}/old", allow_private=(f"127.0.0.1:{port}",))


def test_fetch_gives_up_on_circles_and_other_schemes(peer: ScriptedPeer) -> None:
    peer.answer(*[Http(302, headers={"Location": "/again"})] * 9)
    with pytest.raises(PermanentFailure):
        fetch(f"{peer.url}/again", allow_private=LOOPBACK)
    with pytest.raises(ChannelError):
        fetch("file:///etc/passwd", allow_private=LOOPBACK)


def test_environment_changes_nothing(peer: ScriptedPeer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    fetch(f"{peer.url}/", allow_private=LOOPBACK)
    assert "authorization" not in peer.requests[0].headers


def test_errors_survive_pickling() -> None:
    error = AccountWideFailure("busy", reason="rate_limited", retry_after=3.0, status=429)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes
    assert (type(again), again.detail, again.outcome("m")) == (AccountWideFailure, "busy", error.outcome("m"))
    assert isinstance(again, TemporaryFailure)


@contextmanager
def tls_listener(folder: Path, name: str) -> Iterator[tuple[int, Path]]:
    """A TLS server for `name` that answers every request with "ok"; its port and its certificate."""
    certificate = make_certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_over_tls, args=(listener, context), daemon=True).start()
        yield listener.getsockname()[1], certificate


def answer_over_tls(listener: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                request = b""
                # What is left unread at the close would reset the connection under the answer.
                while not request.endswith(b"\r\n\r\nx") and (piece := connection.recv(65536)):
                    request += piece
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate for `name` that is its own authority, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "peer.pem"
    file.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file
