"""`outreach keys --rotate`: credentials of accounts and secrets of services, sealed anew with the first key.

The keys are those of OUTREACH_ENCRYPTION_KEYS.
"""

from __future__ import annotations

import argparse
import json
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from outreach.core.models import Account
from outreach.core.secrets import NotOurKey, is_sealed_newly, seal, unseal
from outreach.events.call_secrets import CallSecret

#: Whose `sealed` is sealed.
HOLDERS: Final[tuple[type[Account | CallSecret], ...]] = (Account, CallSecret)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rotate", action="store_true", help="seal all credentials and secrets with the first key")
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
    """Seal again, with the first key, what an older one sealed; how many. Doing it twice changes nothing."""
    changed = 0
    for row in [row for holder in HOLDERS for row in holder.objects.select_for_update().exclude(sealed=b"")]:
        try:
            if not is_sealed_newly(row.sealed):
                row.sealed = seal(unseal(row.sealed))
                row.save(update_fields=["sealed"])
                changed += 1
        except NotOurKey:
            continue  # `count` says how many, and the command fails
    return changed


def count() -> dict[str, int]:
    """What is sealed by the key that opens it: the first, an older one, none."""
    found = {"first_key": 0, "older_keys": 0, "unreadable": 0}
    for sealed in [row.sealed for holder in HOLDERS for row in holder.objects.exclude(sealed=b"")]:
        try:
            unseal(sealed)
            found["first_key" if is_sealed_newly(sealed) else "older_keys"] += 1
        except NotOurKey:
            found["unreadable"] += 1
    return found


def _lines(changed: int, found: dict[str, int]) -> str:
    said = [
        _("Sealed anew: %(count)s.") % {"count": changed},
        _("Credentials that the first key opens: %(count)s.") % {"count": found["first_key"]},
        _("Credentials that need an older key: %(count)s.") % {"count": found["older_keys"]},
    ]
    if found["unreadable"]:
        said.append(_("Credentials that no key opens: %(count)s.") % {"count": found["unreadable"]})
    return "\n".join(said)
