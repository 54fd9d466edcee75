"""`outreach keys --rotate`: the credentials of accounts, sealed anew with the first of OUTREACH_ENCRYPTION_KEYS."""

from __future__ import annotations

import argparse
import json

from django.db import transaction
from django.utils.translation import gettext as _

from outreach.core.models import Account
from outreach.core.secrets import NotOurKey, is_sealed_newly, seal, unseal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rotate", action="store_true", help="seal every account's credentials with the first key")
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    changed = rotate() if args.rotate else 0
    found = count()
    if args.json:
        print(json.dumps({"rotated": changed, **found}))
    else:
        print(_lines(changed, found))
    return 1 if found["unreadable"] else 0


@transaction.atomic
def rotate() -> int:
    """Seal again, with the first key, what an older one sealed; how many accounts. Doing it twice changes nothing."""
    changed = 0
    for account in Account.objects.select_for_update().exclude(sealed=b"").order_by("pk"):
        try:
            if not is_sealed_newly(account.sealed):
                account.sealed = seal(unseal(account.sealed))
                account.save(update_fields=["sealed"])
                changed += 1
        except NotOurKey:
            continue  # `count` says how many, and the command fails
    return changed


def count() -> dict[str, int]:
    """Accounts by the key that opens them: the first, an older one, none."""
    found = {"first_key": 0, "older_keys": 0, "unreadable": 0}
    for sealed in Account.objects.exclude(sealed=b"").values_list("sealed", flat=True):
        try:
            unseal(sealed)
            found["first_key" if is_sealed_newly(sealed) else "older_keys"] += 1
        except NotOurKey:
            found["unreadable"] += 1
    return found


def _lines(changed: int, found: dict[str, int]) -> str:
    said = [
        _("Sealed anew: %(count)s.") % {"count": changed},
        _("Accounts that the first key opens: %(count)s.") % {"count": found["first_key"]},
        _("Accounts that need an older key: %(count)s.") % {"count": found["older_keys"]},
    ]
    if found["unreadable"]:
        said.append(_("Accounts that no key opens: %(count)s.") % {"count": found["unreadable"]})
    return "\n".join(said)
