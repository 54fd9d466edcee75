"""Fan-out: everybody of the audience gets exactly one row a channel, with the reason where nothing is sent."""

from __future__ import annotations

from statistics import mean
from typing import Any

import pytest

from outreach.audience.models import Address, Subscription, Suppression, Topic
from outreach.audience.selection import EVERYBODY, compile_selection, count_audience
from outreach.campaigns.models import Run
from outreach.core import failpoints
from outreach.core.secrets import address_digest
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect, fetch, identity
from outreach.delivery.fanout import Size, fan_out, write_chunk
from outreach.delivery.models import Batch, Delivery
from outreach.delivery.runs import cancel_run, pause_run, resume_run
from tests.delivery.world import SALT, World, campaign_of, fates

SMALL = Size(chunk=7, batch=3)


def rows(run: Run) -> list[tuple[Any, ...]]:
    return sorted(
        Delivery.objects.filter(run=run).values_list("target", "channel", "language", "state", "reason"),
    )


def test_rows_are_written_chunk_by_chunk_and_counted(world: World) -> None:
    people = world.people(20)
    run = world.fanned_out(size=SMALL)

    assert rows(run) == sorted((f"s:{person.pk}", "email", "bg", "planned", "") for person in people)
    assert (run.audience_count, run.fanned_out_to) == (20, people[-1].pk)
    assert check_ledger(run.campaign).problems == []


def test_batches_are_even_and_never_empty(world: World) -> None:
    world.people(20)
    run = world.fanned_out(size=Size(chunk=11, batch=4))

    sizes = [Delivery.objects.filter(batch=batch).count() for batch in Batch.objects.filter(run=run).order_by("pk")]
    assert sizes == [4, 4, 3, 5, 4]


def test_a_second_fan_out_changes_nothing(world: World) -> None:
    world.people(5)
    run = world.fanned_out()

    assert fan_out(run.pk) is True
    assert Delivery.objects.filter(run=run).count() == 5


def test_two_at_once_do_the_work_once(world: World) -> None:
    world.people(5)
    run = world.run()
    with connect() as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('outreach.fanout.' || %s, 0))", [str(run.pk)])
        assert fan_out(run.pk) is False
    assert fan_out(run.pk) is True
    assert Delivery.objects.filter(run=run).count() == 5


def test_killed_before_a_commit_it_goes_on_where_it_was(world: World) -> None:
    world.people(20)
    run = world.run()
    failpoints.arm("fanout.before_commit:error:nth=3")
    try:
        with pytest.raises(failpoints.FailpointReached):
            fan_out(run.pk, size=SMALL)
    finally:
        failpoints.arm("")
    assert Delivery.objects.filter(run=run).count() == 14

    assert fan_out(run.pk, size=SMALL) is True
    assert check_ledger(run.campaign).as_json()["primary"] == {"planned": 20}


def test_a_pause_stops_it_and_resume_goes_on(world: World) -> None:
    world.people(20)
    run = world.run()
    with connect() as link:
        here = identity(link)
        assert write_chunk(link, run.pk, here=here, size=SMALL) is False
        pause_run(run.pk)
        assert write_chunk(link, run.pk, here=here, size=SMALL) is None
    assert fan_out(run.pk, size=SMALL) is False
    resume_run(run.pk)
    assert fan_out(run.pk, size=SMALL) is True
    assert fates(run) == {("email", "planned", ""): 20}


def test_a_cancel_while_a_chunk_is_written_leaves_nothing_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.people(5)
    run = world.run()

    def cancel(name: str, **_: Any) -> None:
        if name == "fanout.before_commit":
            cancel_run(run.pk)

    monkeypatch.setattr(failpoints, "hit", cancel)

    assert fan_out(run.pk) is False

    run.refresh_from_db()
    assert (run.audience_count, fates(run), run.state) == (0, {}, "cancelled")


