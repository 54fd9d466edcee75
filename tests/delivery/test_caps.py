"""Caps: nobody gets more than a topic's cap or a shared budget allows, whoever sends at the same moment."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.base import TemporaryFailure
from outreach.audience.caps import Allowance, forget_pressure, join_budget, set_budget, set_topic_cap
from outreach.audience.models import Address, BudgetMember, Pressure, Subscriber, Topic
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.errors import Invalid
from outreach.core.models import AuditEntry, Organisation
from outreach.core.secrets import address_digest
from outreach.delivery.capped import count_capped
from outreach.delivery.caps import DAY, Cap, Count, Room, Taken
from outreach.delivery.check import check_ledger
from outreach.delivery.models import Delivery
from outreach.effectiveness.receipts import as_json, receipt
from tests.delivery.world import World, fates, make_due

ONCE_A_WEEK = Allowance(messages=1, days=7)


def cap_topic(world: World, cap: Allowance | None = ONCE_A_WEEK) -> None:
    set_topic_cap(product_itself(world.organisation), world.topic, cap)


def other_organisation(world: World) -> World:
    """Another organisation below the council, with a topic of its own and the same accounts."""
    other = World.__new__(World)
    other.__dict__ = {**world.__dict__}
    other.organisation = Organisation.objects.create(slug="agency", parent=world.council)
    other.topic = Topic.objects.create(organisation=other.organisation, slug="permits")
    return other


def share_address(one: Address, other: Address) -> None:
    Address.objects.filter(pk=other.pk).update(value=one.value, normalised=one.normalised, digest=bytes(one.digest))


def test_a_topic_s_cap_holds_over_campaigns_and_the_skipped_learn_why(world: World) -> None:
    world.people(3)
    cap_topic(world)
    first, second = (world.fanned_out() for _ in range(2))

    world.send_all()

    assert fates(first) == {("email", "accepted", ""): 3}
    assert fates(second) == {("email", "skipped", "capped"): 3}
    assert [check_ledger(run.campaign).problems for run in (first, second)] == [[], []]
    row = Delivery.objects.filter(run=second)[0]
    told = str(as_json(receipt(world.organisation, row.public_id)))
    assert ("capped" in told, f"{first.pk}-" in told) == (True, False)


def test_a_cap_forgets_what_is_older_than_its_days(world: World) -> None:
    world.people(1)
    cap_topic(world, Allowance(messages=2, days=7))
    runs = [world.fanned_out() for _ in range(3)]
    world.send_all()
    count = Pressure.objects.get(scope=f"t:{world.topic.pk}")
    Pressure.objects.update(taken=[[mark, at - 8 * DAY] for mark, at in count.taken])
    later = world.fanned_out()
    world.send_all()

    assert [fates(run) for run in (*runs, later)] == [
        {("email", "accepted", ""): 1},
        {("email", "accepted", ""): 1},
        {("email", "skipped", "capped"): 1},
        {("email", "accepted", ""): 1},
    ]


def test_the_review_foresees_what_the_caps_hold_back_now(world: World) -> None:
    people = world.people(3)
    cap_topic(world)
    first = world.fanned_out()
    world.send_all()
    world.people(2)
    plan, ancestors = world.frozen(), world.organisation.ancestor_ids()
    Subscriber.objects.filter(pk=people[0].pk).update(paused_until=clock.now() + timedelta(days=1))

    def foreseen() -> int:
        return count_capped(plan, organisation=world.organisation.pk, ancestors=ancestors)

    assert (fates(first), foreseen()) == ({("email", "accepted", ""): 3}, 2)
    Pressure.objects.update(taken=[[1, clock.now().timestamp() - 8 * DAY]])
    assert foreseen() == 0
    cap_topic(world, None)
    assert foreseen() == 0


def test_a_second_try_of_the_same_message_has_its_place(world: World) -> None:
    world.people(1)
    cap_topic(world)
    run = world.fanned_out()
    world.box().answer(TemporaryFailure("later"))
    world.send_all()
    assert fates(run) == {("email", "deferred", "temporary"): 1}
    make_due(run)
    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 1}
    [count] = Pressure.objects.all()
    assert len(count.taken) == 1


def test_a_cap_that_is_gone_and_other_topics_hold_nobody_back(world: World) -> None:
    people = world.people(1)
    other = Topic.objects.create(organisation=world.organisation, slug="other")
    world.subscribe(people, "email", topic=other)
    cap_topic(world)
    elsewhere = [world.fanned_out(topics=[other.pk]) for _ in range(2)]
    first = world.fanned_out()
    world.send_all()
    cap_topic(world, None)
    second = world.fanned_out()
    world.send_all()
    assert [fates(run) for run in (*elsewhere, first, second)] == [{("email", "accepted", ""): 1}] * 4


@pytest.mark.parametrize("joined", [True, False])
def test_a_budget_counts_over_the_organisations_that_joined_and_names_nobody(world: World, joined: bool) -> None:
    other = other_organisation(world)
    [ours], [theirs] = world.people(1), other.people(1)
    share_address(ours.addresses.get(), theirs.addresses.get())
    budget = set_budget(product_itself(world.council), ONCE_A_WEEK)
    join_budget(product_itself(world.organisation), budget)
    if joined:
        join_budget(product_itself(other.organisation), budget)

    first = world.fanned_out()
    world.send_all()
    second = other.fanned_out()
    world.send_all()

    assert fates(first) == {("email", "accepted", ""): 1}
    assert fates(second) == {("email", *(("skipped", "capped") if joined else ("accepted", ""))): 1}
    [count] = Pressure.objects.all()
    assert (count.scope, bytes(count.digest)) == (f"b:{budget and budget.pk}", bytes(ours.addresses.get().digest))
    told = str(as_json(receipt(other.organisation, Delivery.objects.get(run=second).public_id)))
    theirs_too = rf"ministry|services|(?<![\d-]){first.pk}-\d"  # no part of a date
    assert re.findall(theirs_too, told) == []


def test_two_workers_at_once_send_each_person_one_message(world: World) -> None:
    world.people(40)
    world.window = 7
    cap_topic(world)
    runs = [world.fanned_out() for _ in range(4)]

    def serve() -> None:
        world.send_all()
        connection.close()

    workers = [threading.Thread(target=serve) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    world.send_all()

    sent = [message.to for message in world.box().messages]
    assert (len(sent), len(set(sent))) == (40, 40)
    assert [check_ledger(run.campaign).problems for run in runs] == [[]] * 4
    assert sum(fates(run).get(("email", "skipped", "capped"), 0) for run in runs) == 120
    assert set(Run.objects.values_list("state", flat=True)) == {"finished"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    days=st.integers(1, 3),
    most=st.integers(1, 3),
    tries=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2 * DAY)), max_size=30),
)
def test_at_no_time_were_more_taken_than_the_cap_allows(days: int, most: int, tries: list[tuple[int, int]]) -> None:
    """Messages are tried one after the other, some again: whatever came before, the law holds."""
    cap = Cap(scope="t:1", messages=most, days=days)
    now = 0.0
    taken: Taken = []
    went: list[tuple[int, float]] = []
    for mark, pause in tries:
        now += pause
        room = Room(now=now, marks={1: mark}, counts={1: [Count(id=9, cap=cap, taken=taken)]})
        recent = {known for known, at in went if at > now - days * DAY}
        fits = room.take(1)
        assert fits == (mark in recent or len(recent) < most)
        if fits:
            taken = room.after([1])[9]
            if mark not in recent:
                went.append((mark, now))
        assert len([at for _known, at in went if at > now - days * DAY]) <= most


def test_two_rows_of_one_window_for_one_address_count_one_after_the_other() -> None:
    cap = Cap(scope="t:1", messages=1, days=1)
    count = Count(id=9, cap=cap, taken=[])
    room = Room(now=0.0, marks={1: 11, 2: 22}, counts={1: [count], 2: [count]})
    assert [room.take(1), room.take(2)] == [True, False]
    # Only the second found a place in the account's limits: only it counts.
    assert room.after([2]) == {9: [(22, 0.0)]}


@pytest.mark.parametrize(("messages", "days", "fields"), [(0, 7, ["messages"]), (1001, 91, ["messages", "days"])])
def test_a_cap_out_of_bounds_is_refused_at_its_field(world: World, messages: int, days: int, fields: list[str]) -> None:
    actor, cap = product_itself(world.organisation), Allowance(messages=messages, days=days)
    with pytest.raises(Invalid) as of_topic:
        set_topic_cap(actor, world.topic, cap)
    with pytest.raises(Invalid) as of_budget:
        set_budget(actor, cap)
    assert [list(refused.value.fields) for refused in (of_topic, of_budget)] == [fields, fields]


def test_two_clicks_join_a_budget_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ministry = product_itself(world.organisation)
    budget = set_budget(ministry, ONCE_A_WEEK)
    monkeypatch.setattr("outreach.audience.caps.joined_budget", lambda _organisation: None)  # as each of them looked

    join_budget(ministry, budget)
    join_budget(ministry, budget)

    assert list(BudgetMember.objects.values_list("organisation", "budget")) == [
        (world.organisation.pk, budget and budget.pk)
    ]


def test_a_budget_is_joined_by_decision_left_and_withdrawn(world: World) -> None:
    council, ministry = product_itself(world.council), product_itself(world.organisation)
    own = set_budget(ministry, ONCE_A_WEEK)
    with pytest.raises(Invalid):
        join_budget(council, own)
    offered = set_budget(council, ONCE_A_WEEK)
    for budget in (offered, offered, own, None):
        join_budget(ministry, budget)
    assert BudgetMember.objects.count() == 0
    join_budget(ministry, offered)
    Pressure.objects.create(scope=f"b:{offered and offered.pk}", digest=address_digest("email", "a@b.bg"))
    set_budget(council, None)
    assert (BudgetMember.objects.count(), Pressure.objects.count()) == (0, 0)
    done = AuditEntry.objects.filter(action__startswith="budget.").order_by("pk").values_list("action", flat=True)
    assert [action.removeprefix("budget.") for action in done] == [
        "set", "set", "joined", "left", "joined", "left", "joined", "withdrawn",
    ]  # fmt: skip


def test_counts_too_old_for_any_cap_are_forgotten(world: World) -> None:
    for days in (90, 92):
        seen = clock.now() - timedelta(days=days)
        Pressure.objects.create(scope="t:1", digest=str(days).encode(), seen_at=seen)
    assert (forget_pressure(), Pressure.objects.count()) == (1, 1)
