"""One conversation: what became of the messages does not hang on the pieces in which the server's words arrive."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress

from hypothesis import example, given
from hypothesis import strategies as st

from channels.base import Message, Outcome
from channels.smtp_conversation import Conversation, Transfer, prepare
from channels.smtp_replies import NotSmtp, ReplyReader
from channels.smtp_wire import Connection

#: What servers say to MAIL, RCPT and DATA, and behind the end.
ENVELOPES = st.sampled_from(
    [
        b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n",
        b"250 ok\r\n250 ok\r\n354 ok\r\n",
        b"250-first\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n",
    ]
)
ENDS = st.sampled_from(
    [
        b"250 2.0.0 Ok: queued as 4BX\r\n",
        b"250 \r\n",
        b"250-Ok\r\n250 queued as 7\r\n",
        b"554 5.7.1 No\r\n",
        b"250 Ok\r\n250 Said twice\r\n",
    ]
)


def told(script: Sequence[tuple[bytes, bytes]], *, in_pieces: bool) -> list[Outcome | str]:
    """What a conversation makes of a server that answers by the script, whole answers at a time or each octet alone."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with closing(ours), closing(theirs):
        conversation = Conversation(Connection(ours, ReplyReader(), {"PIPELINING": ""}))
        messages = [Message(id=f"1-{n}", to="a@b.bg", text="x", sender="c@d.bg") for n in range(len(script))]
        waiting = iter([prepare(message, sender="c@d.bg", extensions={"PIPELINING"}) for message in messages])
        conversation.begin(next(waiting))
        found: list[Outcome | str] = []
        try:
            for said in _said(script):
                for data in [said[n : n + 1] for n in range(len(said))] if in_pieces else [said]:
                    found += _heard(conversation, data, waiting)
                with suppress(BlockingIOError):  # a server reads, or we would have to wait for it
                    theirs.recv(1 << 20)
        except (ConnectionError, NotSmtp) as err:
            found.append(str(err))
        return found


def _heard(conversation: Conversation, data: bytes, waiting: Iterator[Transfer]) -> Iterator[Outcome]:
    def take_next(_conversation: Conversation) -> Transfer | None:
        return next(waiting, None)

    if (usual := conversation.glide(data, take_next)) is not None:
        yield usual
        return
    for reply in conversation.connection.replies(data):
        if (outcome := conversation.hear(reply, take_next)) is not None:
            yield outcome


def _said(script: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """What comes at once: the answers to the end of one message and to the envelope of the next."""
    before = b""
    for envelope, end in script:
        yield before + envelope
        before = end
    yield before


_OK = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n"


@example([(_OK, b"250 Ok\r\n")] * 3 + [(_OK, b"250 Ok\r\n250 Said twice\r\n"), (_OK, b"250 Ok\r\n")])
@given(st.lists(st.tuples(ENVELOPES, ENDS), min_size=1, max_size=6))
def test_whole_answers_and_single_octets_come_to_the_same(script: list[tuple[bytes, bytes]]) -> None:
    assert told(script, in_pieces=False) == told(script, in_pieces=True)
