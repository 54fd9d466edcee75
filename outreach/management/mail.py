"""`outreach mail`: mail that comes in: watched mailboxes, and what other servers hand to us by SMTP or LMTP."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from outreach.core.errors import Invalid
from outreach.events.mail_door import Bounds, Doorkeeper, Handler, opening
from outreach.events.mail_watch import watch_all

#: How a place to listen at is written.
EXAMPLE: Final = "lmtp://127.0.0.1:2400"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        action="append",
        metavar="PROTOCOL://HOST:PORT",
        help="smtp or lmtp; OUTREACH_MAIL_LISTEN if left out",
    )


def handle(args: argparse.Namespace) -> int:
    places = [read_place(text) for text in args.listen or settings.MAIL_LISTEN]
    with _watching() if settings.MAIL_WATCH is not False or not places else nullcontext():
        asyncio.run(_serve(places))
    return 0


@contextmanager
def _watching() -> Iterator[None]:
    over = threading.Event()
    watcher = threading.Thread(target=watch_all, args=(over,), name="mail-watch")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(timeout=5)


def read_place(text: str) -> tuple[str, str, int]:
    """Protocol, host and port of `lmtp://127.0.0.1:2400`.

    Raises:
        Invalid: it is none.
    """
    try:
        parts = urlsplit(text)
        protocol, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        protocol, host, port = "", "", None
    if protocol not in {"smtp", "lmtp"} or not host or port is None:
        sentence = _("“%(text)s” is no address such as %(example)s.") % {"text": text, "example": EXAMPLE}
        raise Invalid({"listen": [sentence]})
    return protocol, host, port


async def _serve(places: list[tuple[str, str, int]]) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    bounds = Bounds(largest=settings.MAIL_MAX_BYTES, per_minute=settings.MAIL_PER_MINUTE)
    handler = Handler(Doorkeeper(bounds=bounds))
    async with AsyncExitStack() as stack:
        for protocol, host, port in places:
            make = opening(protocol, handler, hostname=settings.MAIL_NAME, tls=_certificate())
            await stack.enter_async_context(await loop.create_server(make, host, port))
        await over.wait()


def _certificate() -> ssl.SSLContext | None:
    """For STARTTLS; None where none is configured."""
    if not settings.MAIL_CERTIFICATE:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.MAIL_CERTIFICATE)
    return context
