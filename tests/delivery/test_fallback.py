"""The next channel: who gets a second message by another channel, who never does, and that it is made exactly once."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from channels.base import OutcomeUnknown, PermanentFailure
from outreach.audience.models import Address, Subscriber, Subscription, Suppression
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.vocabulary import CampaignState, Receipt
from outreach.delivery import queries
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect, fetch, transaction
from outreach.delivery.evidence import set_receipts
from outreach.delivery.fallback import Look, Rule, fall_back, fall_back_everywhere, is_due, rule_of
from outreach.delivery.models import Delivery
from outreach.delivery.runs import cancel_run, pause_run, resume_run
from outreach.delivery.sweep import sweep
from tests.delivery.simulated_fallbacks import FallbackSimulation, Message
from tests.delivery.world import World, campaign_of, fates

BOTH = ("email", "sms")


def preferred(world: World, *, after: int | None = None, **changes: Any) -> Run:
    """A fanned-out run that reaches each person by one channel, e-mail first, and falls back."""
    senders = {
        str(world.accounts["email"].pk): {"adapter": "sendgrid"},
        str(world.accounts["sms"].pk): {"adapter": "twilio"},
    }
    values = {"channels": BOTH, "mode": "preferred", "fallback": {"after": after}, "senders": senders, **changes}
    return world.fanned_out(**values)


def look_again(run: Run) -> int:
    """Make the fallbacks that are due, as if no look had been lately."""
    Run.objects.filter(pk=run.pk).update(fallback_at=None)
    with connect() as link:
        return fall_back(link, run.pk)


def let_pass(run: Run, minutes: int) -> None:
    """Let the time since the messages were accepted pass."""
    with connect() as link:
        link.execute(
            "UPDATE outreach_delivery SET settled_at = settled_at - %s * interval '1 minute' WHERE run_id = %s",
            [minutes, run.pk],
        )


def story(run: Run) -> list[tuple[int | None, str, str, str, str]]:
    """Of each row in order: the person, channel, state, reason, why this channel."""
    rows = Delivery.objects.filter(run=run).order_by("id")
    return [(row.subscriber_id, row.channel, row.state, row.reason, row.choice) for row in rows]


def state_of(run: Run) -> str:
    run.refresh_from_db()
    assert campaign_of(run).state == run.state
    return run.state


def refuse(world: World, person: Subscriber) -> None:
    world.box().answer(PermanentFailure(reason="unknown_recipient"), to=f"person{person.pk}@example.org")


def adds_up(run: Run) -> dict[str, dict[str, int]]:
    found = check_ledger(campaign_of(run))
    assert (found.problems, found.counters_equal) == ([], True)
    return {"primary": dict(found.primary), "fallback": dict(found.fallback)}


def test_a_refused_message_is_followed_by_the_next_channel_before_the_run_ends(world: World) -> None:
    lost, reached = world.people(2, channels=BOTH)
    refuse(world, lost)
    run = preferred(world)

    world.send_all()

    first = Delivery.objects.get(run=run, subscriber_id=lost.pk, channel="email")
    second = Delivery.objects.get(run=run, subscriber_id=lost.pk, channel="sms")
    assert (second.fallback_of, second.draw, first.fallback_of) == (first.id, first.draw, None)
    assert story(run) == [
        (lost.pk, "email", "rejected", "unknown_recipient", ""),
        (reached.pk, "email", "accepted", "", ""),
        (lost.pk, "sms", "accepted", "", "rejected:unknown_recipient"),
    ]
    assert [message.to for message in world.box("sms").messages] == [f"+35988{lost.pk:07d}"]
    assert state_of(run) == CampaignState.FINISHED
    assert run.audience_count == 2
    assert adds_up(run) == {"primary": {"rejected": 1, "accepted": 1}, "fallback": {"accepted": 1}}


def test_a_message_that_comes_back_later_reopens_the_run(world: World) -> None:
    (person,) = world.people(1, channels=BOTH)
    run = preferred(world)
    world.send_all()
    assert state_of(run) == CampaignState.FINISHED
    set_receipts(run.pk, {Delivery.objects.get(run=run).id: Receipt.BOUNCED})

    sweep()

    assert (state_of(run), run.finished_at) == (CampaignState.RUNNING, None)
    world.send_all()
    assert state_of(run) == CampaignState.FINISHED
    assert story(run) == [(person.pk, "email", "accepted", "", ""), (person.pk, "sms", "accepted", "", "bounced")]
    assert look_again(run) == 0
    assert adds_up(run) == {"primary": {"accepted": 1}, "fallback": {"accepted": 1}}


def test_an_archived_campaign_is_not_reopened(world: World) -> None:
    world.people(1, channels=BOTH)
    run = preferred(world)
    world.send_all()
    campaign = campaign_of(run)
    campaign.archived_at = run.as_of
    campaign.save()
    set_receipts(run.pk, {Delivery.objects.get(run=run).id: Receipt.BOUNCED})

    with connect() as link:
        assert fall_back_everywhere(link) == 0
    assert state_of(run) == CampaignState.FINISHED


def test_whoever_has_no_other_channel_gets_a_row_that_says_so(world: World) -> None:
    (only_mail,) = world.people(1)
    (no_consent,) = world.people(1)
    world.add_address(no_consent, "sms")
    for person in (only_mail, no_consent):
        refuse(world, person)
    run = preferred(world)

    world.send_all()

    assert story(run)[2:] == [
        (only_mail.pk, "sms", "skipped", "unreachable", "rejected:unknown_recipient sms:unreachable"),
        (no_consent.pk, "sms", "skipped", "no_consent", "rejected:unknown_recipient sms:no_consent"),
    ]
    assert state_of(run) == CampaignState.FINISHED
    assert look_again(run) == 0
    assert adds_up(run) == {"primary": {"rejected": 2}, "fallback": {"skipped": 2}}


def test_who_left_meanwhile_is_not_written_to_by_another_channel(world: World) -> None:
    gone, erased = world.people(2, channels=BOTH)
    run = preferred(world)
    world.send_all()
    Subscription.objects.filter(subscriber=gone).update(state="unsubscribed")
    Subscriber.objects.filter(pk=erased.pk).update(erased_at=run.as_of)
    set_receipts(run.pk, dict.fromkeys(Delivery.objects.filter(run=run).values_list("id", flat=True), Receipt.BOUNCED))

    assert look_again(run) == 2

    assert story(run)[2:] == [
        (gone.pk, "sms", "skipped", "unsubscribed", "bounced sms:unsubscribed"),
        (erased.pk, "sms", "skipped", "erased", "bounced sms:erased"),
    ]
    assert state_of(run) == CampaignState.FINISHED


@pytest.mark.parametrize("receipt", [Receipt.COMPLAINED, Receipt.DELIVERED, Receipt.READ])
def test_no_other_receipt_is_followed(world: World, receipt: Receipt) -> None:
    world.people(1, channels=BOTH)
    run = preferred(world, after=1)
    world.send_all()
    set_receipts(run.pk, {Delivery.objects.get(run=run).id: receipt})
    let_pass(run, 60)
    assert look_again(run) == 0


def test_what_may_have_left_is_never_followed(world: World) -> None:
    """An unknown outcome, and a refusal of the second try of what may have left at the first."""
    unknown, doubted = world.people(2, channels=BOTH)
    box = world.box()
    box.answer(OutcomeUnknown(), OutcomeUnknown(), to=f"person{unknown.pk}@example.org")
    box.answer(OutcomeUnknown(), PermanentFailure(reason="refused"), to=f"person{doubted.pk}@example.org")
    run = preferred(world, after=1)

    world.send_all()
    let_pass(run, 60)
    world.send_all()
    look_again(run)

    assert fates(run) == {("email", "unknown", "no_answer"): 1, ("email", "rejected", "refused"): 1}
    assert world.box("sms").messages == []


def test_who_said_no_on_one_channel_is_not_followed_to_another(world: World) -> None:
    left, stopped = world.people(2, channels=BOTH)
    run = preferred(world)
    Subscription.objects.filter(subscriber=left, channel="email").update(state="unsubscribed")
    address = Address.objects.get(subscriber=stopped, channel="email")
    Suppression.objects.create(channel="email", digest=address.digest, reason="complaint")

    world.send_all()

    assert fates(run) == {("email", "skipped", "unsubscribed"): 1, ("email", "skipped", "suppressed"): 1}
    assert look_again(run) == 0


def test_an_address_that_died_before_its_turn_is_followed(world: World) -> None:
    (dead,) = world.people(1, channels=BOTH)
    run = preferred(world)
    address = Address.objects.get(subscriber=dead, channel="email")
    Address.objects.filter(pk=address.pk).update(state="bouncing")
    Suppression.objects.create(channel="email", digest=address.digest, reason="hard_bounce")

    world.send_all()

    assert fates(run) == {("email", "skipped", "suppressed"): 1, ("sms", "accepted", ""): 1}
    assert state_of(run) == CampaignState.FINISHED


def test_silence_is_a_failure_only_where_asked_and_only_of_providers_that_report(world: World) -> None:
    world.people(1, channels=BOTH)
    patient = preferred(world)
    asked = preferred(world, after=30)
    deaf = preferred(world, after=30, senders={str(world.accounts["email"].pk): {"adapter": "smtp"}})
    world.send_all()
    assert [state_of(run) for run in (patient, asked, deaf)] == ["finished", "running", "finished"]

    assert look_again(asked) == 0  # its time has not passed
    for run in (patient, asked, deaf):
        let_pass(run, 31)

    assert [look_again(run) for run in (patient, asked, deaf)] == [0, 1, 0]
    world.send_all()
    sweep()
    assert story(asked)[1][1:] == ("sms", "accepted", "", "silence:30")
    assert state_of(asked) == CampaignState.FINISHED  # nobody has a channel left: it need not wait again


def test_a_receipt_in_time_ends_the_wait(world: World) -> None:
    world.people(1, channels=BOTH)
    run = preferred(world, after=30)
    world.send_all()
    assert state_of(run) == CampaignState.RUNNING
    set_receipts(run.pk, {Delivery.objects.get(run=run).id: Receipt.DELIVERED})
    sweep()
    assert state_of(run) == CampaignState.FINISHED


def test_nothing_follows_in_a_run_that_stands_or_ended_by_hand(world: World) -> None:
    world.people(2, channels=BOTH)
    runs = [preferred(world, after=30) for _ in range(2)]
    world.send_all()
    for run in runs:
        let_pass(run, 31)
    pause_run(runs[0].pk)
    cancel_run(runs[1].pk)

    assert [look_again(run) for run in runs] == [0, 0]
    resume_run(runs[0].pk)
    assert look_again(runs[0]) == 2
    cancel_run(runs[0].pk)
    sweep()

    assert [state_of(run) for run in runs] == ["cancelled", "cancelled"]
    assert fates(runs[0]) == {("email", "accepted", ""): 2, ("sms", "cancelled", "run_cancelled"): 2}
    assert world.box("sms").messages == []


def test_nothing_follows_after_the_end_of_the_campaign(world: World) -> None:
    world.people(1, channels=BOTH)
    run = preferred(world)
    world.send_all()
    set_receipts(run.pk, {Delivery.objects.get(run=run).id: Receipt.BOUNCED})
    Run.objects.filter(pk=run.pk).update(not_after=run.as_of)
    assert look_again(run) == 0


def test_every_channel_at_once_never_falls_back(world: World) -> None:
    (person,) = world.people(1, channels=BOTH)
    refuse(world, person)
    run = preferred(world, mode="all")
    world.send_all()
    assert fates(run) == {("email", "rejected", "unknown_recipient"): 1, ("sms", "accepted", ""): 1}
    assert look_again(run) == 0


def test_two_that_look_at_once_make_each_fallback_once(world: World) -> None:
    world.people(40, channels=BOTH)
    run = preferred(world)
    world.send_all()
    set_receipts(run.pk, dict.fromkeys(Delivery.objects.filter(run=run).values_list("id", flat=True), Receipt.BOUNCED))

    def look(_: int) -> int:
        try:
            with connect() as link:
                return fall_back(link, run.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look, range(4))) == 40

    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 40, ("sms", "accepted", ""): 40}
    assert adds_up(run) == {"primary": {"accepted": 40}, "fallback": {"accepted": 40}}


def test_the_persons_own_wish_comes_before_the_campaigns_order(world: World) -> None:
    wishes, cannot = world.people(2, channels=BOTH, preferred_channel="sms")
    (plain,) = world.people(1, channels=BOTH)
    Subscription.objects.filter(subscriber=cannot, channel="sms").update(state="unsubscribed")
    run = preferred(world)
    assert sorted(story(run)) == [
        (wishes.pk, "sms", "planned", "", "wish"),
        (cannot.pk, "email", "planned", "", "sms:no_consent"),
        (plain.pk, "email", "planned", "", ""),
    ]


def test_a_wish_does_not_take_a_message_away_where_all_channels_are_used(world: World) -> None:
    world.people(1, channels=BOTH, preferred_channel="sms")
    run = world.fanned_out(channels=BOTH)
    assert fates(run) == {("email", "planned", ""): 1, ("sms", "planned", ""): 1}


LOOK = Look(failures=3, seen=3, silent=0, audience=100, since=60.0)


@pytest.mark.parametrize(
    ("after", "look", "expected"),
    [
        (0, LOOK, False),
        (0, Look(failures=4, seen=3, silent=0, audience=100, since=60.0), True),
        (0, Look(failures=4, seen=3, silent=0, audience=100, since=1.0), False),
        (0, Look(failures=4, seen=3, silent=0, audience=100, since=-90.0), True),
        (0, Look(failures=4, seen=3, silent=0, audience=2_000_000, since=60.0), False),
        (0, Look(failures=0, seen=0, silent=9, audience=100, since=None), False),
        (5, Look(failures=0, seen=0, silent=9, audience=100, since=None), True),
        (5, LOOK, False),
    ],
)
def test_when_a_run_is_looked_through(after: int, look: Look, expected: bool) -> None:
    assert is_due(Rule(channels=list(BOTH), after=after, reporting=[1]), look) is expected


def test_the_rule_of_a_plan() -> None:
    plan: dict[str, Any] = {
        "mode": "preferred",
        "channels": ["sms", "email", "feed"],
        "fallback": {"after": 90},
        "senders": {"1": {"adapter": "twilio"}, "2": {"adapter": "smtp"}},
    }
    rule = Rule(channels=["sms", "email"], after=90, reporting=[1])
    assert rule_of(plan) == rule
    assert rule.hours == 74
    assert rule_of({**plan, "senders": {"2": {"adapter": "smtp"}}}) == Rule(
        channels=["sms", "email"], after=0, reporting=[]
    )
    for changes in ({"mode": "all"}, {"channels": ["email"]}, {"fallback": None}):
        assert rule_of({**plan, **changes}) is None
    assert rule_of({key: value for key, value in plan.items() if key != "fallback"}) is None


FATES = (
    ("planned", ""),
    ("deferred", "temporary"),
    ("accepted", ""),
    ("rejected", "refused"),
    ("unknown", "no_answer"),
    ("skipped", "unsubscribed"),
    ("skipped", "invalid_address"),
    ("skipped", "unreachable"),
    ("cancelled", "run_cancelled"),
)


def test_the_simulation_finds_the_failures_that_the_database_finds(world: World) -> None:
    """Every state with every receipt, in doubt or not, old or young, followed already or not."""
    receipts = ("", "delivered", "bounced")
    cases = list(itertools.product(FATES, receipts, (False, True), (5, 31), (False, True)))
    people = world.people(len(cases), channels=BOTH)
    run = preferred(world, after=30)
    ids = dict(Delivery.objects.filter(run=run).values_list("subscriber_id", "id"))
    simulated = FallbackSimulation(0)
    rule = Rule(channels=list(BOTH), after=30, reporting=[world.accounts["email"].pk])
    simulated.rule, simulated.now, simulated.rows = rule, clock.now(), {}
    follower = itertools.count(1_000_000)
    with connect() as link, transaction(link):
        for person, ((state, reason), receipt, uncertain, minutes, is_followed) in zip(people, cases, strict=True):
            key, settled = ids[person.pk], simulated.now - timedelta(minutes=minutes)
            link.execute(
                "UPDATE outreach_delivery SET state = %s, reason = %s, receipt = %s, uncertain = %s, settled_at = %s"
                " WHERE id = %s",
                [state, reason, receipt, uncertain, settled, key],
            )
            simulated.rows[key] = Message(
                id=key,
                batch=1,
                person=person.pk,
                state=state,
                reason=reason,
                receipt=receipt,
                uncertain=uncertain,
                born_at=simulated.now,
                settled_at=settled,
            )
            if is_followed:
                link.execute(
                    "INSERT INTO outreach_delivery (run_id, target, channel, subscriber_id, language, state, reason,"
                    " fallback_of) SELECT run_id, target, 'sms', subscriber_id, language, 'skipped', 'suppressed', id"
                    " FROM outreach_delivery WHERE id = %s",
                    [key],
                )
                simulated.rows[next(follower)] = Message(
                    id=0, batch=0, person=person.pk, channel="sms", fallback_of=key, is_planned=False
                )
        params = {"run": run.pk, "channels": rule.channels, "after": rule.after, "reporting": rule.reporting}
        found = fetch(link, queries.FIND_FAILED, **params, hours=rule.hours, limit=len(cases))

    wanted = {key: why for key, row in simulated.rows.items() if (why := simulated.why_it_failed(row))}
    assert {key: why for key, _person, _draw, why in found} == wanted
    assert len(wanted) == 21
