"""A mail server that others wrote: Postfix takes and returns e-mail, Dovecot keeps it and knows the passwords.

Both run on free ports of loopback, over configuration, queue and mailboxes of their own in one folder; what is set up
for the machine itself is not touched. They need root, as mail servers do, and end with the process that started them.
"""

from __future__ import annotations

import imaplib
import os
import pwd
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from channels.base import Account
from tests.channels.certificate import make_certificate
from tests.road.installation import wait_until

#: Mailboxes, all with this password; the last has no room for anything.
DOMAIN: Final = "mail.test"
PEOPLE: Final = ("news", "bounces", "ivana", "ivan", "full")
PASSWORD: Final = "тайна на двама"
#: In a script of its own; laid into `ivan` by Postfix itself, since Dovecot's LMTP takes no such address.
CYRILLIC: Final = "иван@mail.test"
#: As above, but handed to Dovecot all the same: accepted, and returned later.
UNDELIVERABLE: Final = "ана@mail.test"
#: A domain whose server refuses every recipient, after ours took the message; and one whose server is down.
REFUSED, DOWN = "refused.test", "down.test"
#: Octets of the largest message that it takes.
LARGEST: Final = 300_000

#: Owner of the mailboxes; needs no entry in the machine's list of users.
_OWNER: Final = 61234
_MAIN_CF: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mx.mail.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
biff = no
smtputf8_enable = yes
recipient_delimiter = +
virtual_mailbox_domains = mail.test
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
virtual_minimum_uid = 100
virtual_transport = lmtp:unix:private/dovecot-lmtp
transport_maps = texthash:{folder}/etc/transports
disable_dns_lookups = yes
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
refusing = check_recipient_access static:{{550 5.1.1 Nobody of that name}}, reject
# No waiting for who was refused, and returned mail at once.
smtpd_error_sleep_time = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
delay_warning_time = 1s
message_size_limit = {largest}
"""
_MASTER_CF: Final = """\
127.0.0.1:{submission} inet n - n - - smtpd
127.0.0.1:{wrapped} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:{refusing} inet n - n - - smtpd
  -o myhostname=mx.refused.test
  -o smtpd_relay_restrictions=$refusing
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
pickup unix n - n 60 1 pickup
postlog unix-dgram n - n - 1 postlogd
"""
_DOVECOT_CONF: Final = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 0
first_valid_uid = 100
mail_location = maildir:{folder}/mail/%n
recipient_delimiter = +
mail_plugins = quota
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=100M
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/etc/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/etc/users
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener {folder}/queue/private/dovecot-lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {folder}/queue/private/auth {{
    mode = 0666
  }}
}}
# Nobody waits for having been wrong before.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@mail.test
}}
"""
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
#: Kills both and takes the folder away when nobody holds the other end of its input any more. (The kernel's own signal
#: at a parent's death does not reach Postfix, which changes its user and back.)
_GUARD: Final = """
exec >"$1/started.log" 2>&1
"$2" -F -c "$1/etc/dovecot.conf" & dovecot=$!
"$3" -c "$1/etc" & postfix=$!
read -r _
kill $postfix $dovecot; wait
rm -rf "$1"
"""


def why_absent() -> str:
    """Why the servers cannot run here, in words; '' where they can."""
    missing = [name for name, path in (("postfix", _master()), ("dovecot", _dovecot())) if path is None]
    if missing:
        return f"no {' and no '.join(missing)} here: apt-get install postfix dovecot-imapd dovecot-lmtpd"
    if not Path("/usr/lib/dovecot/lmtp").exists() or not Path("/usr/lib/dovecot/imap").exists():
        return "Dovecot is here, but not its IMAP and LMTP: apt-get install dovecot-imapd dovecot-lmtpd"
    if os.geteuid() != 0:
        return "Postfix and Dovecot start as root only"
    told = subprocess.run([str(_dovecot()), "--version"], capture_output=True, text=True, check=True).stdout
    return "" if told.startswith("2.3.") else f"Dovecot {told.split()[0]} reads another configuration than 2.3"