def test_each_hindrance_gets_a_row_with_its_reason(world: World) -> None:
    people = world.people(8)
    Address.objects.filter(subscriber=people[1]).update(state="bouncing")
    Address.objects.filter(subscriber=people[2]).update(state="unconfirmed")
    Address.objects.filter(subscriber=people[3]).delete()
    for person, organisation in ((people[4], world.council), (people[5], None)):
        digest = address_digest("email", f"person{person.pk}@example.org")
        Suppression.objects.create(organisation=organisation, channel="email", digest=digest, reason="manual")
    elsewhere = world.organisation.__class__.objects.create(slug="other", parent=world.council)
    digest = address_digest("email", f"person{people[6].pk}@example.org")
    Suppression.objects.create(organisation=elsewhere, channel="email", digest=digest, reason="manual")
    [by_phone] = world.people(1, channels=["sms"])
    world.add_address(by_phone, "email")
    [nowhere] = world.people(1, channels=["sms"])

    run = world.fanned_out()

    assert {target: (state, reason) for target, _, _, state, reason in rows(run)} == {
        f"s:{people[0].pk}": ("planned", ""),
        f"s:{people[1].pk}": ("skipped", "invalid_address"),
        f"s:{people[2].pk}": ("skipped", "unconfirmed"),
        f"s:{people[3].pk}": ("skipped", "unreachable"),
        f"s:{people[4].pk}": ("skipped", "suppressed"),
        f"s:{people[5].pk}": ("skipped", "suppressed"),
        f"s:{people[6].pk}": ("planned", ""),
        f"s:{people[7].pk}": ("planned", ""),
        f"s:{by_phone.pk}": ("skipped", "no_consent"),
        f"s:{nowhere.pk}": ("skipped", "unreachable"),
    }


def test_who_is_not_of_the_audience_gets_no_row(world: World) -> None:
    world.people(1)
    world.people(1, kind="business")
    gone, other_topic = world.people(2)
    gone.__class__.objects.filter(pk=gone.pk).update(erased_at="2026-01-01T00:00:00Z")
    excluded = Topic.objects.create(organisation=world.organisation, slug="excluded")
    world.subscribe([other_topic], "sms", topic=excluded)

    run = world.fanned_out(kinds=["citizen"], excluded_topics=[excluded.pk])

    assert fates(run) == {("email", "planned", ""): 1}


def test_all_channels_write_a_row_for_each_that_the_person_has(world: World) -> None:
    both = world.people(2, channels=["email", "sms"])
    [only_sms] = world.people(1, channels=["sms"])
    [nothing] = world.people(1, channels=[])
    world.subscribe([nothing], "push")

    run = world.fanned_out(channels=["email", "sms"])

    assert [(target, channel, state, reason) for target, channel, _, state, reason in rows(run)] == sorted(
        [(f"s:{person.pk}", channel, "planned", "") for person in both for channel in ("email", "sms")]
        + [(f"s:{only_sms.pk}", "sms", "planned", ""), (f"s:{nothing.pk}", "email", "skipped", "unreachable")]
    )


def test_preferred_writes_one_row_for_the_first_channel_that_works(world: World) -> None:
    both, stopped, refuses = world.people(3, channels=["email", "sms"])
    [only_sms] = world.people(1, channels=["sms"])
    Address.objects.filter(subscriber=stopped, channel="email").update(state="invalid")
    Address.objects.filter(subscriber=refuses).update(state="invalid")

    run = world.fanned_out(channels=["email", "sms"], mode="preferred")

    assert {target: (channel, state, reason) for target, channel, _, state, reason in rows(run)} == {
        f"s:{both.pk}": ("email", "planned", ""),
        f"s:{stopped.pk}": ("sms", "planned", ""),
        f"s:{refuses.pk}": ("email", "skipped", "invalid_address"),
        f"s:{only_sms.pk}": ("sms", "planned", ""),
    }


