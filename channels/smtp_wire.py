"""One SMTP connection: its handshake, which blocks under timeouts, and its bytes afterwards, which never block."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from channels.addresses import connect_to
from channels.base import Account, AccountProblem, AccountWideFailure
from channels.certificates import trust_besides
from channels.oauth import Grant
from channels.smtp_login import MECHANISMS, WITH_TOKENS, Credentials, choose, say
from channels.smtp_replies import NotSmtp, Reply, ReplyReader, Step, judge

CONNECT_SECONDS: Final = 10.0
REPLY_SECONDS: Final = 30.0
#: Oldest versions of TLS that an account may ask for.
TLS_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where to connect to and as whom: an account's settings, read and typed."""

    host: str
    port: int
    #: `starttls` and `tls` ask for encryption, `opportunistic` takes it where it is offered, `none` never does.
    security: str
    verify: bool
    tls_minimum: str
    tls_trusted: str
    credentials: Credentials
    sender: str
    #: Where returned mail goes; '' for the sender's address.
    bounce_address: str
    connections: int
    allow_private: tuple[str, ...]

    @classmethod
    def of(cls, account: Account) -> Self:
        """Read the settings of an account.

        Raises:
            AccountProblem: a number is none.
        """
        settings = account.settings
        host, port = str(settings.get("host") or "").strip(), _number(settings, "port", 587)
        return cls(
            host=host,
            port=port,
            security=str(settings.get("security") or "starttls"),
            verify=str(settings.get("verify") or "yes") != "no",
            tls_minimum=_choice(settings, "tls_minimum", tuple(TLS_VERSIONS)),
            tls_trusted=str(settings.get("tls_trusted") or ""),
            credentials=_credentials(account, host, port),
            sender=str(settings.get("sender") or ""),
            bounce_address=str(settings.get("bounce_address") or "").strip(),
            connections=max(1, min(50, _number(settings, "connections", 4))),
            allow_private=account.allow_private,
        )

    @property
    def is_verified(self) -> bool:
        """Whether the server has to prove who it is; with `opportunistic` it does not (RFC 7435)."""
        return self.verify and self.security in ("starttls", "tls")


def _credentials(account: Account, host: str, port: int) -> Credentials:
    texts = {name: str(value) for name, value in account.settings.items() if isinstance(value, str)}
    mechanism = _choice(account.settings, "auth", MECHANISMS)
    grant = Grant(
        token_url=texts.get("oauth_url", ""),
        client_id=texts.get("oauth_client_id", ""),
        client_secret=texts.get("oauth_client_secret", ""),
        refresh_token=texts.get("oauth_refresh_token", ""),
        scope=texts.get("oauth_scope", ""),
        allow_private=account.allow_private,
    )
    return Credentials(
        username=texts.get("username", ""),
        password=texts.get("password", ""),
        mechanism=mechanism,
        grant=grant if mechanism in WITH_TOKENS else None,
        host=host,
        port=port,
    )


def _choice(settings: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    chosen = str(settings.get(name) or choices[0])
    if chosen not in choices:
        raise AccountProblem(f"The setting {name} is none of {', '.join(choices)}.")
    return chosen


def _number(settings: Mapping[str, object], name: str, default: int) -> int:
    text = str(settings.get(name) or default)
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65_536):
        raise AccountProblem(f"The setting {name} is not a number that can be used: {text[:20]!r}.")
    return int(text)


class Connection:
    """Bytes out and replies in. After the handshake nothing here waits."""

    __slots__ = (
        "_is_encrypted",
        "_outbox",
        "_reader",
        "_sock",
        "broken",
        "extensions",
        "last_active",
        "queued",
        "written",
    )

    def __init__(self, sock: socket.socket, reader: ReplyReader, extensions: Mapping[str, str]) -> None:
        self._sock = sock
        self._is_encrypted = isinstance(sock, ssl.SSLSocket)
        self._reader = reader
        self._outbox: bytes | memoryview = b""
        self.extensions = extensions
        #: Bytes given to `write`, and how many of them the system took: what lies beyond never left.
        self.queued = 0
        self.written = 0
        self.broken: OSError | None = None
        self.last_active = time.monotonic()
        sock.settimeout(0)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def is_writing(self) -> bool:
        return bool(self._outbox)

    def write(self, data: bytes) -> None:
        """Queue the bytes and send what the system takes now."""
        self.queued += len(data)
        self._outbox = bytes(self._outbox) + data if self._outbox else data
        self.flush()

    def flush(self) -> None:
        """Send what is queued; a failure is kept in `broken`, since the server's last words may still be readable."""
        try:
            while self._outbox and self.broken is None:
                sent = self._sock.send(self._outbox)
                self.written += sent
                self._outbox = b"" if sent == len(self._outbox) else memoryview(self._outbox)[sent:]
                self.last_active = time.monotonic()
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError as err:
            self.broken = err
            self._outbox = b""

    def receive(self) -> list[Reply]:
        """The replies that have come in.

        Raises:
            OSError: the connection is gone and all it said was read.
            NotSmtp: the server answered something else.
        """
        return self.replies(self.read())

    def replies(self, data: bytes) -> list[Reply]:
        """The replies that are complete with these bytes.

        Raises:
            NotSmtp: the server answered something else.
        """
        replies = self._reader.feed(data)
        if replies:  # half a reply is no sign of life: a server that drips letters would hold us for ever
            self.last_active = time.monotonic()
        return replies

    @property
    def has_heard_all(self) -> bool:
        """Whether no half of a reply waits for its rest."""
        return self._reader.is_empty

    def read(self) -> bytes:
        """The bytes that have come in.

        Raises:
            OSError: the connection is gone and all it said was read.
        """
        received = b""
        try:
            while data := self._sock.recv(65_536):
                # A TLS record may wait inside of the library, where the selector cannot see it.
                if not self._is_encrypted:
                    return data
                received += data
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if received or self.broken is None:
                return received
            raise self.broken from None
        except OSError:
            if received:
                return received
            raise
        if not received:
            raise ConnectionResetError("The server closed the connection.")
        return received

    def close(self, *, politely: bool = False) -> None:
        if politely and not self._outbox:
            self.write(b"QUIT\r\n")
        self._sock.close()