def _master() -> str | None:
    return next((path for path in ("/usr/lib/postfix/sbin/master", "/usr/libexec/postfix/master") if _is(path)), None)


def _is(path: str) -> bool:
    return Path(path).exists()


def _dovecot() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, kw_only=True)
class MailExchange:
    """Running servers, and how to reach them."""

    folder: Path
    #: What a client has to trust, as PEM.
    trusted: str
    #: For STARTTLS, and for TLS from the first byte.
    submission: int
    wrapped: int
    #: For STARTTLS, and for TLS from the first byte.
    imap: int
    imaps: int

    def account(self, **settings: str) -> Account:
        """An account that sends as `news`, over STARTTLS and with its password."""
        return Account(
            id="a", adapter="smtp", name="A", settings=self.settings(**settings), allow_private=("127.0.0.0/8",)
        )

    def settings(self, **changes: str) -> dict[str, str]:
        return {
            "host": "127.0.0.1",
            "port": str(self.submission),
            "security": "starttls",
            "tls_trusted": self.trusted,
            "username": f"news@{DOMAIN}",
            "password": PASSWORD,
            "sender": f"Новини <news@{DOMAIN}>",
            **changes,
        }

    def mailbox(self, person: str, **changes: str) -> dict[str, str]:
        """Settings of incoming mail, as the reader of mailboxes takes them."""
        return {
            "host": "127.0.0.1",
            "port": str(self.imaps),
            "security": "tls",
            "trusted": self.trusted,
            "username": f"{person}@{DOMAIN}",
            "password": PASSWORD,
            **changes,
        }

    @contextmanager
    def open(self, person: str) -> Iterator[imaplib.IMAP4_SSL]:
        """The mailbox as a mail reader sees it, by the standard library."""
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=self.trusting(), timeout=20) as box:
            box.authenticate("PLAIN", lambda _: f"\0{person}@{DOMAIN}\0{PASSWORD}".encode())
            yield box

    def letters(self, person: str, *, folder: str = "INBOX") -> list[bytes]:
        """What lies there, oldest first, byte for byte; nothing is marked as read."""
        with self.open(person) as box:
            box.select(folder, readonly=True)
            numbers = box.search(None, "ALL")[1][0].split()
            answers = [box.fetch(number.decode(), "(BODY.PEEK[])")[1] for number in numbers]
        return [piece[1] for answer in answers for piece in answer if isinstance(piece, tuple)]

    def wait_for(self, person: str, containing: str, *, count: int = 1) -> list[bytes]:
        """Letters that hold these words, once so many are there."""
        words = containing.encode()

        def arrived() -> list[bytes]:
            found = [letter for letter in self.letters(person) if words in letter]
            return found if len(found) >= count else []

        try:
            return wait_until(arrived, seconds=30, what=f"{containing!r} reaches {person}")
        except AssertionError as err:
            raise AssertionError(f"{err}\n{self.log()}") from err

    def write(self, person: str, content: bytes) -> None:
        """Hand a letter in as somebody outside would: on the same port, without a log-in."""
        with smtplib.SMTP("127.0.0.1", self.submission, timeout=20) as stranger:
            stranger.sendmail("someone@elsewhere.test", [f"{person}@{DOMAIN}"], content)

    def empty(self) -> None:
        """Take away what lies in the mailboxes, once nothing more is on its way to them."""
        on_the_way = [self.folder / "queue" / name for name in ("incoming", "active")]
        wait_until(lambda: not any(any(queue.iterdir()) for queue in on_the_way), seconds=30, what="the queue empties")
        for mailbox in (self.folder / "mail").iterdir():
            shutil.rmtree(mailbox)

    def append(self, person: str, content: bytes, *, folder: str = "INBOX") -> None:
        """Lay a letter into the mailbox itself, as a mail reader does."""
        with self.open(person) as box:
            box.append(folder, "", "", content)

    def wait_for_log(self, words: str) -> None:
        """Until Postfix has written these words down."""
        wait_until(lambda: words in (self.folder / "postfix.log").read_text(errors="replace"), seconds=30, what=words)

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.trusted)

    def log(self) -> str:
        """The end of what both servers wrote down."""
        files = [self.folder / f"{name}.log" for name in ("postfix", "dovecot", "started")]
        return "\n".join(file.read_text(errors="replace")[-3000:] for file in files if file.exists())


