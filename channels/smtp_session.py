"""One session with a mail server: several kept connections, kept busy from one thread.

Decides which message goes over which connection and what a lost one means for the messages on it; waits for all of them
at once. It never sends a message a second time of which a single octet of content had left.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from channels import smtp_wire
from channels.base import Account, AccountProblem, ChannelError, Message, Outcome, TemporaryFailure, UnsupportedContent
from channels.dkim import Signer
from channels.smtp_conversation import Conversation, Transfer, prepare
from channels.smtp_replies import NotSmtp
from channels.smtp_wire import Server, connect

#: A kept connection that was quiet for longer is not trusted: servers drop theirs without a word.
STALE_SECONDS: Final = 20.0


class SmtpSession:
    """Open connections to one mail server, kept from one window to the next."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._signer: Signer | None = None
        self._is_signer_known = False
        self._selector = selectors.DefaultSelector()
        self._open: list[Conversation] = []
        #: Those that the selector watches for the right to write.
        self._writing: set[Conversation] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for conversation in list(self._open):
            self._forget(conversation)
            conversation.connection.close(politely=conversation.is_idle)
        self._selector.close()

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        """Hand over lazily over as many connections as the account allows; outcomes come in the server's order."""
        window = _Window(self, messages)
        try:
            yield from window.run()
        finally:
            self._drop_busy()

    def _drop_busy(self) -> None:
        """What is cut in mid-conversation cannot be used again: closing tells the server not to take the message."""
        for conversation in [one for one in self._open if not one.is_idle]:
            self._forget(conversation)
            conversation.connection.close()

    def connect(self, server: Server) -> Conversation:
        conversation = Conversation(connect(server))
        self._selector.register(conversation.connection, selectors.EVENT_READ, conversation)
        self._open.append(conversation)
        return conversation

    def idle(self) -> list[Conversation]:
        """Kept connections that may take a message now; the stale and those that the server closed are dropped."""
        for conversation in [one for one in self._open if one.is_idle and _is_stale(one)]:
            self._forget(conversation)
            conversation.connection.close(politely=True)
        return [one for one in self._open if one.is_idle]

    def busy(self) -> list[Conversation]:
        return [one for one in self._open if not one.is_idle]

    def is_busy(self) -> bool:
        for one in self._open:  # noqa: SIM110 -- asked for each message, and `any` costs twice as much
            if not one.is_idle:
                return True
        return False

    def has_room(self, server: Server) -> bool:
        return len(self._open) < server.connections

    def server(self) -> Server:
        return Server.of(self._account)

    def signer(self) -> Signer | None:
        """What signs the messages, if anything does; its keys are loaded once.

        Raises:
            AccountProblem: a key cannot be used.
        """
        if not self._is_signer_known:
            self._signer = Signer.of(self._account.settings)
            self._is_signer_known = True
        return self._signer

    def wait(self, seconds: float) -> list[Conversation]:
        """Flush what can be written; the conversations with something to read, as soon as there are any."""
        ready: list[Conversation] = []
        for key, events in self._selector.select(seconds):
            conversation: Conversation = key.data
            if events & selectors.EVENT_WRITE:
                conversation.connection.flush()
                self.watch(conversation)
            if events & selectors.EVENT_READ:
                ready.append(conversation)
        return ready

    def watch(self, conversation: Conversation) -> None:
        """Ask for the right to write only while something waits to be written."""
        writing = conversation.connection.is_writing
        if writing != (conversation in self._writing):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
            self._selector.modify(conversation.connection, events, conversation)
            self._writing ^= {conversation}

    def _forget(self, conversation: Conversation) -> None:
        self._open.remove(conversation)
        self._writing.discard(conversation)
        self._selector.unregister(conversation.connection)

    def lose(self, conversation: Conversation, error: Exception) -> tuple[list[Outcome], list[Message]]:
        self._forget(conversation)
        return conversation.lose(error)


def _is_stale(conversation: Conversation) -> bool:
    connection = conversation.connection
    if connection.broken or conversation.over or time.monotonic() - connection.last_active > STALE_SECONDS:
        return True
    try:
        # An idle server has nothing to say, unless it says goodbye.
        return bool(connection.receive())
    except (OSError, NotSmtp):
        return True


