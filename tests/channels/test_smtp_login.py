"""Logging in to a mail server by each mechanism, and the policies of encryption, against real peers on loopback."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from scramp import ScramMechanism

import channels
from channels import oauth
from channels.base import Account, AccountProblem, Message, OutcomeKind
from channels.smtp import Smtp
from channels.smtp_login import choose
from tests.channels.certificate import make_certificate
from tests.channels.smtp_peer import Dialogue, MailServer
from tests.channels.test_smtp_tls import peer, send, with_settings

LETTER = Message(id="d", to="ana@example.org", subject="S", text="T", message_id="d@x.org")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "login.pem")


CHOICES = [
    ("auto", "PLAIN LOGIN SCRAM-SHA-256", True, True, "PLAIN"),
    ("auto", "CRAM-MD5 SCRAM-SHA-256", True, True, "SCRAM-SHA-256"),
    ("auto", "PLAIN CRAM-MD5 SCRAM-SHA-256", False, True, "SCRAM-SHA-256"),
    ("auto", "PLAIN CRAM-MD5", False, True, "CRAM-MD5"),
    ("auto", "LOGIN PLAIN", False, True, "PLAIN"),
    ("auto", "CRAM-MD5 PLAIN", False, False, "CRAM-MD5"),
    ("scram-sha-256", "PLAIN SCRAM-SHA-256", True, True, "SCRAM-SHA-256"),
    ("xoauth2", "PLAIN XOAUTH2", True, True, "XOAUTH2"),
    ("auto", "PLAIN LOGIN", False, False, "The connection is not encrypted, so no password is told."),
    ("xoauth2", "XOAUTH2", False, False, "The connection is not encrypted, so no password is told."),
    ("xoauth2", "PLAIN", True, True, "The server does not offer to log in by XOAUTH2."),
    ("auto", "NTLM", True, True, "The server offers no way to log in that we know."),
]


@pytest.mark.parametrize(("wanted", "offered", "is_protected", "may_tell", "expected"), CHOICES)
def test_the_mechanism_is_chosen(wanted: str, offered: str, is_protected: bool, may_tell: bool, expected: str) -> None:
    try:
        chosen = choose(wanted, offered.split(), is_protected=is_protected, may_tell=may_tell)
    except AccountProblem as problem:
        chosen = problem.detail

    assert chosen == expected


class Speaking(Dialogue):
    """A mail server that knows SCRAM-SHA-256, and access tokens."""

    def _log_in(self) -> bool:
        command = self._server.commands[-1].split()
        first = base64.b64decode(command[2]).decode()
        ways = {"SCRAM-SHA-256": self._scram, "XOAUTH2": self._token, "OAUTHBEARER": self._token}
        return ways[command[1]](first)

    def _hear(self) -> str:
        return base64.b64decode(self._lines.readline()).decode()

    def _challenge(self, text: str) -> None:
        self._say(f"334 {base64.b64encode(text.encode()).decode()}")

    def _scram(self, first: str) -> bool:
        mechanism = ScramMechanism("SCRAM-SHA-256")
        known = mechanism.make_auth_info(self._server.password)
        server = mechanism.make_server(lambda _name: known)
        server.set_client_first(first)
        self._challenge(server.get_server_first())
        try:
            server.set_client_final(self._hear())
        except Exception:
            return self._say("535 5.7.8 wrong password")
        final = server.get_server_final()
        self._challenge("v=" + "A" * 43 + "=" if self._server.banner.endswith("forger") else final)
        return self._lines.readline() == b"\r\n" and self._say("235 2.7.0 in")

    def _token(self, first: str) -> bool:
        if f"auth=Bearer {self._server.password}\x01\x01" in first:
            self._server.commands.append(first)
            return self._say("235 2.7.0 in")
        self._challenge('{"status":"401"}')
        self._server.commands.append(repr(self._lines.readline()))
        return self._say("535 5.7.8 wrong token")


class SpeakingServer(MailServer):
    def dialogue(self, opened: Any) -> Dialogue:
        return Speaking(self, opened)


@contextmanager
def speaking(**options: Any) -> Iterator[SpeakingServer]:
    server = SpeakingServer(**{"extensions": ("AUTH SCRAM-SHA-256 XOAUTH2 OAUTHBEARER",), **options})
    try:
        yield server
    finally:
        server.stop()


def outcome_of(account: Any) -> tuple[OutcomeKind, str]:
    with channels.get("smtp").open(account) as session:
        (outcome,) = session.send([LETTER])
    return outcome.kind, outcome.detail


def test_scram_proves_the_password_without_telling_it() -> None:
    with speaking(password="тайна") as server:
        good = outcome_of(server.account_with(username="ana", password="тайна"))
        wrong = outcome_of(server.account_with(username="ana", password="друга"))

    assert (good[0], wrong) == (OutcomeKind.ACCEPTED, (OutcomeKind.ACCOUNT, "535 5.7.8 wrong password"))
    assert not any(base64.b64encode("тайна".encode()).decode() in command for command in server.commands)


def test_a_server_that_does_not_know_the_password_itself_gets_no_mail() -> None:
    with speaking(password="тайна", banner="220 forger") as server:
        kind, detail = outcome_of(server.account_with(username="ana", password="тайна"))

    assert (kind, server.messages) == (OutcomeKind.TEMPORARY, [])
    assert "The server does not prove that it knows the password" in detail


class TokenServer:
    """Gives access tokens out, as it is told to; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.asked.append({name: values[0] for name, values in parse_qs(body).items()})
                status, answer = outer.answers.pop(0)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/token"


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    monkeypatch.setattr(oauth, "_kept", {})
    server = TokenServer()
    yield server
    server.server.shutdown()
    server.server.server_close()