def connect(server: Server) -> Connection:
    """Open a connection and make it ready for mail: greeting, EHLO, STARTTLS, AUTH.

    Raises:
        AccountProblem: the settings are wrong, or the server will not have us.
        AccountWideFailure: the server is away or has no time; it may have later.
    """
    sock = connect_to(server.host, server.port, server.allow_private, seconds=CONNECT_SECONDS)
    try:
        return _Handshake(server, sock).run()
    except ssl.SSLCertVerificationError as err:
        raise AccountProblem(
            f"The certificate of {server.host} is not to be trusted: {err.verify_message}.", reason="account_problem"
        ) from err
    except (OSError, NotSmtp) as err:
        raise AccountWideFailure(f"{server.host}:{server.port}: {err}", reason="temporary") from err


class _Handshake:
    """The conversation before the first message, one command at a time."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._reader = ReplyReader()
        self._extensions: dict[str, str] = {}

    def run(self) -> Connection:
        """Go through it, or close the socket."""
        try:
            if self._server.security == "tls":
                self._start_tls()
            self._expect(self._read(), Step.GREETING)
            self._say_hello()
            is_offered = "STARTTLS" in self._extensions
            if self._server.security == "starttls" or (self._server.security == "opportunistic" and is_offered):
                self._upgrade()
            if self._server.credentials.username:
                self._log_in()
            return Connection(self._sock, self._reader, self._extensions)
        except BaseException:
            self._sock.close()
            raise

    def _upgrade(self) -> None:
        if "STARTTLS" not in self._extensions:
            raise AccountProblem("The server offers no encryption (STARTTLS).", reason="account_problem")
        self._expect(self._ask("STARTTLS"), Step.TLS)
        if not self._reader.is_empty:  # words said before encryption must not count after it (CVE-2011-0411)
            raise NotSmtp("The server spoke out of turn before encryption began.")
        self._start_tls()
        self._say_hello()

    def _start_tls(self) -> None:
        server = self._server
        self._sock.settimeout(CONNECT_SECONDS)
        try:
            context = _tls_context(verify=server.is_verified, minimum=server.tls_minimum, trusted=server.tls_trusted)
            self._sock = context.wrap_socket(self._sock, server_hostname=self._server.host)
        except ssl.SSLError as err:
            if isinstance(err, ssl.SSLCertVerificationError) or _may_pass(err):
                raise
            raise AccountProblem(
                f"No encryption could be agreed on with {self._server.host}:{self._server.port}: {err.reason}.",
                reason="account_problem",
            ) from err

    def _say_hello(self) -> None:
        reply = self._ask(f"EHLO {self._own_name()}")
        if reply.code in (500, 502, 504):
            reply = self._ask(f"HELO {self._own_name()}")
        self._expect(reply, Step.HELLO)
        lines = (line.replace("AUTH=", "AUTH ").partition(" ") for line in reply.text.split("\n")[1:])
        self._extensions = {name.upper(): rest.strip() for name, _, rest in lines}

    def _own_name(self) -> str:
        name = socket.gethostname()
        if "." in name and name.isascii():
            return name
        address = str(self._sock.getsockname()[0])
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def _log_in(self) -> None:
        server = self._server
        is_encrypted = isinstance(self._sock, ssl.SSLSocket)
        mechanism = choose(
            server.credentials.mechanism,
            self._extensions.get("AUTH", "").upper().split(),
            is_protected=is_encrypted and server.is_verified,
            may_tell=is_encrypted or server.security == "none",
        )
        self._expect(say(mechanism, server.credentials, self._ask), Step.LOGIN)

    def _expect(self, reply: Reply, step: Step) -> None:
        if not reply.is_positive:
            raise judge(reply, step)

    def _ask(self, command: str) -> Reply:
        self._sock.settimeout(REPLY_SECONDS)
        self._sock.sendall(f"{command}\r\n".encode())
        return self._read()

    def _read(self) -> Reply:
        deadline = time.monotonic() + REPLY_SECONDS
        while True:
            self._sock.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._sock.recv(4096)
            if not data:
                raise ConnectionResetError("The server closed the connection.")
            replies = self._reader.feed(data)
            if len(replies) > 1:
                raise NotSmtp("The server answered twice.")
            if replies:
                return replies[0]


def _may_pass(error: ssl.SSLError) -> bool:
    """Whether a handshake failed for a reason of the moment: the connection was cut, or the server has a trouble."""
    is_cut = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return is_cut or "INTERNAL_ERROR" in (error.reason or "")


@lru_cache(maxsize=32)
def _tls_context(*, verify: bool, minimum: str = "1.2", trusted: str = "") -> ssl.SSLContext:
    """`trusted`: certificates in PEM form that are trusted beside the system's."""
    context = ssl.create_default_context()
    context.minimum_version = TLS_VERSIONS[minimum]
    trust_besides(context, trusted)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
