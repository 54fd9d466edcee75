"""`outreach ledger`: what became of everybody, by state; `--check` proves it against the rows."""

from __future__ import annotations

import argparse
import json

from django.utils.translation import gettext as _

from outreach.campaigns.models import Campaign
from outreach.core.errors import NotFound
from outreach.core.vocabulary import DeliveryState
from outreach.delivery.check import LedgerCheck, check_ledger
from outreach.effectiveness.recount import check_what_came_back


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("campaign", nargs="?", metavar="CAMPAIGN", help="its id; all campaigns where it is left out")
    parser.add_argument("--check", action="store_true", help="exit 0 only if the ledger adds up")
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    campaign = _campaign(args.campaign) if args.campaign else None
    found = check_what_came_back(check_ledger(campaign), campaign)
    print(json.dumps(found.as_json()) if args.json else _in_words(found))
    return 1 if args.check and not found.adds_up else 0


def _campaign(text: str) -> Campaign:
    found = Campaign.objects.filter(pk=int(text)).first() if text.isdecimal() else None
    if found is None:
        raise NotFound(_("There is no campaign “%(text)s”.") % {"text": text})
    return found


def _in_words(found: LedgerCheck) -> str:
    lines = [f"{'audience':12} {found.audience:>12,}"]
    for state in DeliveryState.values:
        if found.primary[state] or found.fallback[state]:
            instead = _("and %(count)s in place of another channel") % {"count": f"{found.fallback[state]:,}"}
            lines.append(f"{state:12} {found.primary[state]:>12,}" + (f"  {instead}" if found.fallback[state] else ""))
    lines.append(f"{'in hand':12} {found.in_hand:>12,}")
    lines += [
        _("PROBLEM in run %(run)s: %(message)s") % {"run": problem.run, "message": f"{problem.code}: {problem.message}"}
        for problem in found.problems
    ]
    lines.append(_("The ledger adds up.") if found.adds_up else _("The ledger does NOT add up."))
    return "\n".join(lines)
