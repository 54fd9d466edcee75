"""When an organisation's digests come: at which minute of the reader's day, and the weekly ones on which day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.quiet_hours import TIME, clock_of, minute_of
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission

#: In their order, Monday being 0.
WEEKDAYS: Final[dict[str, Any]] = {
    "monday": _("Monday"),
    "tuesday": _("Tuesday"),
    "wednesday": _("Wednesday"),
    "thursday": _("Thursday"),
    "friday": _("Friday"),
    "saturday": _("Saturday"),
    "sunday": _("Sunday"),
}


@dataclass(frozen=True, kw_only=True)
class DigestTime:
    """When digests come."""

    #: Such as `08:00`.
    at: str
    #: One of WEEKDAYS.
    weekday: str


def digest_time_of(organisation: Organisation) -> DigestTime:
    """When the organisation's digests come."""
    return DigestTime(at=clock_of(organisation.digest_minute), weekday=list(WEEKDAYS)[organisation.digest_weekday])


@transaction.atomic
def set_digest_time(actor: Actor, *, at: str, weekday: str) -> DigestTime:
    """Choose when the digests of the actor's organisation come; what is kept already comes when it was promised.

    Raises:
        Invalid: it is no time of day, or no day of the week.
    """
    actor.require(Permission.MANAGE_ORGANISATION)
    problems: dict[str, list[Any]] = {}
    if not TIME.fullmatch(at):
        problems["at"] = [_("Give a time of day such as 08:00.")]
    if weekday not in WEEKDAYS:
        problems["weekday"] = [_("Choose a day of the week.")]
    if problems:
        raise Invalid(problems)
    organisation = Organisation.objects.select_for_update().get(pk=actor.organisation.pk)
    chosen = DigestTime(at=at, weekday=weekday)
    if chosen != digest_time_of(organisation):
        organisation.digest_minute, organisation.digest_weekday = minute_of(at), list(WEEKDAYS).index(weekday)
        organisation.save(update_fields=["digest_minute", "digest_weekday"])
        audit.record(actor, "organisation.digest_time", organisation, at=at, weekday=weekday)
    return chosen
