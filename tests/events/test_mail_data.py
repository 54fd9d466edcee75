"""What comes between DATA and its dot is what was sent, however it comes, and is held only as far as it is wanted."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as some

from outreach.events.mail_data import begin_data, read_data

LINES = some.lists(
    some.sampled_from([b"", b".", b"..", b".a", b"a", b"\n", b"\r", b"a\n.\nb", b"x" * 300]), max_size=20
)


async def taken(pieces: list[bytes], *, largest: int = 100_000, limit: int = 200) -> tuple[bytes | None, bytes]:
    """The message that is read, and what is left for the next command."""
    reader = asyncio.StreamReader(limit=limit)
    begin_data(reader)
    reading = asyncio.ensure_future(read_data(reader, largest=largest, note=lambda: None))
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    reader.feed_eof()
    return await reading, await reader.read()


def in_pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@given(lines=LINES, size=some.integers(1, 400))
def test_a_message_comes_out_as_it_was_sent_and_the_next_command_is_left(lines: list[bytes], size: int) -> None:
    sent = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines)

    assert asyncio.run(taken(in_pieces(stuffed + b".\r\nQUIT\r\n", size))) == (sent, b"QUIT\r\n")


@given(length=some.integers(0, 3000), largest=some.integers(0, 3000), size=some.integers(1, 400))
def test_one_that_is_too_large_is_read_to_its_end_and_not_kept(length: int, largest: int, size: int) -> None:
    sent = b"x" * length + b"\r\n"
    expected = sent if len(sent) <= largest else None

    assert asyncio.run(taken(in_pieces(sent + b".\r\nRSET\r\n", size), largest=largest)) == (expected, b"RSET\r\n")


@pytest.mark.parametrize("line", [b"x" * 78 + b"\r\n", b"\r\n", b"x" * 80], ids=["lines", "empty lines", "no lines"])
def test_whatever_is_too_large_takes_no_memory(line: bytes) -> None:
    async def read() -> bytes | None:
        reader = asyncio.StreamReader(limit=65_536)
        begin_data(reader)
        reading = asyncio.ensure_future(read_data(reader, largest=100_000, note=lambda: None))
        for _ in range(100):
            reader.feed_data(line * (65_536 // len(line)))
            await asyncio.sleep(0)
        reader.feed_data(b"\r\n.\r\n")
        return await reading

    tracemalloc.start()
    try:
        assert asyncio.run(read()) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
