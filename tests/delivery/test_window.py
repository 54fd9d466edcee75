"""The window: consent and all else is looked up again in the statement that chooses the rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from outreach.audience.models import Address, Subscriber, Subscription, Suppression
from outreach.core.secrets import address_digest
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.runs import pause_run
from tests.delivery.world import World, campaign_of, fates

Change = Callable[[World, Subscriber], Any]


def suppress(world: World, person: Subscriber) -> None:
    digest = address_digest("email", f"person{person.pk}@example.org")
    Suppression.objects.create(organisation=world.council, channel="email", digest=digest, reason="stop")


CHANGES: dict[str, Change] = {
    "unsubscribed": lambda _, person: Subscription.objects.filter(subscriber=person).update(state="unsubscribed"),
    "suppressed": suppress,
    "erased": lambda _, person: Subscriber.objects.filter(pk=person.pk).update(erased_at="2026-01-01T00:00:00Z"),
    "unreachable": lambda _, person: Address.objects.filter(subscriber=person).delete(),
    "invalid_address": lambda _, person: Address.objects.filter(subscriber=person).update(state="bouncing"),
    "paused": lambda _, person: Subscriber.objects.filter(pk=person.pk).update(paused_until="9999-01-01T00:00:00Z"),
    "unconfirmed": lambda _, person: Address.objects.filter(subscriber=person).update(state="unconfirmed"),
}


@pytest.mark.parametrize("reason", sorted(CHANGES))
def test_what_changed_after_fan_out_is_honoured(world: World, reason: str) -> None:
    stays, changes = world.people(2)
    run = world.fanned_out()
    CHANGES[reason](world, changes)

    world.send_all()

    assert [message.to for message in world.box().messages] == [f"person{stays.pk}@example.org"]
    assert fates(run) == {("email", "accepted", ""): 1, ("email", "skipped", reason): 1}
    assert check_ledger(run.campaign).problems == []


def test_a_deleted_person_is_skipped_as_erased(world: World) -> None:
    [person] = world.people(1)
    run = world.fanned_out()
    person.delete()
    world.send_all()
    assert fates(run) == {("email", "skipped", "erased"): 1}


def test_too_late_is_skipped_and_not_sent(world: World) -> None:
    world.people(3)
    run = world.fanned_out(not_after="2026-01-01T00:00:00Z")
    world.send_all()
    run.refresh_from_db()
    assert (fates(run), run.state) == ({("email", "skipped", "expired"): 3}, "finished")
    assert world.box().messages == []


def test_a_window_of_only_skipped_rows_does_not_end_the_batch(world: World) -> None:
    people = world.people(5)
    world.window = 2
    run = world.fanned_out()
    for person in people[:4]:
        CHANGES["unsubscribed"](world, person)

    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 1, ("email", "skipped", "unsubscribed"): 4}


def test_a_test_send_needs_no_consent_but_hard_suppression_applies(world: World) -> None:
    [suppressed] = world.people(1)
    suppress(world, suppressed)
    recipients = [
        {"channel": "email", "value": f"person{suppressed.pk}@example.org", "language": "bg"},
        {"channel": "email", "value": "boss@example.org", "language": "en"},
        {"channel": "email", "value": "not an address", "language": "bg"},
    ]
    run = world.fanned_out(kind="test", frozen={**world.frozen(), "recipients": recipients})

    world.send_all("notices")

    run.refresh_from_db()
    assert [message.to for message in world.box().messages] == ["boss@example.org"]
    assert fates(run) == {
        ("email", "accepted", ""): 1,
        ("email", "skipped", "suppressed"): 1,
        ("email", "skipped", "unreachable"): 1,
    }
    assert (run.state, campaign_of(run).state) == ("finished", "running")
    assert check_ledger().as_json()["audience"] == 0


def test_no_window_is_committed_after_a_pause(world: World) -> None:
    """A pause waits for the window that reads the run just now, and what comes later finds nothing."""
    world.people(4)
    world.window = 2
    run = world.fanned_out()
    paused = threading.Event()

    def pause_at_first(_: Any) -> None:
        if not paused.is_set():
            pause_run(run.pk)
            paused.set()

    world.box().decide = pause_at_first
    world.send_all()

    run.refresh_from_db()
    assert len(world.box().messages) == 2
    assert fates(run) == {("email", "accepted", ""): 2, ("email", "planned", ""): 2}
    assert (run.state, campaign_of(run).state) == ("paused", "paused")


def test_a_pause_waits_for_a_window_that_is_being_assembled(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    with connect() as window, window.transaction():
        window.execute("SELECT state FROM outreach_run WHERE id = %s FOR SHARE", [run.pk])
        with connect() as other, other.transaction():
            other.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout"):
                other.execute("UPDATE outreach_run SET state = 'pausing' WHERE id = %s", [run.pk])


def test_a_phone_is_written_to_as_the_provider_needs_it_and_not_as_the_person_wrote_it(world: World) -> None:
    [person] = world.people(1, channels=["sms"])
    Address.objects.filter(subscriber=person).update(value="0888 123 456", normalised="+359888123456")
    world.fanned_out(channels=["sms"])

    world.send_all()

    assert [message.to for message in world.box("sms").messages] == ["+359888123456"]
