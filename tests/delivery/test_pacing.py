"""Pacing over the real ledger: buckets are rows that all workers share; a lease never waits for them."""

from __future__ import annotations

from typing import Any

from outreach.core.models import Account
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.engine import work
from outreach.delivery.models import Batch, Delivery, Pace
from tests.delivery.world import World, fates, make_due


def let_minutes_pass() -> None:
    """What some minutes of waiting do to the buckets: they are full, and nothing was let through lately."""
    with connect() as link:
        link.execute("UPDATE outreach_pace SET written_at = written_at - interval '10 minutes', grants = '[]'")


def accepted_by_domain() -> dict[str, int]:
    found: dict[str, int] = {}
    for value in Delivery.objects.filter(state="accepted").values_list("address__value", flat=True):
        domain = value.rpartition("@")[2]
        found[domain] = found.get(domain, 0) + 1
    return found


def move_to(world: World, people: list[Any], domain: str) -> None:
    for person in people:
        person.addresses.update(value=f"p{person.pk}@{domain}", normalised=f"p{person.pk}@{domain}")


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
    [pace] = Pace.objects.all()
    assert (pace.scope, pace.lane, pace.tokens < 3.0, sum(count for _, count in pace.grants)) == (
        "",
        "campaigns",
        True,
        15,
    )

    let_minutes_pass()
    make_due(run)
    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 30, ("email", "planned", ""): 10}
    assert check_ledger(run.campaign).problems == []


def test_a_minute_that_is_full_lets_nothing_through_though_tokens_are_there(world: World) -> None:
    world.people(40)
    Account.objects.update(rate_per_minute=60)
    run = world.fanned_out()
    world.send_all()
    with connect() as link:
        link.execute(
            "UPDATE outreach_pace SET tokens = 15, grants = jsonb_build_array("
            "jsonb_build_array(extract(epoch FROM clock_timestamp()) - 5, 57))"
        )
    make_due(run)

    world.send_all()

    # Fewer than a quarter of a window could leave: the batch waits.
    assert fates(run) == {("email", "accepted", ""): 18, ("email", "planned", ""): 22}


def test_a_domain_at_its_limit_does_not_hold_up_the_others(world: World) -> None:
    slow, fast = world.people(60), world.people(20)
    move_to(world, slow, "slow.example")
    move_to(world, fast, "fast.example")
    Account.objects.update(domain_rates={"slow.example": 20})
    world.window = 30
    run = world.fanned_out()

    world.send_all()

    assert accepted_by_domain() == {"slow.example": 5, "fast.example": 20}
    assert sorted(Pace.objects.values_list("scope", flat=True)) == ["slow.example"]
    [batch] = Batch.objects.filter(run=run)
    assert (batch.state, batch.in_hand) == ("ready", [])
    assert check_ledger(run.campaign).problems == []


def test_the_star_limits_each_domain_by_itself(world: World) -> None:
    for domain in ("a.example", "b.example"):
        move_to(world, world.people(12), domain)
    Account.objects.update(domain_rates={"*": 20})
    world.window = 8
    world.fanned_out()

    world.send_all()

    assert accepted_by_domain() == {"a.example": 5, "b.example": 5}


def test_a_new_sender_stops_at_the_days_share(world: World) -> None:
    world.people(30)
    Account.objects.update(
        warm_up={"starts_on": "2000-01-01", "first_day": 12, "growth": 1.0, "days": 100_000},
    )
    world.window = 10
    run = world.fanned_out()

    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 12, ("email", "planned", ""): 18}
    with connect() as link:
        row = link.execute("SELECT due_at - clock_timestamp() < interval '24 hours' FROM outreach_batch").fetchone()
    assert row == (True,)

    let_minutes_pass()  # of the same day, unless midnight was among them: then the share is new
    Pace.objects.update(tokens=12)
    make_due(run)
    world.send_all()
    with connect() as link:
        link.execute("UPDATE outreach_pace SET written_at = written_at - interval '1 day'")
    make_due(run)
    world.send_all()

    assert fates(run)["email", "accepted", ""] >= 24


def test_an_account_without_a_limit_has_no_bucket(world: World) -> None:
    world.people(3)
    world.fanned_out()
    world.send_all()
    assert Pace.objects.count() == 0


def test_a_worker_waits_for_what_may_leave_in_a_moment(world: World) -> None:
    world.people(320)
    Account.objects.update(rate_per_minute=1200)
    world.window = 20
    run = world.fanned_out()

    served = work("campaigns", door=world.door(), seconds=20)

    assert fates(run) == {("email", "accepted", ""): 320}
    assert served > 1
