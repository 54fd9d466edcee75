"""The octets of one message as SMTP hands them over (RFC 5321, 4.5.2), bounded whatever comes. No protocol here."""

from __future__ import annotations

from asyncio import LimitOverrunError, StreamReader
from collections.abc import Callable
from typing import Final

_END: Final = b"\r\n.\r\n"


def begin_data(reader: StreamReader) -> None:
    """To be called before the peer is told to go on: the dot that ends the message may be all that it sends."""
    reader.feed_data(b"\r\n")


async def read_data(reader: StreamReader, *, largest: int, note: Callable[[], None]) -> bytes | None:
    """Read up to the dot on a line of its own; None for a message of more than `largest` octets, which is not held.

    By the piece and not by the line: a line costs an object, and may never end. `note` is called for each piece.
    """
    content, size, is_over = bytearray(), 0, False
    while not is_over:
        try:
            piece, is_over = await reader.readuntil(_END), True
        except LimitOverrunError as more:
            piece = await reader.readexactly(more.consumed)
        note()
        size += len(piece)
        if size - len(_END) <= largest:
            content += piece
        else:
            content.clear()
    if size - len(_END) > largest:
        return None
    del content[-3:]
    return bytes(content.replace(b"\r\n.", b"\r\n")[2:])
