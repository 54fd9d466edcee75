"""Somebody used a service, was satisfied with it, or recommended it: told by the service itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run, Service
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import EventKind, Permission
from outreach.delivery import tokens
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import TokenKind
from outreach.events.models import Conversion
from outreach.events.record import Happening, record

#: Names that the funnel counts; a service may tell others of its own.
USED: Final = "used"
SATISFIED: Final = "satisfied"
RECOMMENDED: Final = "recommended"

_PUBLIC_ID: Final = re.compile(r"(\d{1,18})-(\d{1,18})")


@dataclass(frozen=True, kw_only=True)
class Who:
    """Whom a conversion is counted for: a person, or only a run where tracking is aggregate."""

    run: Run | None = None
    delivery: Delivery | None = None
    channel: str = ""
    language: str = ""
    subscriber: Subscriber | None = None


@transaction.atomic
def record_conversion(
    actor: Actor,
    *,
    service: str,
    name: str,
    delivery: str | None = None,
    subscriber: str | None = None,
    click_token: str | None = None,
    value: float | None = None,
    at: datetime | None = None,
) -> Conversion:
    """Write down that somebody used or judged a service; exactly one of the three says who it was.

    Raises:
        Invalid: the service, the person or the token is not one of the organisation's, or a value is none.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    promoted = Service.objects.for_organisation(actor.organisation).filter(slug=service).first()
    wrong: dict[str, list[Any]] = {}
    if promoted is None:
        wrong["service"] = [_("There is no such service.")]
    if value is not None and not math.isfinite(value):
        wrong["value"] = [_("This must be a number.")]
    if at is not None and (at.tzinfo is None or at > clock.now()):
        wrong["at"] = [_("This must be a time in the past, with its offset.")]
    who = _find(actor.organisation, wrong, delivery=delivery, subscriber=subscriber, click_token=click_token)
    if wrong or promoted is None or who is None:
        raise Invalid(wrong)
    conversion = Conversion.objects.create(
        organisation=promoted.organisation,
        service=promoted,
        name=name,
        value=value,
        run=who.run,
        delivery=who.delivery.id if who.delivery else None,
        subscriber=who.subscriber,
        at=at or clock.now(),
    )
    audit.record(actor, "conversion.recorded", conversion, service=promoted.slug, name=name)
    if who.run is not None:
        record(_happening(conversion, who, run=who.run))
    return conversion


def _happening(conversion: Conversion, who: Who, *, run: Run) -> Happening:
    return Happening(
        kind=EventKind.CONVERTED,
        run=run.pk,
        delivery=conversion.delivery or 0,
        channel=who.channel,
        language=who.language,
        reason=conversion.name,
        source="service",
        at=conversion.at,
    )


def _find(
    organisation: Organisation,
    wrong: dict[str, list[Any]],
    *,
    delivery: str | None,
    subscriber: str | None,
    click_token: str | None,
) -> Who | None:
    given = {"delivery": delivery, "subscriber": subscriber, "click_token": click_token}
    named = [field for field, value in given.items() if value]
    if len(named) != 1:
        wrong[named[0] if named else "delivery"] = [_("Name exactly one: a delivery, a subscriber or a click token.")]
        return None
    field = named[0]
    who = _FINDERS[field](organisation, str(given[field]))
    if who is None:
        wrong[field] = [_("There is no such one in this organisation.")]
    return who


def _by_delivery(organisation: Organisation, text: str) -> Who | None:
    found = _PUBLIC_ID.fullmatch(text)
    return _of_delivery(organisation, run=int(found[1]), delivery=int(found[2])) if found else None


def _by_click(organisation: Organisation, text: str) -> Who | None:
    token = tokens.read(text, TokenKind.CLICK)
    if token is None:
        return None
    if token.delivery:
        return _of_delivery(organisation, run=token.run, delivery=token.delivery)
    run = Run.objects.for_organisation(organisation).filter(pk=token.run).first()
    return Who(run=run, channel=token.channel, language=token.language) if run else None


def _by_subscriber(organisation: Organisation, text: str) -> Who | None:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        return None
    living = Subscriber.objects.for_organisation(organisation).filter(erased_at=None)
    person = living.filter(pk=int(text)).first()
    return Who(subscriber=person) if person else None


def _of_delivery(organisation: Organisation, *, run: int, delivery: int) -> Who | None:
    of_run = Run.objects.for_organisation(organisation).filter(pk=run).first()
    row = Delivery.objects.filter(run_id=run, id=delivery).first()
    if of_run is None or row is None:
        return None
    known = Subscriber.objects.filter(erased_at=None)
    person = known.filter(pk=row.subscriber_id).first() if row.subscriber_id else None
    return Who(run=of_run, delivery=row, channel=row.channel, language=row.language, subscriber=person)


_FINDERS: Final = {"delivery": _by_delivery, "subscriber": _by_subscriber, "click_token": _by_click}
