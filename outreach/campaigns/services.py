"""The catalogue of e-services: what campaigns promote, with its address and the steps 'where and how'."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.fields import Reader, usable_topics
from outreach.campaigns.models import Service
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Language, Permission, SubscriberKind

KEYS: Final = dict.fromkeys(("slug", "organisation", "name", "url", "steps", "kinds", "topics", "click_parameter"), 0)
#: What may stand as a parameter's name in any address without being encoded.
PARAMETER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_is_url = URLValidator(schemes=["http", "https"])


@transaction.atomic
def create_service(actor: Actor, data: Mapping[str, Any]) -> Service:
    """Add an e-service to the catalogue.

    Raises:
        Invalid: with every bad field, by path.
    """
    actor.require(Permission.EDIT_SERVICES)
    slug = str(data.get("organisation") or actor.organisation.slug)
    owner = actor.organisation.subtree().filter(slug=slug).first()
    if owner is None:
        raise Invalid({"organisation": [_("There is no such organisation.")]})
    service = Service(organisation=owner)
    _write(service, data, required=("slug", "name", "url"))
    audit.record(actor, "service.created", service)
    return service


@transaction.atomic
def change_service(actor: Actor, service: Service, data: Mapping[str, Any]) -> Service:
    """Change what is given. Runs that were made before keep what they froze.

    Raises:
        Invalid: with every bad field, by path.
    """
    actor.require(Permission.EDIT_SERVICES)
    _write(service, data, required=())
    audit.record(actor, "service.changed", service, fields=sorted(data))
    return service


def _write(service: Service, data: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    reader = Reader(service.organisation)
    given = reader.mapping(data, "", KEYS)
    for key in required:
        if not given.get(key):
            reader.complain(key, _("This must not be empty."))
    _write_addresses(reader, service, given)
    for key, longest in (("name", 200), ("steps", 5000)):
        if key in given:
            setattr(service, key, _texts(reader, given[key], key, longest=longest))
    if "kinds" in given:
        service.kinds = reader.choices(given["kinds"] or [], "kinds", SubscriberKind)
    topics = _topics(reader, given, service.organisation)
    if reader.problems:
        raise Invalid(reader.problems)
    service.save()
    if topics is not None:
        service.topics.set(topics)


def _write_addresses(reader: Reader, service: Service, given: Mapping[str, Any]) -> None:
    if given.get("slug"):
        service.slug = _slug(reader, given["slug"], service)
    if given.get("url"):
        service.url = _url(reader, given["url"])
    if "click_parameter" in given:
        service.click_parameter = _parameter(reader, given["click_parameter"])


def _slug(reader: Reader, value: Any, service: Service) -> str:
    slug = reader.text(value, "slug", longest=60)
    if not SLUG.fullmatch(slug):
        reader.complain("slug", _("Use small Latin letters, digits and hyphens."))
    elif Service.objects.filter(slug=slug).exclude(pk=service.pk).exists():
        reader.complain("slug", _("There is already an e-service with this name in addresses."))
    return slug


def _url(reader: Reader, value: Any) -> str:
    url = reader.text(value, "url", longest=500).strip()
    try:
        _is_url(url)
    except ValidationError:
        reader.complain("url", _("This is not a web address. Write it with https:// in front."))
    return url


def _parameter(reader: Reader, value: Any) -> str:
    name = reader.text(value or "", "click_parameter", longest=40).strip()
    if name and not PARAMETER.fullmatch(name):
        reader.complain("click_parameter", _("Begin with a Latin letter; then letters, digits, hyphens, _ and dots."))
    return name


def _texts(reader: Reader, value: Any, path: str, *, longest: int) -> dict[str, str]:
    given = reader.mapping(value, path, dict.fromkeys(Language.values, 0))
    texts = {str(key): reader.text(text, f"{path}/{key}", longest=longest) for key, text in given.items()}
    if path == "name" and not any(text.strip() for text in texts.values()):
        reader.complain(path, _("Write the name in at least one language."))
    return texts


def _topics(reader: Reader, given: Mapping[str, Any], organisation: Organisation) -> list[Any] | None:
    if "topics" not in given:
        return None
    return reader.by_slug(given["topics"] or [], "topics", usable_topics(organisation))