def account_with_tokens(server: MailServer, tokens: TokenServer, **settings: str) -> Any:
    base = {"username": "a=na", "auth": "xoauth2", "oauth_url": tokens.url, "oauth_client_id": "us"}
    account = server.account_with(**{**base, "oauth_client_secret": "secret", **settings})
    return type(account)(**{**vars(account), "allow_private": ("127.0.0.0/8",)})


@pytest.mark.parametrize(
    ("mechanism", "said"),
    [
        ("xoauth2", "user=a=na\x01auth=Bearer t1\x01\x01"),
        ("oauthbearer", "n,a=a=3Dna,\x01host=127.0.0.1\x01port={port}\x01auth=Bearer t1\x01\x01"),
    ],
)
def test_an_access_token_is_asked_for_once_and_logs_in(tokens: TokenServer, mechanism: str, said: str) -> None:
    tokens.answers = [(200, {"access_token": "t1", "expires_in": 3600})]
    with speaking(password="t1") as server:
        account = account_with_tokens(server, tokens, auth=mechanism, oauth_scope="mail")
        kinds = [outcome_of(account)[0] for _ in range(2)]

    assert kinds == [OutcomeKind.ACCEPTED] * 2
    assert tokens.asked == [
        {"grant_type": "client_credentials", "client_id": "us", "client_secret": "secret", "scope": "mail"}
    ]
    assert said.format(port=server.port) in server.commands


def test_a_refused_token_is_forgotten_and_the_next_one_asked_for(tokens: TokenServer) -> None:
    tokens.answers = [(200, {"access_token": "old"}), (200, {"access_token": "new", "expires_in": "3600"})]
    with speaking(password="new") as server:
        account = account_with_tokens(server, tokens, oauth_client_secret="", oauth_refresh_token="r")
        first, second = outcome_of(account), outcome_of(account)

    assert first == (OutcomeKind.ACCOUNT, "535 5.7.8 wrong token")
    assert second[0] == OutcomeKind.ACCEPTED
    assert tokens.asked == [{"grant_type": "refresh_token", "refresh_token": "r", "client_id": "us"}] * 2
    assert repr(b"\r\n") in server.commands, "after a refusal the client says an empty line"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"error": "invalid_grant", "error_description": "revoked"}), OutcomeKind.ACCOUNT),
        ((503, b"busy"), OutcomeKind.TEMPORARY),
        ((200, {"token": "x"}), OutcomeKind.ACCOUNT),
        ((200, {"access_token": "a\r\nRSET"}), OutcomeKind.ACCOUNT),
    ],
)
def test_what_a_server_of_tokens_may_say(tokens: TokenServer, answer: tuple[int, Any], kind: OutcomeKind) -> None:
    tokens.answers = [answer]
    with speaking() as server:
        found, detail = outcome_of(account_with_tokens(server, tokens))

    assert found == kind
    assert detail.startswith(f"No access token from {tokens.url}: {answer[0]}")
    assert "secret" not in detail


