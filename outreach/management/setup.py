"""`outreach setup`: the first organisation and its administrator on an empty installation."""

from __future__ import annotations

import argparse
import json

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Membership, Organisation, User
from outreach.core.vocabulary import ApprovalPolicy, Role
from outreach.management.migrate import migrate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--organisation", required=True, metavar="SLUG", help="its name in URLs and in the API")
    parser.add_argument("--name", required=True, help="its name for people")
    parser.add_argument("--admin", required=True, metavar="EMAIL", help="its first administrator")
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    _check(args.organisation, args.admin)
    migrate()
    link = set_up(args.organisation, name=args.name, admin=args.admin)
    answer = {"organisation": args.organisation, "admin": args.admin, "link": link}
    words = _("Open this link once to set the password of %(email)s:") % {"email": args.admin}
    print(json.dumps(answer) if args.json else f"{words}\n{link}")
    return 0


def set_up(slug: str, *, name: str, admin: str) -> str:
    """Make the organisation and its administrator; give the one-time link that sets the password.

    Called again for the same two before the link was used, it gives the same people a fresh link.
    """
    _check(slug, admin)
    with transaction.atomic():
        user = _unfinished(slug, admin) or _make(slug, name=name, admin=admin)
    return password_link(user)


def password_link(user: User) -> str:
    """The link that lets `user` set a password once."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return f"{settings.BASE_URL}{reverse('console:set_password', args=[uid, default_token_generator.make_token(user)])}"


def _check(slug: str, admin: str) -> None:
    fields: dict[str, list[str]] = {}
    for path, value, validate in (("organisation", slug, validate_slug), ("admin", admin, validate_email)):
        try:
            validate(value)
        except ValidationError as error:
            fields[path] = [str(message) for message in error.messages]
    if fields:
        raise Invalid(fields)


def _unfinished(slug: str, admin: str) -> User | None:
    user = User.objects.filter(email=admin.lower(), memberships__organisation__slug=slug).first()
    return user if user is not None and not user.has_usable_password() else None


def _make(slug: str, *, name: str, admin: str) -> User:
    if Organisation.objects.exists():
        raise StateConflict(_("This installation is set up already. Add organisations and members in the console."))
    organisation = Organisation.objects.create(slug=slug, name={"bg": name, "en": name}, approval=ApprovalPolicy.NONE)
    user = User.objects.create_user(admin, name=admin.partition("@")[0])
    Membership.objects.create(user=user, organisation=organisation, role=Role.ADMINISTRATOR)
    return user
