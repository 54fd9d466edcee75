"""Django's queries from an event loop: in a thread, with its connections looked after as Django does for a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from django.db import close_old_connections

T = TypeVar("T")


def with_connection(call: Callable[[], T]) -> T:
    """Run `call` in this thread; connections that broke or grew old are closed before and after."""
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()


async def in_thread(call: Callable[[], T]) -> T:
    """Run `call`, which asks the database, without stopping the loop."""
    return await asyncio.to_thread(with_connection, call)
