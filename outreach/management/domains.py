"""`outreach domains`: which recipient domains do not take our e-mails, since when, why, and what to do."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from django.utils.translation import gettext as _

from outreach.effectiveness.domains import CauseLine, DomainLine, as_json, domain_troubles
from outreach.management.token import find_organisation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--organisation", required=True, metavar="SLUG", help="whose e-mails, and those below it")
    parser.add_argument(
        "--days", type=int, choices=range(1, 91), default=7, metavar="N", help="of how many days, 1 to 90"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each domain")


def handle(args: argparse.Namespace) -> int:
    found = domain_troubles(find_organisation(args.organisation), days=args.days)
    for line in found.domains:
        print(json.dumps(as_json(line), ensure_ascii=False) if args.json else "\n".join(_in_words(line)))
    if not found.domains and not args.json:
        print(_("Every domain takes what we send."))
    return 0


def _in_words(line: DomainLine) -> Iterator[str]:
    facts = {
        "domain": line.domain,
        "first": f"{line.first_at:%Y-%m-%d %H:%M}",
        "last": f"{line.last_at:%Y-%m-%d %H:%M}",
    }
    yield _("%(domain)s, since %(first)s, last %(last)s (UTC)") % facts
    for cause in line.causes:
        yield f"  {cause.cause.label}: {_counts(cause)}"
        yield f"    {cause.remedy}"
        if cause.said:
            yield f"    “{cause.said}”"
    if line.contact:
        yield "  " + " ".join(filter(None, (line.contact.name, line.contact.url)))


def _counts(cause: CauseLine) -> str:
    named = (
        (cause.deferred, _("put off %(num)s")),
        (cause.refused, _("refused %(num)s")),
        (cause.returned, _("returned %(num)s")),
        (cause.complained, _("complaints %(num)s")),
    )
    return ", ".join(words % {"num": f"{count:,}"} for count, words in named if count)
