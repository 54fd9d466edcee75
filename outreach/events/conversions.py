"""Somebody used a service, was satisfied with it, or recommended it: told by the service itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.merging import kept_id
from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run, Service
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import EventKind, EvidenceSource, Goal, Permission, RunKind
from outreach.delivery import tokens
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import TokenKind
from outreach.events.attribution import is_late, last_message
from outreach.events.models import Conversion
from outreach.events.record import Happening, record
from outreach.events.stages import add_evidence

#: Names that the funnel counts; a service may tell others of its own.
USED: Final = "used"
SATISFIED: Final = "satisfied"
RECOMMENDED: Final = "recommended"
#: And the stage that each is evidence of.
STAGES: Final[dict[str, Goal]] = {USED: Goal.USES, SATISFIED: Goal.SATISFIED, RECOMMENDED: Goal.RECOMMENDS}

#: No register of an e-service is older; what a calendar cannot write back in another zone would spoil every list.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)

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
    if at is not None and (at.tzinfo is None or not EARLIEST <= at <= clock.now()):
        wrong["at"] = [_("This must be a time in the past, with its offset.")]
    who = find_who(actor.organisation, wrong, delivery=delivery, subscriber=subscriber, click_token=click_token)
    if wrong or promoted is None or who is None:
        raise Invalid(wrong)
    if who.subscriber is not None:  # told of twice at once, a person would count as two
        Subscriber.objects.select_for_update(no_key=True).filter(pk=who.subscriber.pk).first()
    moment = at or clock.now()
    who = _attributed(who, promoted, moment)
    conversion = Conversion.objects.create(
        organisation=promoted.organisation,
        service=promoted,
        name=name,
        value=value,
        run=who.run,
        delivery=who.delivery.id if who.delivery else None,
        subscriber=who.subscriber,
        at=moment,
        is_late=who.run is not None and is_late(who.run, who.delivery, moment),
        is_repeated=_is_repeated(promoted, name, who.subscriber),
    )
    audit.record(actor, "conversion.recorded", conversion, service=promoted.slug, name=name)
    is_trial = who.run is not None and who.run.kind == RunKind.TEST  # nobody's use of the service
    if name in STAGES and not is_trial:
        _take_as_evidence(conversion, who)
    if who.run is not None:
        record(_happening(conversion, who, run=who.run))
    return conversion


def _attributed(who: Who, service: Service, at: datetime) -> Who:
    """A person whom the service names: with the last message about it, where its campaign's window is open."""
    if who.run is not None or who.subscriber is None:
        return who
    last = last_message(who.subscriber, service, at)
    if last is None:
        return who
    run, delivery = last
    return replace(who, run=run, delivery=delivery, channel=delivery.channel, language=delivery.language)


def _is_repeated(service: Service, name: str, subscriber: Subscriber | None) -> bool | None:
    if subscriber is None:
        return None
    return Conversion.objects.filter(service=service, name=name, subscriber=subscriber).exists()


def _take_as_evidence(conversion: Conversion, who: Who) -> None:
    """A person who is told of again in the same run is counted once; a click of nobody's stands for itself.

    What came too late for its campaign is evidence for the service alone.
    """
    earlier = Conversion.objects.filter(
        service=conversion.service, name=conversion.name, run=who.run, subscriber=who.subscriber, is_late=False
    )
    is_again = who.subscriber is not None and earlier.exclude(pk=conversion.pk).exists()
    add_evidence(
        STAGES[conversion.name],
        EvidenceSource.SERVICE,
        organisation=conversion.organisation_id,
        run=None if conversion.is_late else who.run,
        service=conversion.service,
        subscriber=who.subscriber,
        channel=who.channel,
        language=who.language,
        at=conversion.at,
        people=0 if is_again else 1,
    )


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


def find_who(
    organisation: Organisation,
    wrong: dict[str, list[Any]],
    *,
    delivery: str | None,
    subscriber: str | None,
    click_token: str | None,
) -> Who | None:
    """The one of whom exactly one of the three speaks; None, with what is wrong added to `wrong`."""
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
    person = known.filter(pk=kept_id(row.subscriber_id)).first() if row.subscriber_id else None
    return Who(run=of_run, delivery=row, channel=row.channel, language=row.language, subscriber=person)


_FINDERS: Final = {"delivery": _by_delivery, "subscriber": _by_subscriber, "click_token": _by_click}
