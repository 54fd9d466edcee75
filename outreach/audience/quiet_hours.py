"""A person's quiet hours: when in the day campaigns are not to disturb them. The law is `schedules.quiet`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Subscriber
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.vocabulary import Permission

TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """From and to which minute of the day; over midnight where they begin later than they end."""

    begins: int
    ends: int

    @property
    def begin(self) -> str:
        """`22:00`."""
        return clock_of(self.begins)

    @property
    def end(self) -> str:
        """`07:00`."""
        return clock_of(self.ends)


def quiet_hours_of(subscriber: Subscriber) -> QuietHours | None:
    """The person's quiet hours; None where there are none."""
    if subscriber.quiet_from is None or subscriber.quiet_to is None:
        return None
    return QuietHours(begins=subscriber.quiet_from, ends=subscriber.quiet_to)


def read_quiet_hours(begin: str, end: str) -> QuietHours | None:
    """The quiet hours between two times of day such as 22:00; None where both are empty.

    Raises:
        Invalid: one of them is missing or no time of day, or they are the same.
    """
    if not begin and not end:
        return None
    problems: dict[str, list[Any]] = {
        field: [_("Give a time of day such as 22:00.")]
        for field, text in (("quiet_from", begin), ("quiet_to", end))
        if not TIME.fullmatch(text)
    }
    if not problems and begin == end:
        problems["quiet_to"] = [_("Give an end that is not the beginning. To get nothing for a time, take a pause.")]
    if problems:
        raise Invalid(problems)
    return QuietHours(begins=minute_of(begin), ends=minute_of(end))


@transaction.atomic
def set_quiet_hours(actor: Actor, subscriber: Subscriber, hours: QuietHours | None) -> None:
    """Keep the person's quiet hours, or none any more. What stays as it was is not written again.

    Raises:
        StateConflict: the person was erased.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    locked = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
    if locked.erased_at is not None:
        raise StateConflict(_("This person was erased."))
    if hours == quiet_hours_of(locked):
        return
    locked.quiet_from, locked.quiet_to = (hours.begins, hours.ends) if hours else (None, None)
    locked.save(update_fields=["quiet_from", "quiet_to", "updated_at"])
    audit.record(actor, "subscriber.quiet_hours", locked, hours=f"{hours.begin}-{hours.end}" if hours else "")
    subscriber.quiet_from, subscriber.quiet_to = locked.quiet_from, locked.quiet_to


def minute_of(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def clock_of(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
