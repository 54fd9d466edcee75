"""Pacing: one bucket an account, shared by all workers; a lease never waits for it."""

from __future__ import annotations

from outreach.core.models import Account
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.models import Batch, Pace
from tests.delivery.world import World, fates, make_due


def test_no_more_than_the_bucket_holds_leaves_and_the_batch_comes_back_later(world: World) -> None:
    world.people(40)
    Account.objects.update(rate_per_minute=60)
    run = world.fanned_out()

    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 15, ("email", "planned", ""): 25}
    [batch] = Batch.objects.filter(run=run)
    with connect() as link:
        row = link.execute("SELECT due_at > clock_timestamp() FROM outreach_batch").fetchone()
    assert (batch.state, batch.in_hand, row) == ("ready", [], (True,))
    assert Pace.objects.get().tokens < 3.0

    Pace.objects.update(tokens=15.0)
    make_due(run)
    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 30, ("email", "planned", ""): 10}
    assert check_ledger(run.campaign).problems == []


def test_an_account_without_a_limit_has_no_bucket(world: World) -> None:
    world.people(3)
    world.fanned_out()
    world.send_all()
    assert Pace.objects.count() == 0