def test_a_server_of_tokens_that_is_away_is_no_fault_of_the_account(tokens: TokenServer, free_port: int) -> None:
    with speaking() as server:
        account = account_with_tokens(server, tokens, oauth_url=f"http://127.0.0.1:{free_port}/token")
        assert outcome_of(account)[0] == OutcomeKind.TEMPORARY


def test_opportunistic_encryption_takes_what_is_offered_and_tells_no_password_without(certificate: Path) -> None:
    with peer(certificate, security="starttls") as (box, account):
        (outcome,) = send(with_settings(account, security="opportunistic", username="ana", password="тайна"), LETTER)
        assert (outcome.kind, len(box.envelopes)) == (OutcomeKind.ACCEPTED, 1)
    with speaking(extensions=("8BITMIME", "AUTH PLAIN LOGIN")) as server:
        assert outcome_of(server.account_with(security="opportunistic"))[0] == OutcomeKind.ACCEPTED
        assert outcome_of(server.account_with(security="opportunistic", username="ana", password="тайна")) == (
            OutcomeKind.ACCOUNT,
            "The connection is not encrypted, so no password is told.",
        )


def test_a_certificate_of_ones_own_authority_is_trusted(certificate: Path) -> None:
    own = certificate.read_text().partition("-----BEGIN CERTIFICATE-----")
    with peer(certificate, security="starttls") as (_box, account):
        refused = send(account, LETTER)[0].kind
        trusted = send(with_settings(account, tls_trusted=(own[1] + own[2]).strip()), LETTER)[0].kind

    assert (refused, trusted) == (OutcomeKind.ACCOUNT, OutcomeKind.ACCEPTED)


def test_a_server_that_knows_only_older_tls_is_refused(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def serve(listener: socket.socket) -> None:
        opened, _ = listener.accept()
        with opened, suppress(OSError), context.wrap_socket(opened, server_side=True):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        settings = {"host": "127.0.0.1", "port": str(listener.getsockname()[1]), "security": "tls", "verify": "no"}
        settings |= {"sender": "n@example.org", "tls_minimum": "1.3"}
        account = Account(id="a", adapter="smtp", name="A", settings=settings, allow_private=("127.0.0.0/8",))
        kind, detail = outcome_of(account)
        thread.join(5)

    assert kind == OutcomeKind.ACCOUNT
    assert detail.startswith("No encryption could be agreed on with 127.0.0.1")


@pytest.mark.parametrize(
    ("settings", "kept", "faults"),
    [
        ({"tls_trusted": "-----BEGIN nothing"}, (), [("tls_trusted", "invalid_certificate")]),
        ({"tls_trusted": "сертификат"}, (), [("tls_trusted", "invalid_certificate")]),
        ({"auth": "xoauth2", "username": "a", "oauth_url": "https://x", "oauth_client_id": "us"}, (),
         [("oauth_client_secret", "no_token")]),
        ({"auth": "xoauth2", "username": "a", "oauth_url": "https://x", "oauth_client_id": "us"},
         ("oauth_refresh_token",), []),
        ({"auth": "oauthbearer"}, ("oauth_client_secret",),
         [("username", "no_token"), ("oauth_url", "no_token"), ("oauth_client_id", "no_token")]),
        ({"auth": "auto"}, (), []),
    ],
)  # fmt: skip
def test_the_form_says_what_is_missing(
    settings: dict[str, str], kept: tuple[str, ...], faults: list[tuple[str, str]]
) -> None:
    assert [(fault.field, fault.code) for fault in Smtp().find_faults(settings, kept)] == faults
