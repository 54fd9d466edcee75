"""`outreach token`: a new token for the API, printed once; only its digest is kept."""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets

from django.utils.translation import gettext as _

from outreach.core.errors import NotFound
from outreach.core.models import ApiToken, Organisation
from outreach.core.vocabulary import Role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--organisation", required=True, metavar="SLUG")
    parser.add_argument("--role", required=True, choices=Role.values)
    parser.add_argument("--name", default="", help="what it is for, to be told apart later")
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    text = make_token(find_organisation(args.organisation), role=args.role, name=args.name)
    answer = {"token": text, "organisation": args.organisation, "role": args.role}
    print(json.dumps(answer) if args.json else text)
    return 0


def make_token(organisation: Organisation, *, role: str, name: str = "") -> str:
    """Make a token that acts at `organisation` by `role`; nobody can read it again."""
    text = f"out_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    ApiToken.objects.create(organisation=organisation, role=role, name=name, digest=digest)
    return text


def find_organisation(slug: str) -> Organisation:
    """Find it by its slug, or say which there are."""
    found = Organisation.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Organisation.objects.values_list("slug", flat=True)) or _("none yet: run `outreach setup`")
        raise NotFound(_("There is no organisation “%(slug)s”. There are: %(known)s.") % {"slug": slug, "known": known})
    return found
