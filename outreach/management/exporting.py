"""`outreach export`: the people of a topic or a segment, into a file or on standard output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from django.utils.translation import gettext as _

from outreach.audience.exports import export_people
from outreach.audience.segments import usable_segments
from outreach.audience.topics import topics_open_to
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, NotFound
from outreach.core.vocabulary import ExportForm
from outreach.management.token import find_organisation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help="standard output where it is not given")
    parser.add_argument("--organisation", required=True, metavar="SLUG", help="whose people, and those below it")
    parser.add_argument("--topic", metavar="SLUG", help="those subscribed to it, with their consent")
    parser.add_argument("--segment", metavar="ID", help="those whom it means now")
    parser.add_argument("--format", choices=ExportForm.values, default=ExportForm.CSV)


def handle(args: argparse.Namespace) -> int:
    owner = find_organisation(args.organisation)
    topic = topics_open_to(owner).filter(slug=args.topic).first() if args.topic else None
    if args.topic and topic is None:
        raise NotFound(_("There is no topic “%(slug)s”.") % {"slug": args.topic})
    chosen = args.segment if str(args.segment).isdecimal() else None
    segment = usable_segments(owner).filter(pk=chosen).first() if chosen else None
    if args.segment and segment is None:
        raise NotFound(_("There is no segment “%(id)s”.") % {"id": args.segment})
    export = export_people(product_itself(owner), form=args.format, topic=topic, segment=segment)
    if args.file is None:
        sys.stdout.buffer.writelines(export.pieces)
        sys.stdout.buffer.flush()
        return 0
    try:
        with args.file.open("wb") as target:
            target.writelines(export.pieces)
    except OSError as err:
        raise Invalid({"file": [f"{args.file}: {err.strerror}."]}) from err
    return 0