def test_language_falls_back_and_without_any_content_the_row_says_so(world: World) -> None:
    [bulgarian] = world.people(1, language="bg")
    [english] = world.people(1, language="en")
    frozen = world.frozen()
    only_english = {**frozen, "contents": [each for each in frozen["contents"] if each["language"] == "en"]}

    with_fallback = world.fanned_out(frozen={**only_english, "fallback_language": "en"})
    without = world.fanned_out(frozen=only_english)

    assert [row[2:] for row in rows(with_fallback)] == [("en", "planned", ""), ("en", "planned", "")]
    assert {row[0]: row[2:] for row in rows(without)} == {
        f"s:{bulgarian.pk}": ("bg", "skipped", "no_content"),
        f"s:{english.pk}": ("en", "planned", ""),
    }


def test_hold_out_is_drawn_by_person_and_holds_on_every_channel(world: World) -> None:
    world.people(200, channels=["email", "sms"])
    run = world.fanned_out(channels=["email", "sms"], holdout=0.3)

    by_mail, by_sms = held_out(run, "email"), held_out(run, "sms")
    assert by_mail == by_sms
    assert 30 < len(by_mail) < 90  # 60 +- 4.6 deviations
    assert set(Delivery.objects.filter(run=run, state="held_out").values_list("reason", flat=True)) == {"hold_out"}


def test_the_salt_alone_decides_who_is_held_out_and_whatever_else_is_drawn(world: World) -> None:
    world.people(400)
    first, again, other = (world.fanned_out(holdout=0.5, salt=salt) for salt in (SALT, SALT, SALT[::-1]))

    assert draws(first) == draws(again) != draws(other)
    assert held_out(first, "email") == held_out(again, "email")
    for run in (first, other):
        inside, drawn = held_out(run, "email"), draws(run)
        assert 150 < len(inside) < 250  # 200 +- 5 deviations
        assert all(0 <= draw < 1 for draw in drawn.values())
        # Who is held out tells nothing of the other draw: 0.5 +- 5 deviations of a mean of 150.
        for side in (inside, drawn.keys() - inside):
            assert abs(mean(drawn[target] for target in side) - 0.5) < 5 * (1 / 12 / 150) ** 0.5
    # Nor does one salt of another: half of those held out before, +- 5 deviations.
    assert abs(len(held_out(first, "email") & held_out(other, "email")) - 100) < 5 * (400 * 0.25 * 0.75) ** 0.5


def held_out(run: Run, channel: str) -> set[str]:
    found = Delivery.objects.filter(run=run, channel=channel, state="held_out")
    return set(found.values_list("target", flat=True))


def draws(run: Run) -> dict[str, float]:
    return dict(Delivery.objects.filter(run=run).values_list("target", "draw"))


def test_posts_and_feed_entries_have_a_row_for_each_account_and_language(world: World) -> None:
    run = world.fanned_out(channels=["social", "feed"])

    social, feed = world.accounts["social"].pk, world.accounts["feed"].pk
    assert rows(run) == [
        (f"a:{social}:bg", "social", "bg", "planned", ""),
        (f"a:{social}:en", "social", "en", "planned", ""),
        (f"a:{feed}:bg", "feed", "bg", "accepted", ""),
        (f"a:{feed}:en", "feed", "en", "accepted", ""),
    ]
    assert check_ledger(run.campaign).problems == []


def test_a_feed_alone_is_finished_by_its_fan_out(world: World) -> None:
    run = world.fanned_out(channels=["feed"])
    assert (run.state, campaign_of(run).state) == ("finished", "finished")


def test_an_empty_audience_is_finished(world: World) -> None:
    run = world.fanned_out()
    assert (run.state, run.audience_count) == ("finished", 0)


def test_a_test_send_goes_to_the_named_on_the_priority_lane(world: World) -> None:
    world.people(3)
    recipients = [
        {"channel": "email", "value": "Boss@Example.org", "language": "en", "subscriber": None},
        {"channel": "email", "value": "not an address", "language": "bg", "subscriber": None},
        {"channel": "sms", "value": "+359881234567", "language": "bg", "subscriber": None},
    ]
    run = world.fanned_out(kind="test", frozen={**world.frozen(), "recipients": recipients})

    assert rows(run) == [
        ("n:0", "email", "en", "planned", ""),
        ("n:1", "email", "bg", "planned", ""),
        ("n:2", "sms", "bg", "skipped", "no_content"),
    ]
    assert set(Batch.objects.filter(run=run).values_list("lane", flat=True)) == {"notices"}


