"""A message as its recipient got it, made again from what was frozen by the delivery's own renderer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run
from outreach.core.vocabulary import Channel, RunKind, Tracking
from outreach.delivery.digests import carried_by
from outreach.delivery.handover import variant_for
from outreach.delivery.links import compiled_run
from outreach.delivery.markup import show_attached
from outreach.delivery.models import Delivery
from outreach.delivery.render import Recipient
from outreach.delivery.tokens import Token


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A message, ready for a browser."""

    run: Run
    channel: str
    language: str
    subject: str
    #: A whole document for e-mail, a fragment for a feed entry, '' for a message of text alone.
    html: str
    text: str
    published: datetime | None


def render_for_browser(token: Token) -> Shown | None:
    """The message of a VIEW token; None where its run is gone.

    Raises:
        outreach.delivery.render.RenderingFailed: it cannot be made any more.
    """
    run = Run.objects.select_related("organisation").filter(pk=token.run).first()
    compiled = compiled_run(token.run)
    if run is None or compiled is None:
        return None
    delivery = Delivery.objects.filter(run_id=token.run, id=token.delivery).first() if token.delivery else None
    recipient = _recipient(run, delivery, token)
    if delivery is not None and run.kind == RunKind.DIGEST:
        # A short message leads to the page with all of it.
        recipient = recipient._replace(channel=Channel.EMAIL.value, data=carried_by([delivery])[delivery.id])
    message = compiled.render(recipient)
    return Shown(
        run=run,
        channel=token.channel,
        language=message.language,
        subject=message.subject,
        html=show_attached(message.html, settings.BASE_URL),
        text=message.text,
        published=(delivery.settled_at or delivery.created_at) if delivery else None,
    )


def _recipient(run: Run, delivery: Delivery | None, token: Token) -> Recipient:
    if delivery is None:
        return Recipient(delivery=0, channel=token.channel, language=token.language)
    known = Subscriber.objects.filter(pk=delivery.subscriber_id, erased_at=None) if delivery.subscriber_id else None
    person = known.first() if known is not None else None
    return Recipient(
        delivery=delivery.id,
        channel=delivery.channel,
        language=delivery.language or token.language,
        variant=variant_for(delivery.draw, _variants(run, delivery)),
        subscriber=_facts(person) if person else None,
        individual=bool(person and person.is_measured and run.frozen.get("tracking") == Tracking.INDIVIDUAL),
    )


def _variants(run: Run, delivery: Delivery) -> list[str]:
    key = (delivery.channel, delivery.language)
    return sorted({c["variant"] for c in run.frozen["contents"] if (c["channel"], c["language"]) == key})


def _facts(person: Subscriber) -> dict[str, Any]:
    return {
        "id": person.pk,
        "name": person.name,
        "kind": person.kind,
        "language": person.language,
        "attributes": person.attributes,
    }


def is_public(shown: Shown) -> bool:
    """Whether it was published for everybody: a feed entry or a post has no recipient to protect."""
    return shown.channel in (Channel.FEED, Channel.SOCIAL)
