"""`outreach track`: the readers' endpoints alone, for a host in front of the rest."""

from __future__ import annotations

import argparse

from outreach.management import web


def add_arguments(parser: argparse.ArgumentParser) -> None:
    web.add_arguments(parser)


def handle(args: argparse.Namespace) -> int:
    web.serve("outreach.web.asgi:tracking", host=args.host, port=args.port)
    return 0
