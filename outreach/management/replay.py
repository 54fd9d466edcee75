"""`outreach replay`: what providers told us in calls that were kept, applied once more; it changes nothing twice."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _

from outreach.core import clock
from outreach.events.replaying import replay

#: How far back it goes where nothing else is said.
DAYS: Final = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", type=int, help="only the calls of this account (the number in its address)")
    parser.add_argument("--since", type=_moment, metavar="TIME", help=f"RFC 3339; {DAYS} days ago where not given")
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    found = replay(since=args.since or clock.now() - timedelta(days=DAYS), account=args.account)
    if args.json:
        print(json.dumps(found))
    else:
        print(_("Applied: %(applied)s. Their message is not known: %(waiting)s. Failed: %(failed)s.") % found)
    return 1 if found["failed"] else 0


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
