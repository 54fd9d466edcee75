from __future__ import annotations

import pytest

from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Subscriber
from outreach.audience.quiet_hours import QuietHours, quiet_hours_of, read_quiet_hours, set_quiet_hours
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import AuditEntry

NIGHT = QuietHours(begins=1320, ends=420)


def test_quiet_hours_are_read_as_times_of_day() -> None:
    assert read_quiet_hours("22:00", "07:00") == NIGHT
    assert (NIGHT.begin, NIGHT.end) == ("22:00", "07:00")
    assert read_quiet_hours("", "") is None


@pytest.mark.parametrize(
    ("begin", "end", "fields"),
    [
        ("22:00", "", ["quiet_to"]),
        ("", "07:00", ["quiet_from"]),
        ("24:00", "7:00", ["quiet_from", "quiet_to"]),
        ("22:00\n", "07:0٣", ["quiet_from", "quiet_to"]),
        ("08:00", "08:00", ["quiet_to"]),
    ],
)
def test_what_are_no_quiet_hours_is_refused_at_its_field(begin: str, end: str, fields: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_quiet_hours(begin, end)
    assert list(refused.value.fields) == fields


def test_quiet_hours_are_kept_once_and_taken_away(actor: Actor) -> None:
    person = Subscriber.objects.create(organisation=actor.organisation)
    seen = []
    for hours in (NIGHT, NIGHT, None, None):
        set_quiet_hours(actor, person, hours)
        person.refresh_from_db()
        seen.append(quiet_hours_of(person))
    assert seen == [NIGHT, NIGHT, None, None]
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "facts")) == [
        ("subscriber.quiet_hours", {"hours": "22:00-07:00"}),
        ("subscriber.quiet_hours", {"hours": ""}),
    ]


def test_who_was_erased_has_no_quiet_hours(actor: Actor) -> None:
    person = Subscriber.objects.create(organisation=actor.organisation)
    set_quiet_hours(actor, person, NIGHT)
    erase_subscriber(actor, person)
    person.refresh_from_db()
    assert quiet_hours_of(person) is None
    with pytest.raises(StateConflict):
        set_quiet_hours(actor, person, NIGHT)
