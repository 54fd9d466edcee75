"""The local mailbox read over IMAP: as much of RFC 3501 as a program needs that fetches replies.

Whoever logs in as `replies@example.org`, with any password, sees the mail for that address and for
`replies+anything@example.org`. A message's UID is its row's id; what was seen is remembered until the peer stops.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final, Self

import psycopg

from outreach.sandbox.listener import LOOPBACK
from outreach.sandbox.store import MessageStore

logger = logging.getLogger(__name__)

_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([()])|([^\s()"]+)')
_LONGEST_LINE: Final = 65536
_CAPABILITIES: Final = "CAPABILITY IMAP4rev1 UIDPLUS"
#: Escaped for LIKE, so that no address of a login is a pattern.
_UIDS: Final = """
    SELECT id FROM sandbox_message
    WHERE channel = 'email' AND (lower(recipient) = %s OR lower(recipient) LIKE %s) ORDER BY id
"""
_RAW: Final = "SELECT raw FROM sandbox_message WHERE id = %s"


class ImapPeer:
    """An IMAP server on a port of loopback; a context manager. Port 0 takes a free one."""

    def __init__(self, port: int, store: MessageStore) -> None:
        seen: dict[str, set[int]] = {}

        class Handler(_Conversation):
            mail = store
            seen_by = seen

        self._server = _Server((LOOPBACK, port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="ImapPeer", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Conversation(StreamRequestHandler):
    timeout = 600
    mail: MessageStore
    seen_by: dict[str, set[int]]

    def handle(self) -> None:
        self._user = ""
        self._uids: list[int] = []
        self._say("* OK [CAPABILITY IMAP4rev1] Outreach sandbox")
        while line := self.rfile.readline(_LONGEST_LINE):
            words = split_command(line.decode("utf-8", "replace"))
            if len(words) >= 2 and not self._obey(words[0], words[1].upper(), words[2:]):
                return

    def _obey(self, tag: str, verb: str, words: Sequence[str]) -> bool:
        """Carry one command out; whether the conversation goes on."""
        command = self._commands().get(verb)
        if command is None or (not self._user and verb not in ("CAPABILITY", "LOGIN", "LOGOUT", "NOOP")):
            self._say(f"{tag} BAD {verb} is not possible here")
            return True
        try:
            self._say(f"{tag} {command(words)}")
        except (ValueError, IndexError):
            self._say(f"{tag} BAD {verb} cannot be understood")
        except psycopg.Error as err:
            logger.warning("The sandbox could not read its mail: %s", err)
            self._say(f"{tag} NO The mail cannot be read now")
        return verb != "LOGOUT"

    def _commands(self) -> dict[str, Callable[[Sequence[str]], str]]:
        return {
            "CAPABILITY": self._tell_capabilities,
            "LOGIN": self._log_in,
            "LOGOUT": self._log_out,
            "NOOP": lambda _: "OK done",
            "LIST": self._list,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "CLOSE": lambda _: "OK closed",
            "EXPUNGE": lambda _: "OK nothing to remove",
            "UID": self._by_uid,
        }

    def _tell_capabilities(self, _words: Sequence[str]) -> str:
        self._say(f"* {_CAPABILITIES}")
        return "OK done"

    def _log_in(self, words: Sequence[str]) -> str:
        self._user = words[0].lower()
        return "OK logged in"

    def _log_out(self, _words: Sequence[str]) -> str:
        self._say("* BYE")
        return "OK logged out"

    def _list(self, _words: Sequence[str]) -> str:
        self._say('* LIST (\\HasNoChildren) "/" "INBOX"')
        return "OK done"

    def _select(self, words: Sequence[str]) -> str:
        if words[0].upper() != "INBOX":
            return "NO there is only INBOX"
        self._refresh()
        for line in (
            f"{len(self._uids)} EXISTS",
            "0 RECENT",
            "FLAGS (\\Seen)",
            "OK [PERMANENTFLAGS (\\Seen)] kept until the peer stops",
            "OK [UIDVALIDITY 1] ids of rows",
            f"OK [UIDNEXT {self._uids[-1] + 1 if self._uids else 1}] the next",
        ):
            self._say(f"* {line}")
        return "OK [READ-WRITE] selected"

    def _by_uid(self, words: Sequence[str]) -> str:
        verbs = {"SEARCH": self._search, "FETCH": self._fetch, "STORE": self._store}
        self._refresh()
        return verbs[words[0].upper()](words[1:]) if words[0].upper() in verbs else "BAD not possible here"

    def _search(self, words: Sequence[str]) -> str:
        found = find_uids(words, self._uids, self._seen)
        self._say(" ".join(["* SEARCH", *map(str, found)]))
        return "OK done"

    def _fetch(self, words: Sequence[str]) -> str:
        asked = " ".join(words[1:]).upper()
        for uid in expand_set(words[0], self._uids):
            raw = bytes(self.mail.find(_RAW, uid)[0][0]) if "BODY" in asked or "RFC822" in asked else b""
            if "BODY[]" in asked or asked.strip("() ") == "RFC822":
                self._seen.add(uid)
            self._say_message(uid, raw, with_body="BODY" in asked)
        return "OK done"

    def _say_message(self, uid: int, raw: bytes, *, with_body: bool) -> None:
        number, flags = self._uids.index(uid) + 1, "\\Seen" if uid in self._seen else ""
        head = f"* {number} FETCH (UID {uid} FLAGS ({flags}) RFC822.SIZE {len(raw)}"
        if not with_body:
            self._say(head + ")")
            return
        self.wfile.write(f"{head} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")

    def _store(self, words: Sequence[str]) -> str:
        uids = expand_set(words[0], self._uids)
        if "\\SEEN" in " ".join(words[2:]).upper():
            if words[1].startswith("-"):
                self._seen.difference_update(uids)
            else:
                self._seen.update(uids)
        return "OK done"

    @property
    def _seen(self) -> set[int]:
        return self.seen_by.setdefault(self._user, set())

    def _refresh(self) -> None:
        local, _, domain = self._user.rpartition("@")
        escaped = re.sub(r"([\\%_])", r"\\\1", local)
        pattern = f"{escaped}+%@" + re.sub(r"([\\%_])", r"\\\1", domain)
        self._uids = [int(row[0]) for row in self.mail.find(_UIDS, self._user, pattern)]

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def split_command(line: str) -> list[str]:
    """A command's words: quoted strings without their quotes, parentheses alone."""
    return [re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[0] for found in _TOKEN.finditer(line)]


