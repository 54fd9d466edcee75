"""A mail server that notes when it took each message: a program of its own, so that nothing measured waits for it.

`python -m outreach.management.bench_recorder PORT` writes a line a message: the recipient, and the machine's monotonic
time just before the reply that takes it.
"""

from __future__ import annotations

import asyncio
import sys
import time

from aiosmtpd.smtp import SMTP, Envelope, Session


class Recorder:
    """What aiosmtpd asks."""

    async def handle_EHLO(  # noqa: N802 -- the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", *responses[-1:]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- as above
        print(envelope.rcpt_tos[0], time.monotonic(), flush=True)
        return "250 2.0.0 taken"


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Recorder(), enable_SMTPUTF8=True), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