class _Window:
    """One call of `send`: which message goes where, and what became of it."""

    def __init__(self, session: SmtpSession, messages: Iterable[Message]) -> None:
        self._session = session
        self._source = iter(messages)
        self._is_dry = False
        #: Whether some connection may be free, or one more be opened.
        self._has_place = True
        #: When those that fell silent are looked for next, on this host's own clock.
        self._look_at = 0.0
        self._ready: deque[Outcome] = deque()
        #: Messages of which nothing was handed over when their connection went; each may go again once.
        self._again: deque[Message] = deque()
        self._went_again: set[str] = set()
        #: Why no (further) connection can be opened; stands for the rest of the window.
        self._failure: ChannelError | None = None

    def run(self) -> Iterator[Outcome]:
        try:
            server = self._session.server()
            self._signer = self._session.signer()
        except AccountProblem as err:
            yield from (err.outcome(message.id) for message in self._source)
            return
        self._server = server
        while True:
            if self._has_place:
                self._put_to_work()
            while self._ready:
                yield self._ready.popleft()
            if not self._session.is_busy():
                return
            self._exchange()

    def _put_to_work(self) -> None:
        """Give each free connection a message, and open further ones while there are messages for them."""
        self._has_place = False
        if self._is_dry and not self._again:
            return
        for conversation in self._session.idle():
            if (transfer := self._take(conversation)) is None:
                return
            self._begin(conversation, transfer)
        while self._failure is None and self._session.has_room(self._server):
            message = self._pull()
            if message is None:
                return
            self._again.appendleft(message)
            if not self._open_one():
                break
        if self._failure is not None and not self._session.busy():
            self._give_up(self._failure)

    def _open_one(self) -> bool:
        try:
            conversation = self._session.connect(self._server)
        except ChannelError as err:
            self._failure = err
            return False
        if (transfer := self._take(conversation)) is not None:
            self._begin(conversation, transfer)
        return True

    def _give_up(self, failure: ChannelError) -> None:
        """No connection, and none to be had: the same answer for all that is asked to be sent now."""
        while (message := self._pull()) is not None:
            self._ready.append(_redacted(failure.outcome(message.id), self._server))

    def _pull(self) -> Message | None:
        if self._again:
            return self._again.popleft()
        message = None if self._is_dry else next(self._source, None)
        self._is_dry = message is None
        return message

    def _take(self, conversation: Conversation) -> Transfer | None:
        """The next message, ready for this connection; those that it cannot carry are answered at once."""
        while (message := self._pull()) is not None:
            try:
                return prepare(
                    message,
                    sender=self._server.sender,
                    returns_to=self._server.bounce_address,
                    extensions=conversation.connection.extensions,
                    signer=self._signer,
                )
            except UnsupportedContent as err:
                self._ready.append(err.outcome(message.id))
        return None

    def _begin(self, conversation: Conversation, transfer: Transfer) -> None:
        conversation.begin(transfer)
        self._session.watch(conversation)

    def _exchange(self) -> None:
        pause = smtp_wire.REPLY_SECONDS / 10
        for conversation in self._session.wait(pause):
            self._listen(conversation)
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + pause
            self._lose_silent(now)

    def _lose_silent(self, now: float) -> None:
        for conversation in self._session.busy():
            if now - conversation.quiet_since > smtp_wire.REPLY_SECONDS:
                self._lose(conversation, TimeoutError(f"no answer within {smtp_wire.REPLY_SECONDS:.0f} seconds"))

    def _listen(self, conversation: Conversation) -> None:
        try:
            data = conversation.connection.read()
            usual = conversation.glide(data, self._take)
            if usual is not None:
                self._ready.append(usual)
            else:
                self._hear_each(conversation, data)
                self._has_place |= conversation.is_idle
            if usual is None or conversation.connection.is_writing:
                self._session.watch(conversation)
        except (OSError, NotSmtp) as err:
            self._lose(conversation, err)

    def _hear_each(self, conversation: Conversation, data: bytes) -> None:
        for reply in conversation.connection.replies(data):
            outcome = conversation.hear(reply, self._take)
            if outcome is not None:
                self._ready.append(_redacted(outcome, self._server))
            if conversation.over is not None:
                raise conversation.over

    def _lose(self, conversation: Conversation, error: Exception) -> None:
        self._has_place = True
        outcomes, untouched = self._session.lose(conversation, error)
        self._ready.extend(_redacted(outcome, self._server) for outcome in outcomes)
        for message in untouched:
            if message.id in self._went_again:
                failure = TemporaryFailure(f"Lost before the message was handed over: {error}", reason="temporary")
                self._ready.append(failure.outcome(message.id))
            else:
                self._went_again.add(message.id)
                self._again.append(message)


def _redacted(outcome: Outcome, server: Server) -> Outcome:
    password = server.credentials.password
    if password and password in outcome.detail:
        return replace(outcome, detail=outcome.detail.replace(password, "…"))
    return outcome
