"""A worker's life with a batch, over a real PostgreSQL and a peer that keeps what it got."""

from __future__ import annotations

from outreach.delivery.check import check_ledger
from tests.delivery.world import World, campaign_of, fates


def test_everybody_gets_the_message_once_and_the_run_is_finished(world: World) -> None:
    people = world.people(250)
    run = world.fanned_out()

    served = world.send_all()

    run.refresh_from_db()
    assert served == 1
    assert run.state == campaign_of(run).state == "finished"
    assert sorted(message.to for message in world.box().messages) == sorted(
        f"person{person.pk}@example.org" for person in people
    )
    assert fates(run) == {("email", "accepted", ""): 250}
    assert check_ledger(run.campaign).as_json() == {
        "campaign": str(run.campaign_id),
        "audience": 250,
        "primary": {"accepted": 250},
        "fallback": {},
        "in_hand": 0,
        "counters_equal": True,
        "problems": [],
    }
