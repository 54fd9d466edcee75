"""`outreach register`: who used a service, told by the service's own register."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from django.utils.translation import gettext as _

from outreach.core.access import product_itself
from outreach.core.errors import NotFound
from outreach.core.models import Organisation
from outreach.events.registers import Taken, take_register


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="CSV")
    parser.add_argument("--organisation", required=True, metavar="SLUG", help="whose service and people they are")
    parser.add_argument("--service", required=True, metavar="SLUG", help="what they used")
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    organisation = Organisation.objects.filter(slug=args.organisation).first()
    if organisation is None:
        raise NotFound
    with args.file.open(encoding="utf-8-sig", newline="", errors="replace") as lines:
        taken = take_register(product_itself(organisation), lines, service=args.service)
    print(json.dumps(vars(taken)) if args.json else _worded(taken))
    return 1 if taken.rejected else 0


def _worded(taken: Taken) -> str:
    counts = {**vars(taken), "rejected": len(taken.rejected)}
    said = _("First uses: %(first)s. Repeated: %(repeated)s. Known before: %(known)s. Rejected: %(rejected)s.") % counts
    lines = [_("Line %(line)s: %(sentence)s") % {"line": line, "sentence": text} for line, text in taken.rejected]
    return "\n".join([said, *lines])
