"""`outreach sandbox`: the demonstration's local mailbox, phone and social peers."""

from __future__ import annotations

import argparse

from django.conf import settings

from outreach.core.database import embedded_url
from outreach.sandbox.serve import serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, port in settings.SANDBOX_PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, default=port)


def handle(args: argparse.Namespace) -> int:
    serve(
        database_url=settings.DATABASE_URL or embedded_url(settings.DATA),
        smtp_port=args.smtp_port,
        phone_port=args.phone_port,
        social_port=args.social_port,
        sendgrid_port=args.sendgrid_port,
        imap_port=args.imap_port,
        base_url=settings.BASE_URL,
    )
    return 0