def test_the_review_counts_what_fan_out_writes(world: World) -> None:
    people = world.people(30, channels=["email", "sms"])
    Address.objects.filter(subscriber__in=people[:4], channel="sms").delete()
    Subscription.objects.filter(subscriber__in=people[4:7], channel="email").update(state="unsubscribed")
    Address.objects.filter(subscriber__in=people[7:9]).update(state="invalid")
    frozen = world.frozen(channels=["email", "sms"], holdout=0.2)

    counted = count_audience(frozen, ancestors=world.organisation.ancestor_ids(), salt=SALT)
    run = world.fanned_out(frozen=frozen)

    written = fates(run)
    assert counted.recipients == {key[0]: count for key, count in written.items() if key[1] == "planned"}
    assert counted.skipped_by_channel == {
        (channel, reason): count for (channel, state, reason), count in written.items() if state == "skipped"
    }
    sent = Delivery.objects.filter(run=run, state="planned").values("subscriber").distinct().count()
    held_out = Delivery.objects.filter(run=run, state="held_out").values("subscriber").distinct().count()
    assert (counted.people, counted.audience, counted.held_out) == (sent, 30, held_out)


@pytest.mark.parametrize("mode", ["all", "preferred"])
@pytest.mark.parametrize(("topics", "members"), [(1, 38), (2, 40)])
def test_both_forms_of_a_selection_choose_the_same_rows(world: World, mode: str, topics: int, members: int) -> None:
    people = world.people(40, channels=["email", "sms"])
    Address.objects.filter(subscriber__in=people[:6], channel="sms").delete()
    Address.objects.filter(subscriber__in=people[4:8], channel="email").update(state="invalid")
    Subscription.objects.filter(subscriber__in=people[8:14], channel="email").update(state="unsubscribed")
    Subscription.objects.filter(subscriber__in=people[12:16], channel="sms").delete()
    second = Topic.objects.create(organisation=world.organisation, slug="second", name={"en": "Second"})
    for person in people[10:20]:
        Subscription.objects.create(subscriber=person, topic=second, channel="sms")
    frozen = world.frozen(channels=["email", "sms"], mode=mode, holdout=0.3)
    frozen["topics"] = [world.topic.pk, second.pk][:topics]
    selection = compile_selection(frozen, ancestors=world.organisation.ancestor_ids(), salt=SALT)
    assert selection is not None

    with connect() as link:
        params = selection.between(0, EVERYBODY)
        by_look_up = set(fetch(link, selection.sql + " SELECT * FROM chosen", **params))
        link.execute("SET enable_nestloop = off")
        merged = set(fetch(link, selection.dense + " SELECT * FROM chosen", **params))
    assert merged == by_look_up
    assert len({row[0] for row in merged}) == members


def test_who_asked_for_a_pause_gets_a_row_that_says_so_and_nothing_by_any_channel(world: World) -> None:
    """A pause that is over counts for nothing; a notice or a test send does not ask for it."""
    later, before = "9999-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
    [paused], [over] = (world.people(1, channels=["email", "sms"], paused_until=at) for at in (later, before))

    one = world.fanned_out(channels=["email", "sms"], mode="preferred")
    every = world.fanned_out(channels=["email", "sms"])

    seen = [
        sorted(Delivery.objects.filter(run=run).values_list("subscriber_id", "channel", "state", "reason"))
        for run in (one, every)
    ]
    assert seen == [
        [(paused.pk, "email", "skipped", "paused"), (over.pk, "email", "planned", "")],
        [
            (paused.pk, "email", "skipped", "paused"),
            (paused.pk, "sms", "skipped", "paused"),
            (over.pk, "email", "planned", ""),
            (over.pk, "sms", "planned", ""),
        ],
    ]
    counted = count_audience(one.frozen, ancestors=world.organisation.ancestor_ids())
    assert (counted.recipients, counted.skipped) == ({"email": 1}, {"paused": 1})