@contextmanager
def mail_exchange() -> Iterator[MailExchange]:
    """Both servers, ready to be spoken to; nothing of them is left behind."""
    # Not below pytest's own folder: the servers' users must be able to enter it, and paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="outreach-mail-"))
    try:
        exchange = _lay_out(folder)
        with _running(folder):
            _wait_until_ready(exchange)
            yield exchange
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(folder: Path) -> MailExchange:
    folder.chmod(0o755)
    for name in ("etc", "queue", "postfix", "mail", "run", "state"):
        (folder / name).mkdir()
    postfix = pwd.getpwnam("postfix")
    os.chown(folder / "postfix", postfix.pw_uid, postfix.pw_gid)
    os.chown(folder / "mail", _OWNER, _OWNER)
    certificate = make_certificate(folder / "etc/peer.pem")
    submission, wrapped, refusing, imap, imaps, nobody = _free_ports(6)
    facts: dict[str, Any] = {
        "folder": folder, "certificate": certificate, "owner": _OWNER, "largest": LARGEST,
        "submission": submission, "wrapped": wrapped, "refusing": refusing, "imap": imap, "imaps": imaps,
    }  # fmt: skip
    etc = folder / "etc"
    (etc / "main.cf").write_text(_MAIN_CF.format(**facts))
    (etc / "master.cf").write_text(_MASTER_CF.format(**facts))
    (etc / "dovecot.conf").write_text(_DOVECOT_CONF.format(**facts))
    (etc / "users").write_text("".join(_user(name) for name in PEOPLE))
    mailboxes = [f"{name}@{DOMAIN} {name}/\n" for name in PEOPLE]
    (etc / "mailboxes").write_text("".join([*mailboxes, f"{CYRILLIC} ivan/\n", f"{UNDELIVERABLE} ivana/\n"]))
    (etc / "transports").write_text(
        f"{CYRILLIC} virtual:\n{REFUSED} smtp:[127.0.0.1]:{refusing}\n{DOWN} smtp:[127.0.0.1]:{nobody}\n"
    )
    subprocess.run(["postfix", "-c", str(etc), "check"], check=True, capture_output=True, env=_ENVIRONMENT)
    trusted = certificate.read_text().partition("-----END PRIVATE KEY-----\n")[2]
    return MailExchange(folder=folder, trusted=trusted, submission=submission, wrapped=wrapped, imap=imap, imaps=imaps)


def _user(name: str) -> str:
    extra = " userdb_quota_rule=*:storage=1B" if name == "full" else ""
    return f"{name}@{DOMAIN}:{{PLAIN}}{PASSWORD}:{_OWNER}:{_OWNER}::::{extra}\n"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextmanager
def _running(folder: Path) -> Iterator[None]:
    """Both servers beside a shell that ends them when its input does: with this block, or with our process."""
    process = subprocess.Popen(
        ["sh", "-c", _GUARD, "mail-exchange", str(folder), str(_dovecot()), str(_master())],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env=_ENVIRONMENT,
    )
    try:
        yield
    finally:
        process.communicate(timeout=30)


def _wait_until_ready(exchange: MailExchange) -> None:
    """Each listens before it can answer: for the passwords Postfix too asks Dovecot."""

    def answers() -> bool:
        with suppress(OSError, imaplib.IMAP4.error, smtplib.SMTPException):
            with smtplib.SMTP("127.0.0.1", exchange.submission, timeout=5) as postfix:
                postfix.noop()
            with exchange.open("news"):
                return True
        return False

    try:
        wait_until(answers, seconds=60, what="Postfix and Dovecot answer")
    except AssertionError as err:
        raise AssertionError(f"{err}\n{exchange.log()}") from err
