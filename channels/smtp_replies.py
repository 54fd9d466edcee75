"""What an SMTP server's replies mean: reading them off the wire and judging refusals. Pure, no sockets."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from channels.base import AccountProblem, AccountWideFailure, ChannelError, PermanentFailure, TemporaryFailure

#: Longest unread answer that we keep; a server that says more without a line end is none.
_LONGEST_ANSWER: Final = 65_536
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class Step(StrEnum):
    """Where in a conversation a reply belongs."""

    GREETING = "greeting"
    HELLO = "EHLO"
    TLS = "STARTTLS"
    LOGIN = "AUTH"
    RESET = "RSET"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    DATA = "DATA"
    CONTENT = "end of data"


class Reply(NamedTuple):
    """One whole reply, of one line or more."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463), or ''."""
        found = _STATUS.match(self.text)
        return found.group() if found else ""


class NotSmtp(Exception):
    """What answers there does not speak SMTP."""


class ReplyReader:
    """Cuts the stream of bytes into replies."""

    __slots__ = ("_lines", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []

    @property
    def is_empty(self) -> bool:
        return not (self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete with these bytes.

        Raises:
            NotSmtp: a line is no reply, or never ends.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_ANSWER or len(self._lines) > 1000:
            raise NotSmtp("The answer does not end.")
        return [reply for line in lines if (reply := self._read_line(line)) is not None]

    def _read_line(self, line: bytes) -> Reply | None:
        if line[3:4] == b" " and not self._lines and line[:3].isdigit():  # nearly all of them
            return Reply(int(line[:3]), line[4:].rstrip(b"\r").decode("utf-8", "replace"))
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        if not (text[:3].isdecimal() and text[:3].isascii() and text[3:4] in ("", " ", "-")):
            raise NotSmtp(f"The server said {text[:80]!r}, which is no SMTP.")
        self._lines.append(text[4:])
        if text[3:4] == "-":
            return None
        whole, self._lines = "\n".join(self._lines), []
        return Reply(int(text[:3]), whole)


#: Enhanced codes that say the same at every step; the whole code decides, then its first two parts.
_BY_STATUS: Final[dict[str, tuple[type[ChannelError], str]]] = {
    "4.2.2": (TemporaryFailure, "temporary"),  # mailbox full
    "4.3.2": (TemporaryFailure, "rate_limited"),
    "4.4.5": (TemporaryFailure, "rate_limited"),
    "4.5.3": (TemporaryFailure, "rate_limited"),
    "4.7": (TemporaryFailure, "rate_limited"),
    "5.1.1": (PermanentFailure, "unknown_recipient"),
    "5.1.2": (PermanentFailure, "unknown_recipient"),
    "5.1.3": (PermanentFailure, "unknown_recipient"),
    "5.1.6": (PermanentFailure, "unknown_recipient"),
    "5.1.10": (PermanentFailure, "unknown_recipient"),  # RFC 7505, the domain takes no mail
    "5.2.1": (PermanentFailure, "unknown_recipient"),  # the mailbox is closed
    "5.4.1": (PermanentFailure, "unknown_recipient"),  # Microsoft 365: nobody of that name
    "5.4.4": (PermanentFailure, "unknown_recipient"),  # the domain takes no mail
    "5.4.310": (PermanentFailure, "unknown_recipient"),  # Microsoft 365: there is no such domain
    "5.4.5": (AccountWideFailure, "rate_limited"),  # Gmail: today's limit of the sender is reached
    "5.2.252": (AccountProblem, "account_problem"),  # Microsoft 365: this log-in may not send as this sender
    "5.7.10": (AccountProblem, "account_problem"),  # RFC 5248: it asks for encryption
    "5.1.7": (AccountProblem, "account_problem"),
    "5.1.8": (AccountProblem, "account_problem"),
    "5.7.8": (AccountProblem, "account_problem"),
    "5.7": (PermanentFailure, "policy"),
}
_BY_CODE: Final[dict[int, tuple[type[ChannelError], str]]] = {
    421: (AccountWideFailure, "rate_limited"),
    452: (TemporaryFailure, "rate_limited"),
    530: (AccountProblem, "account_problem"),
    534: (AccountProblem, "account_problem"),
    535: (AccountProblem, "account_problem"),
    538: (AccountProblem, "account_problem"),
}
#: Refusals of MAIL FROM that are about this message and not about the sender.
_ABOUT_THE_MESSAGE: Final = frozenset({"5.2.3", "5.3.4", "5.6.3", "5.6.7"})
#: Steps at which a refusal concerns every message.
_ABOUT_THE_ACCOUNT: Final = frozenset({Step.GREETING, Step.HELLO, Step.TLS, Step.LOGIN, Step.RESET, Step.SENDER})


def judge(reply: Reply, step: Step) -> ChannelError:
    """What a refusal at this step means for the message."""
    error, reason = _verdict(reply, step)
    return error(f"{reply.code} {reply.text}"[:500].replace("\n", " "), reason=reason, status=reply.code)


def _verdict(reply: Reply, step: Step) -> tuple[type[ChannelError], str]:
    if reply.code in (530, 534, 535, 538, 421):
        return _BY_CODE[reply.code]
    if reply.code >= 500 and step in _ABOUT_THE_ACCOUNT:
        return _verdict_on_account(reply)
    found = _by_status(reply) or _BY_CODE.get(reply.code)
    if found is None and step is Step.RECIPIENT and reply.code in (550, 551, 553) and not reply.status:
        return PermanentFailure, "unknown_recipient"
    if found is None:
        found = (PermanentFailure, "refused") if reply.code >= 500 else (TemporaryFailure, "temporary")
    if found[0] is TemporaryFailure and step in _ABOUT_THE_ACCOUNT:
        return AccountWideFailure, found[1]
    return found


def _verdict_on_account(reply: Reply) -> tuple[type[ChannelError], str]:
    if reply.code == 552 or reply.status in _ABOUT_THE_MESSAGE:
        return PermanentFailure, "refused"
    return AccountProblem, "account_problem"


def _by_status(reply: Reply) -> tuple[type[ChannelError], str] | None:
    status = reply.status
    if status[:1] != str(reply.code)[:1]:
        return None  # the three digits are what the protocol goes by
    return _BY_STATUS.get(status) or _BY_STATUS.get(status.rpartition(".")[0])


def queue_id(text: str) -> str:
    """The server's own id of a message that it took, where its reply tells one in the usual words."""
    words = text.partition("queued as ")[2].split(maxsplit=1)
    return words[0].strip("<>()[].,;")[:200] if words else ""
