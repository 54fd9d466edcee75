"""Finding people: by the beginning of a word of the name or of an address, page by page, in Bulgarian order."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Address, Subscriber, Subscription, Topic
from outreach.audience.names import WORD_BREAK, sort_key
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Channel, SubscriptionState


def search(
    organisation: Organisation,
    text: str = "",
    *,
    topic: Topic | None = None,
    kind: str = "",
    after: str | None = None,
    limit: int = 50,
) -> tuple[list[Subscriber], str | None]:
    """Find living people of the organisation and below, in Bulgarian order of names; return them and the next cursor.

    Addresses and subscriptions (with topics) come along in two further queries, however many the people are.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    rows = _matching(organisation, text.strip(), topic, kind)
    if after:
        key, number = _read_cursor(after)
        rows = rows.filter(Q(sort_key__gt=key) | Q(sort_key=key, id__gt=number))
    page = list(rows.order_by("sort_key", "id").prefetch_related(*_SHOWN)[: limit + 1])
    following = _cursor(page[limit - 1]) if len(page) > limit else None
    return page[:limit], following


def count(organisation: Organisation, text: str = "", *, topic: Topic | None = None, kind: str = "") -> int:
    """How many people `search` would find on all its pages."""
    return _matching(organisation, text.strip(), topic, kind).count()


_SHOWN: tuple[Any, ...] = (
    Prefetch("addresses", queryset=Address.objects.order_by("channel", "id")),
    Prefetch("subscriptions", queryset=Subscription.objects.select_related("topic").order_by("topic__slug", "channel")),
)


def _matching(organisation: Organisation, text: str, topic: Topic | None, kind: str) -> QuerySet[Subscriber]:
    rows = Subscriber.objects.for_organisation(organisation).filter(erased_at=None).select_related("organisation")
    if kind:
        rows = rows.filter(kind=kind)
    if topic is not None:
        wanted = Subscription.objects.filter(subscriber=OuterRef("pk"), topic=topic, state=SubscriptionState.SUBSCRIBED)
        rows = rows.filter(Exists(wanted))
    return rows.filter(_text_filter(organisation, text)) if text else rows


def _text_filter(organisation: Organisation, text: str) -> Q:
    owners = Address.objects.filter(
        organisation__path__startswith=organisation.path, normalised__startswith=_address_prefix(text)
    ).values("subscriber")
    by_address = Q(pk__in=owners)
    key = sort_key(text)
    if not key or "@" in text:
        return by_address
    return by_address | Q(sort_key__startswith=key) | Q(sort_key__contains=WORD_BREAK + key)


def _address_prefix(text: str) -> str:
    """The beginning of an address as it is kept; a whole number written `088 8...` is found too."""
    try:
        return normalise(Channel.SMS, text)
    except BadAddress:
        return text.lower()


def _cursor(row: Subscriber) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.sort_key, row.pk]).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[str, int]:
    try:
        key, number = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return str(key), int(number)
    except (ValueError, TypeError) as err:
        raise Invalid({"cursor": [_("This page marker is not one of ours.")]}) from err
