"""The adapter against aiosmtpd: STARTTLS, TLS from the first byte, certificates and log-in."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

import channels
from channels import smtp_wire
from channels.base import Account, Message, Outcome, OutcomeKind
from tests.channels.certificate import make_certificate

LETTER = Message(
    id="d",
    to="ana@example.org",
    subject="Здравей, Ана",
    text="Текст\n.точка",
    html="<p>Текст</p>",
    message_id="d@x.org",
)


class Mailbox:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 Ok: queued as 1"


class QuietController(Controller):
    """Listens on a free port; the trial connection of the original would go to port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # asyncio's own server
        socket.create_connection(("127.0.0.1", self.port)).close()


class TlsController(QuietController):
    tls: ssl.SSLContext

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, host=self.hostname, port=0, ssl=self.tls)


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ana", "тайна".encode())
    return AuthResult(success=good, handled=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "peer.pem")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the peer's certificate as if the system did."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    smtp_wire._tls_context.cache_clear()
    monkeypatch.setattr(smtp_wire, "_tls_context", smtp_wire._tls_context.__wrapped__)


@contextmanager
def peer(certificate: Path, *, security: str) -> Iterator[tuple[Mailbox, Account]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    box = Mailbox()
    options: dict[str, Any] = {"authenticator": authenticate, "auth_require_tls": security == "starttls"}
    if security == "starttls":
        options.update(tls_context=context, require_starttls=True)
    kind = TlsController if security == "tls" else QuietController
    controller = kind(box, hostname="127.0.0.1", port=0, enable_SMTPUTF8=True, **options)
    if isinstance(controller, TlsController):
        controller.tls = context
    controller.start()
    try:
        settings = {
            "host": "127.0.0.1",
            "port": str(controller.port),
            "security": security,
            "sender": "Новини <n@example.org>",
        }
        yield box, Account(id="a", adapter="smtp", name="A", settings=settings, allow_private=("127.0.0.0/8",))
    finally:
        controller.stop()


def with_settings(account: Account, **settings: str) -> Account:
    return replace(account, settings={**account.settings, **settings})


def send(account: Account, *messages: Message) -> list[Outcome]:
    with channels.get("smtp").open(account) as session:
        return list(session.send(messages))


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.usefixtures("trusted")
def test_letter_arrives_whole_over_tls(certificate: Path, security: str) -> None:
    with peer(certificate, security=security) as (box, account):
        outcomes = send(account, LETTER)
        assert outcomes == [Outcome(id="d", kind=OutcomeKind.ACCEPTED, provider_id="1")]
        (envelope,) = box.envelopes
        parsed: Any = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert (envelope.mail_from, envelope.rcpt_tos) == ("n@example.org", ["ana@example.org"])
        assert (parsed["From"], parsed["Subject"]) == ("Новини <n@example.org>", "Здравей, Ана")
        assert parsed.get_body(("plain",)).get_content().splitlines() == ["Текст", ".точка"]
        assert parsed.get_body(("html",)).get_content().strip() == "<p>Текст</p>"


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.usefixtures("trusted")
def test_many_letters_over_several_tls_connections(certificate: Path, security: str) -> None:
    letters = [replace(LETTER, id=f"d{n}", to=f"u{n}@example.org", text="Текст\n" * 20_000) for n in range(20)]
    with peer(certificate, security=security) as (box, account):
        outcomes = send(account, *letters)
        assert {outcome.id: outcome.kind for outcome in outcomes} == {
            letter.id: OutcomeKind.ACCEPTED for letter in letters
        }
        assert sorted(envelope.rcpt_tos[0] for envelope in box.envelopes) == sorted(letter.to for letter in letters)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_certificate_nobody_signed_is_refused_unless_told_otherwise(certificate: Path, security: str) -> None:
    with peer(certificate, security=security) as (box, account):
        (outcome,) = send(account, LETTER)
        assert outcome.kind == OutcomeKind.ACCOUNT
        assert outcome.detail.startswith("The certificate of 127.0.0.1 is not to be trusted: ")
        assert box.envelopes == []
        (accepted,) = send(with_settings(account, verify="no"), LETTER)
        assert accepted.kind == OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    ("password", "kind"), [("тайна", OutcomeKind.ACCEPTED), ("wrong", OutcomeKind.ACCOUNT)], ids=["right", "wrong"]
)
@pytest.mark.usefixtures("trusted")
def test_log_in_over_starttls(certificate: Path, password: str, kind: OutcomeKind) -> None:
    with peer(certificate, security="starttls") as (_, account):
        (outcome,) = send(with_settings(account, username="ana", password=password), LETTER)
        assert outcome.kind == kind
        assert password not in outcome.detail


@pytest.mark.usefixtures("trusted")
def test_check_goes_as_far_as_the_log_in_and_sends_nothing(certificate: Path) -> None:
    with peer(certificate, security="starttls") as (box, account):
        check = channels.get("smtp").check
        assert check(with_settings(account, username="ana", password="тайна")) == []
        wrong = check(with_settings(account, username="ana", password="wrong"))
        assert [problem.remedy for problem in wrong] == ["Correct the user name and the password."]
        unverified = check(with_settings(account, verify="no"))
        assert [(problem.severity, problem.code) for problem in unverified] == [("warning", "unprotected")]
        assert box.envelopes == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [(b"220 peer ESMTP\r\n", OutcomeKind.ACCOUNT), (b"", OutcomeKind.TEMPORARY)],
    ids=["another protocol", "cut"],
)
def test_a_handshake_that_cannot_work_is_the_accounts_problem_and_a_cut_one_is_not(
    words: bytes, kind: OutcomeKind
) -> None:
    def serve(listener: socket.socket) -> None:
        opened, _ = listener.accept()
        with opened:
            opened.sendall(words)
            opened.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        settings = {"host": "127.0.0.1", "port": str(listener.getsockname()[1]), "security": "tls"}
        settings["sender"] = "n@example.org"
        account = Account(id="a", adapter="smtp", name="A", settings=settings, allow_private=("127.0.0.0/8",))
        (outcome,) = send(account, LETTER)
        thread.join(5)
    assert (outcome.kind, outcome.scope) == (kind, "account" if kind is OutcomeKind.TEMPORARY else outcome.scope)
    assert ("No encryption could be agreed on" in outcome.detail) is (kind is OutcomeKind.ACCOUNT)
