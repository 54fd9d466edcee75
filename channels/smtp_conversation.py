"""Who says what next on one SMTP connection: a message's commands, pipelined where the server allows it.

RFC 2920 lets the end of one message's content travel in one write with the next message's MAIL, RCPT and DATA, so each
message costs one round trip. Every command written is matched with its reply in order; nothing here waits.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Container
from functools import lru_cache
from typing import Final

from channels.base import (
    AccountWideFailure,
    ChannelError,
    Message,
    Outcome,
    OutcomeUnknown,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.dkim import Signer
from channels.mailboxes import address_of, envelope_form
from channels.mime import assemble, needs_eight_bits, to_seven_bits
from channels.smtp_replies import NotSmtp, Reply, Step, judge, queue_id
from channels.smtp_wire import Connection

#: The replies to a message's end and to the next one's envelope, when all goes well.
_USUAL: Final = re.compile(rb"250 [^\r\n]*(\r\n250 [^\r\n]*\r\n250 [^\r\n]*\r\n354 [^\r\n]*\r\n)")
_END_OF_DATA: Final = b".\r\n"
#: An id that ENVID may hold as it is (RFC 3461, 4: xtext).
_PLAIN_ID: Final = re.compile(r"[0-9A-Za-z.-]{1,100}")
_CLOSING: Final = 421
_ENVELOPE: Final = (Step.SENDER, Step.RECIPIENT, Step.DATA)


class Transfer:
    """One message on its way over one connection."""

    __slots__ = ("content", "end", "envelope", "message", "refusal")

    def __init__(self, message: Message, envelope: bytes, content: bytes) -> None:
        self.message = message
        #: MAIL, RCPT and DATA.
        self.envelope = envelope
        #: Dot-stuffed, without the final dot: it is copied once, with all that goes in the same write.
        self.content = content
        self.refusal: ChannelError | None = None
        #: Position in the connection's stream behind the final dot; None while no content was queued.
        self.end: int | None = None

    def commands(self) -> deque[tuple[Step, bytes]]:
        """The envelope's commands one by one."""
        return deque(zip(_ENVELOPE, self.envelope.splitlines(keepends=True), strict=True))


def prepare(
    message: Message,
    *,
    sender: str,
    extensions: Container[str],
    returns_to: str = "",
    signer: Signer | None = None,
) -> Transfer:
    """What this server must be told to take the message. `returns_to`: the address that returned mail goes to.

    Raises:
        UnsupportedContent: the message cannot be written, or needs what the server does not offer.
    """
    origin = _return_path(message, returns_to) if returns_to else _envelope_sender(message.sender or sender)
    recipient = envelope_form(message.to)
    content = message.raw or assemble(message, sender=sender)
    parameters = ""
    if needs_eight_bits(content):
        if "8BITMIME" in extensions:
            parameters = " BODY=8BITMIME"
        else:
            content = to_seven_bits(content)
    if not (origin.isascii() and recipient.isascii()):
        if "SMTPUTF8" not in extensions:
            raise UnsupportedContent("The mail server takes no addresses with letters outside of ASCII.")
        parameters += " SMTPUTF8"
    wishes = ""
    if returns_to and "DSN" in extensions and _PLAIN_ID.fullmatch(message.id):
        parameters += f" RET=HDRS ENVID={message.id}"
        wishes = " NOTIFY=FAILURE,DELAY"
    envelope = f"MAIL FROM:<{origin}>{parameters}\r\nRCPT TO:<{recipient}>{wishes}\r\nDATA\r\n".encode()
    is_ready = message.is_dotless and content is message.raw
    if signer is not None:  # the bytes that leave, before dots are stuffed: no later step may change them
        content = signer.sign(content)
    return Transfer(message, envelope, content if is_ready else stuff_dots(content))


def stuff_dots(raw: bytes) -> bytes:
    """The content as it goes over the wire, up to the final dot.

    The contract says that `raw` has CRLF only, and counting line ends would take a tenth of the time a message costs.
    So they are looked at where it matters: a dot behind a lone CR or LF could pass for the end of the message.
    """
    if b"\n." in raw or b"\r." in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
    if raw.startswith(b"."):
        raw = b"." + raw
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


