"""A person's pause: until when campaigns do not write to them. Fan-out and each window look at it; notices do not."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Subscriber
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.vocabulary import PauseLength, Permission
from schedules.zones import local_time, moment_of

#: A pause that is meant to last for ever is an unsubscription, which says what it is.
LONGEST: Final = timedelta(days=366)


def pause_of(subscriber: Subscriber) -> datetime | None:
    """Until when the person is not written to; None where they are."""
    until = subscriber.paused_until
    return until if until is not None and until > clock.now() else None


def end_of_pause(length: str, day: str, *, zone: str, now: datetime) -> datetime | None:
    """When a pause asked for now ends: at the beginning of a day of the person's; None for no pause.

    Raises:
        Invalid: the length is no PauseLength, or the day is none.
    """
    today = local_time(now, zone).date()
    if length == PauseLength.NONE:
        return None
    if length == PauseLength.WEEK:
        return _beginning(today + timedelta(days=7), zone)
    if length == PauseLength.MONTH:
        return _beginning(_month_after(today), zone)
    if length != PauseLength.DATE:
        raise Invalid({"length": [_("Choose how long the pause is to last.")]})
    try:
        return _beginning(date.fromisoformat(day), zone)
    except (ValueError, OverflowError) as err:
        raise Invalid({"until": [_("Give the day as YYYY-MM-DD.")]}) from err


def _month_after(day: date) -> date:
    """The same day of the next month, or its last where it is shorter."""
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def _beginning(day: date, zone: str) -> datetime:
    return moment_of(datetime.combine(day, time.min), zone).at


def zone_of(subscriber: Subscriber) -> str:
    """The zone by whose clock the person lives: their own, else their organisation's."""
    return subscriber.timezone or subscriber.organisation.timezone


@transaction.atomic
def set_pause(actor: Actor, subscriber: Subscriber, until: datetime | None) -> None:
    """Let campaigns leave the person alone until then; None: write again. What stays as it was is not written again.

    Raises:
        Invalid: the time has passed, or is more than a year away.
        StateConflict: the person was erased.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    _check(until)
    locked = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
    if locked.erased_at is not None:
        raise StateConflict(_("This person was erased."))
    if until == pause_of(locked):
        return
    locked.paused_until = until
    locked.save(update_fields=["paused_until", "updated_at"])
    if until is None:
        audit.record(actor, "subscriber.resumed", locked)
    else:
        audit.record(actor, "subscriber.paused", locked, until=until.isoformat())
    subscriber.paused_until = until


def _check(until: datetime | None) -> None:
    problem: Any = None
    if until is not None and until <= clock.now():
        problem = _("Give a day that is still to come.")
    elif until is not None and until > clock.now() + LONGEST:
        problem = _("A pause lasts at most a year. To get nothing any more, unsubscribe.")
    if problem:
        raise Invalid({"until": [problem]})
