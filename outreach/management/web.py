"""`outreach web`: granian serving the outer application, and `outreach track`'s smaller sister."""

from __future__ import annotations

import argparse

from django.conf import settings
from django.db import connections
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default=settings.HOST, help="address to listen on")
    parser.add_argument("--port", type=int, default=settings.PORT)


def handle(args: argparse.Namespace) -> int:
    serve("outreach.web.asgi:application", host=args.host, port=args.port)
    return 0


def serve(application: str, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished."""
    connections.close_all()
    Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        process_name=None,
    ).serve()
