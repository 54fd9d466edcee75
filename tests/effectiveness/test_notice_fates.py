"""What became of notices, on a person's timeline and when something comes back."""

from __future__ import annotations

from typing import Any

from outreach.audience.models import Suppression
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import EventKind, Lane
from outreach.delivery.models import Batch, Delivery, Notice
from outreach.delivery.notice_call import NoticeCall
from outreach.delivery.notice_templates import create_template
from outreach.delivery.notices import send_notice
from outreach.effectiveness.notices import fates
from outreach.effectiveness.timeline import timeline
from outreach.events.effects import Told, take_effect
from tests.delivery.world import World

TEXT = {"channel": "email", "language": "bg", "subject": "Код", "body": "Кодът"}


def send(world: World, to: dict[str, Any]) -> Notice:
    actor = product_itself(world.organisation)
    if not Notice.objects.exists():
        wanted = {"slug": "code", "name": "The code", "lawful_basis": "contract", "contents": [TEXT]}
        create_template(actor, wanted)
    return send_notice(actor, NoticeCall(to=to, template="code", data={}))


def test_a_persons_timeline_tells_their_notices_and_nobody_elses(world: World) -> None:
    one, other = world.people(2)
    mine = send(world, {"subscriber": str(one.pk)})
    send(world, {"subscriber": str(other.pk)})
    world.send_all(Lane.NOTICES)

    told = [(entry.kind, entry.word, entry.title, entry.delivery) for entry in timeline(one)]

    assert told == [("delivery", "accepted", "The code", f"{mine.run_id}-{mine.delivery}")]


def test_an_address_that_does_not_exist_gets_no_second_notice(world: World) -> None:
    to = {"channel": "email", "value": "Gone@example.org"}
    first = send(world, to)
    world.send_all(Lane.NOTICES)
    row = Delivery.objects.get(run=first.run_id, id=first.delivery)
    bounced = Told(kind=EventKind.BOUNCED, at=clock.now(), identity="dsn-1", source="mail", hard=True)

    take_effect(row, bounced)
    second = send(world, to)
    world.send_all(Lane.NOTICES)

    [entry] = Suppression.objects.all()
    assert (bytes(entry.digest), entry.organisation_id, entry.reason) == (
        address_digest("email", "gone@example.org"),
        world.organisation.pk,
        "hard_bounce",
    )
    assert [(one.state, one.delivery.reason, one.delivery.receipt) for one in fates([first, second])] == [
        ("accepted", "", "bounced"),
        ("skipped", "suppressed", ""),
    ]


def test_a_notice_in_somebodys_hands_is_being_sent(world: World) -> None:
    notice = send(world, {"channel": "email", "value": "a@example.org"})
    Batch.objects.filter(run=notice.run_id).update(state="leased", in_hand=[notice.delivery])

    assert [one.state for one in fates([notice])] == ["sending"]
