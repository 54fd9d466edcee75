"""The demonstration's segments: who got a campaign and did nothing, a list as it was once; and a campaign to them."""

from __future__ import annotations

from typing import Any, Final

from outreach.audience.attributes import declare_attribute
from outreach.audience.segments import create_segment
from outreach.audience.snapshots import list_snapshot, take_snapshot
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Campaign
from outreach.core.access import Actor
from outreach.core.vocabulary import AttributeType

#: What the offices' files say of people, by the names of their columns.
ATTRIBUTES: Final = {
    "city": {"bg": "Град", "en": "Town"},
    "eik": {"bg": "ЕИК", "en": "Company number"},
    "office": {"bg": "Отдел", "en": "Department"},
}
QUIET: Final = "Поканени, които не последваха връзката"
DESKS: Final = "Служители на гише"
#: Those of the desks who were in the course already when the reminder was written.
PILOT: Final = "Пилотна група: служители на гише"
REMINDER: Final[dict[str, Any]] = {
    "name": "Напомняне: обучение за работа с електронни услуги",
    "goal": "interested",
    "channels": {"mode": "all", "order": ["email"]},
    "services": ["officials-course"],
    "tracking": "individual",
    "contents": [
        {
            "channel": "email",
            "language": "bg",
            "format": "markdown",
            "subject": "Още има места: обучение „Работа с електронни услуги“",
            "body": (
                "# Уважаеми колеги,\n\n"
                "преди три седмици ви поканихме на обучение. Още има места.\n\n"
                "{{ service.steps }}\n\n[Запишете се]({{ service.url }})\n\n"
                "С уважение,\nМинистерство на електронното управление\n"
            ),
        },
        {
            "channel": "email",
            "language": "en",
            "format": "markdown",
            "subject": "Places are left: training “Working with e-services”",
            "body": (
                "# Dear colleagues,\n\nthree weeks ago we invited you to a course. There are places left.\n\n"
                "{{ service.steps }}\n\n[Enrol]({{ service.url }})\n"
            ),
        },
    ],
}


def declare_attributes(council: Actor) -> None:
    """Have what the files say be called on screens what people call it."""
    for name, label in ATTRIBUTES.items():
        declare_attribute(council, name=name, type=AttributeType.TEXT, label=label)


def write_reminder(author: Actor, first: Campaign) -> None:
    """A draft to those who got the first campaign and followed no link, but not to the pilot group."""
    of_first = {"campaign": str(first.pk)}
    quiet = create_segment(author, name=QUIET, where={"and": [{"received": of_first}, {"not": {"clicked": of_first}}]})
    at_desk = {"attribute": {"name": "office", "is": "Административно обслужване"}}
    desks = create_segment(author, name=DESKS, where={"and": [{"kind": {"in": ["official"]}}, at_desk]})
    pilot = take_snapshot(author, desks, name=PILOT)
    list_snapshot(pilot.pk)  # of very many people the rest would wait for a worker
    audience = {"topics": ["training-officials"], "segment": str(quiet.pk), "exclude_segments": [str(pilot.pk)]}
    create_campaign(author, {**REMINDER, "audience": audience})