def find_uids(criteria: Iterable[str], uids: Sequence[int], seen: set[int]) -> list[int]:
    """The messages that meet all criteria of a SEARCH.

    Raises:
        ValueError: a criterion is not known here.
    """
    found, words = set(uids), iter([word.upper() for word in criteria if word not in "()"])
    for word in words:
        found &= _matching(word, words, uids, seen)
    return sorted(found)


def _matching(word: str, rest: Iterator[str], uids: Sequence[int], seen: set[int]) -> set[int]:
    if word == "CHARSET":
        next(rest, "")
    if word in ("ALL", "CHARSET", "UNDELETED"):
        return set(uids)
    if word in ("SEEN", "UNSEEN"):
        return {uid for uid in uids if (uid in seen) == (word == "SEEN")}
    if word == "UID":
        return set(expand_set(next(rest, ""), uids))
    raise ValueError(word)


def expand_set(text: str, uids: Sequence[int]) -> list[int]:
    """The existing UIDs of a set such as `4,7:9,12:*`; `*` is the last one.

    Raises:
        ValueError: it is no such set.
    """
    last = uids[-1] if uids else 0
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, until = part.partition(":")
        ends = sorted((_number(first, last), _number(until or first, last)))
        chosen.update(uid for uid in uids if ends[0] <= uid <= ends[1])
    return sorted(chosen)


def _number(text: str, last: int) -> int:
    return last if text == "*" else int(text)