@lru_cache(maxsize=64)
def _envelope_sender(sender: str) -> str:
    return envelope_form(address_of(sender))


def _return_path(message: Message, address: str) -> str:
    """The message's own address for returned mail (VERP): its signed id, which the Message-ID begins with, as a tag."""
    local, _, domain = envelope_form(address).rpartition("@")
    tag = message.message_id.partition("@")[0]
    return envelope_form(f"{local}+{tag}@{domain}") if tag else f"{local}@{domain}"


class Conversation:
    """One connection's commands and the replies due to them, in order."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._pipelining = "PIPELINING" in connection.extensions
        self._due: deque[tuple[Step, Transfer]] = deque()
        #: Commands of the current message that wait for the reply to the one before, where nothing is pipelined.
        self._held: deque[tuple[Step, bytes]] = deque()
        #: The usual exchange: the content of the one and the envelope of the other went in one write, and nothing of
        #: what the server says to it was heard yet. Stands for four entries of `_due`.
        self._pair: tuple[Transfer, Transfer] | None = None
        #: What stood behind the first of four such replies: to each envelope a server says the same.
        self._usual_rest = b"\0"
        #: A refused transaction may still be open on the server; RSET goes in front of the next one.
        self._needs_reset = False
        #: Messages that this connection saw the end of; a first one that is lost tells more than a later one.
        self.served = 0
        self._asked_at = time.monotonic()
        #: Why nothing more may be said here, once the server said that it goes.
        self.over: ConnectionError | None = None

    @property
    def is_idle(self) -> bool:
        return self._pair is None and not self._due

    @property
    def quiet_since(self) -> float:
        """When the server was last asked, or last took or gave a byte."""
        return max(self._asked_at, self.connection.last_active)

    def begin(self, transfer: Transfer) -> None:
        """Say the first command of a message, or all up to DATA."""
        self._say(b"", transfer)

    def glide(self, data: bytes, take_next: Callable[[Conversation], Transfer | None]) -> Outcome | None:
        """Take the usual four replies at once, where they came whole and are all positive: three quarters of the time.

        None where anything is unusual; then nothing was done, and the replies are for `hear`, one by one.
        """
        pair = self._pair
        if pair is None or self.connection.is_writing or not self.connection.has_heard_all:
            return None
        if not self._is_usual(data):
            return None
        done, following = pair
        self._pair = None
        self.served += 1
        self._send_content(following, take_next)
        first = data[4 : -len(self._usual_rest)].decode("utf-8", "replace")
        return Outcome.accepted(done.message.id, queue_id(first))

    def _is_usual(self, data: bytes) -> bool:
        """Whether these are the four usual replies; the last ones are compared first: cheaper than a pattern."""
        rest = self._usual_rest
        if data.endswith(rest) and data.startswith(b"250 ") and data.find(b"\n") == len(data) - len(rest) + 1:
            return True
        usual = _USUAL.fullmatch(data)
        if usual is not None:
            self._usual_rest = usual[1]
        return usual is not None

    def hear(self, reply: Reply, take_next: Callable[[Conversation], Transfer | None]) -> Outcome | None:
        """Take one reply; go on with the message that it belongs to; give the outcome where this was the last.

        Raises:
            ConnectionError: the server is going away; what is still in hand is for `lose` to judge.
            NotSmtp: nothing was asked.
        """
        self._spell_out()
        if not self._due:
            raise ConnectionResetError(f"{reply.code} {reply.text}"[:500])
        self._asked_at = time.monotonic()
        step, transfer = self._due[0]
        if reply.code == _CLOSING and step is not Step.CONTENT and self.served:
            raise ConnectionResetError(f"{reply.code} {reply.text}"[:500])
        early = transfer.end is not None and self.connection.written < transfer.end
        if early and reply.is_positive:
            raise NotSmtp("The server took a message before its end.")
        self._due.popleft()
        if reply.code == _CLOSING or early:
            self.over = ConnectionResetError(f"{reply.code} {reply.text}"[:500])
        if step is Step.RESET:
            self._continue(transfer)
            return None
        if step is Step.CONTENT:
            return self._hear_end(transfer, reply)
        if step is Step.DATA and reply.code == 354:
            self._send_content(transfer, take_next)
            return None
        return self._hear_envelope(step, transfer, reply)

    def lose(self, error: Exception) -> tuple[list[Outcome], list[Message]]:
        """Give the connection up: outcomes of what was in hand, and messages of which nothing was handed over."""
        self._spell_out()
        in_hand = {transfer.message.id: transfer for _, transfer in self._due}
        may_go_again = self.served > 0 and not isinstance(error, TimeoutError | NotSmtp)
        again = [one.message for one in in_hand.values() if may_go_again and one.end is None and one.refusal is None]
        left = {message.id for message in again}
        outcomes = [self._judge_loss(one, error).outcome(id) for id, one in in_hand.items() if id not in left]
        self._due.clear()
        self._held.clear()
        self.connection.close()
        return outcomes, again

    def _judge_loss(self, transfer: Transfer, error: Exception) -> ChannelError:
        if transfer.refusal is not None:
            return transfer.refusal
        if transfer.end is None:
            return AccountWideFailure(f"Lost before the message was handed over: {error}", reason="temporary")
        if self.connection.written < transfer.end:
            return TemporaryFailure(f"Lost before the end of the message was sent: {error}", reason="temporary")
        return OutcomeUnknown(f"Lost after the message was sent, before it was answered: {error}", reason="no_answer")

    def _say(self, before: bytes, transfer: Transfer) -> None:
        """Write `before`, and with it as much of the message's envelope as may go at once."""
        commands = transfer.commands()
        if self._needs_reset:
            commands.appendleft((Step.RESET, b"RSET\r\n"))
            self._needs_reset = False
        if not self._pipelining:
            self._held = commands
            commands = deque([self._held.popleft()])
        self._due.extend((step, transfer) for step, _ in commands)
        self._asked_at = time.monotonic()
        self.connection.write(before + b"".join([command for _, command in commands]))

    def _continue(self, transfer: Transfer) -> None:
        if self._held:
            step, command = self._held.popleft()
            self._due.append((step, transfer))
            self.connection.write(command)

    def _hear_envelope(self, step: Step, transfer: Transfer, reply: Reply) -> Outcome | None:
        if step is Step.DATA or not reply.is_positive:
            transfer.refusal = transfer.refusal or judge(reply, step)
            self._needs_reset = True
        if transfer.refusal is None:
            self._continue(transfer)
            return None
        if step is not Step.DATA and not self._held:
            return None  # the replies to what was pipelined behind are still to come
        self._held.clear()
        return self._finish(transfer, reply)

    def _send_content(self, transfer: Transfer, take_next: Callable[[Conversation], Transfer | None]) -> None:
        self._due.append((Step.CONTENT, transfer))
        if transfer.refusal is not None:
            # The server wants content though it refused the envelope: RFC 2920, 3.1 says to send a lone dot.
            self.connection.write(_END_OF_DATA)
            return
        content = transfer.content
        transfer.end = self.connection.queued + len(content) + len(_END_OF_DATA)
        following = take_next(self) if self._pipelining else None
        if following is None:
            self.connection.write(content + _END_OF_DATA)
        elif self._needs_reset or len(self._due) > 1:
            self._say(content + _END_OF_DATA, following)
        else:
            self._due.clear()
            self._pair = transfer, following
            self._asked_at = time.monotonic()
            self.connection.write(b"".join((content, _END_OF_DATA, following.envelope)))

    def _spell_out(self) -> None:
        """Write out what is due, one by one."""
        if self._pair is not None:
            transfer, following = self._pair
            self._due.extend([(Step.CONTENT, transfer), *((step, following) for step in _ENVELOPE)])
            self._pair = None

    def _hear_end(self, transfer: Transfer, reply: Reply) -> Outcome:
        if not reply.is_positive and transfer.refusal is None:
            transfer.refusal = judge(reply, Step.CONTENT)
        return self._finish(transfer, reply)

    def _finish(self, transfer: Transfer, reply: Reply) -> Outcome:
        self.served += 1
        if transfer.refusal is not None:
            return transfer.refusal.outcome(transfer.message.id)
        return Outcome.accepted(transfer.message.id, queue_id(reply.text))
