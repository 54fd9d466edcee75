"""Digests: what fan-out keeps is told once, at the reader's hour, of what they still want, and every row says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from outreach.audience.frequency import count_frequencies, set_frequencies
from outreach.audience.models import Subscriber, Subscription, Topic
from outreach.audience.selection import count_audience
from outreach.audience.subscriptions import unsubscribe
from outreach.campaigns.models import Run
from outreach.core.access import product_itself
from outreach.core.models import Account, Alert, Installation, Organisation
from outreach.core.vocabulary import RunKind
from outreach.delivery import digests
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect, transaction
from outreach.delivery.digests import reckon, send_digests
from outreach.delivery.door import real_door
from outreach.delivery.models import Delivery, Digest, DigestItem
from outreach.effectiveness.receipts import receipt
from outreach.effectiveness.telling import tell, tell_prospect
from schedules.digest import next_digest
from tests.delivery.world import World, fates

NAMES = {"bg": "Данъци", "en": "Taxes"}


def plan(world: World, subject: str = "Новият срок", **changes: Any) -> dict[str, Any]:
    """A campaign's plan with all that rendering needs."""
    frozen = world.frozen(**changes)
    words = {
        "subject": subject,
        "body": "Декларацията се подава до края на юни, и то само онлайн.",
        "format": "markdown",
    }
    return {
        **frozen,
        "organisation": {"id": world.organisation.pk, "slug": "ministry", "name": {"bg": "Министерство"}},
        "topic_names": {str(topic): NAMES for topic in frozen["topics"]},
        "contents": [{**content, **words} for content in frozen["contents"]],
        **changes,
    }


def choose(world: World, people: list[Subscriber], word: str, *, channel: str = "email") -> None:
    for person in people:
        set_frequencies(product_itself(world.organisation), person, {(world.topic.pk, channel): word})


def make_time_come() -> None:
    """What waiting until tomorrow does."""
    for organisation in DigestItem.objects.values_list("organisation", flat=True).distinct():
        with connect() as link, transaction(link):
            reckon(link, organisation)
    DigestItem.objects.filter(digest=None).update(due_at=datetime(2026, 1, 5, 6, tzinfo=UTC))


def send(world: World) -> None:
    """Send what waits by the product's own renderer."""
    world.send_all(compile_run=real_door().compile_run)


def digest_runs() -> list[Run]:
    return list(Run.objects.filter(kind=RunKind.DIGEST).order_by("pk"))


def test_who_chose_a_digest_gets_one_message_of_several_and_the_others_get_each(world: World) -> None:
    readers, others = world.people(2), world.people(1)
    choose(world, readers, "daily")
    runs = [world.fanned_out(frozen=plan(world, subject)) for subject in ("Новият срок", "Новият портал")]
    send(world)
    kept = {("email", "accepted", ""): 1, ("email", "skipped", "digested"): 2}
    assert [fates(run) for run in runs] == [kept, kept]
    assert {message.to for message in world.box().messages} == {f"person{others[0].pk}@example.org"}

    make_time_come()
    assert send_digests() == 2
    send(world)

    [run] = digest_runs()
    told = world.box().messages[2:]
    assert fates(run) == {("email", "accepted", ""): 2}
    assert sorted(message.to for message in told) == sorted(f"person{person.pk}@example.org" for person in readers)
    assert {message.subject for message in told} == {"Новият срок и още 1"}
    text = told[0].text
    assert all(piece in text for piece in ("Новият портал", "само онлайн", "Данъци", "/c/", "?v="))
    assert dict(told[0].headers)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert send_digests() == 0
    run.refresh_from_db()
    assert (run.state, [check_ledger(each.campaign).problems for each in (*runs, run)]) == ("finished", [[], [], []])


def test_the_time_is_the_reader_s_own(world: World) -> None:
    world.organisation.digest_minute, world.organisation.digest_weekday = 7 * 60 + 30, 2
    world.organisation.save()
    [tokyo], [home] = world.people(1, timezone="Asia/Tokyo"), world.people(1)
    choose(world, [tokyo], "weekly")
    choose(world, [home], "daily")
    world.fanned_out(frozen=plan(world))

    with connect() as link, transaction(link):
        reckon(link, world.organisation.pk)

    rules = {"minute": 450, "weekday": 2}
    found = {item.subscriber_id: (item.due_at, item.since) for item in DigestItem.objects.all()}
    assert {key: due for key, (due, _since) in found.items()} == {
        tokyo.pk: next_digest(found[tokyo.pk][1], days=7, zone_name="Asia/Tokyo", **rules),
        home.pk: next_digest(found[home.pk][1], days=1, zone_name="Europe/Sofia", **rules),
    }


def test_nobody_is_kept_where_nobody_chose_it_and_a_pressing_campaign_waits_for_nobody(world: World) -> None:
    readers = world.people(2)
    plain = world.fanned_out(frozen=plan(world))
    choose(world, readers, "weekly")
    frozen = plan(world)
    pressing = world.fanned_out(frozen=frozen | {"is_pressing": True})

    expected = count_audience(frozen, ancestors=world.organisation.ancestor_ids())
    assert [fates(run) for run in (plain, pressing)] == [{("email", "planned", ""): 2}] * 2
    assert (DigestItem.objects.count(), dict(expected.skipped), expected.people) == (0, {"digested": 2}, 0)
    assert count_frequencies(world.topic) == {"email": {"weekly": 2}}


def test_what_another_topic_wants_at_once_is_sent_at_once(world: World) -> None:
    readers = world.people(2)
    other = Topic.objects.create(organisation=world.organisation, slug="other")
    world.subscribe(readers[:1], "email", topic=other)
    choose(world, readers, "weekly")

    run = world.fanned_out(frozen=plan(world, topics=[world.topic.pk, other.pk]))

    assert fates(run) == {("email", "planned", ""): 1, ("email", "skipped", "digested"): 1}
    assert [item.subscriber_id for item in DigestItem.objects.all()] == [readers[1].pk]


def test_who_withdraws_before_it_leaves_is_told_nothing(world: World) -> None:
    first, second = world.people(2)
    other = Topic.objects.create(organisation=world.organisation, slug="other", name={"bg": "Друго"})
    world.subscribe([second], "email", topic=other)
    for topic in (world.topic, other):
        Subscription.objects.filter(topic=topic).update(frequency=1)
    runs = [world.fanned_out(frozen=plan(world, slug, topics=[topic.pk]))
            for slug, topic in (("Облози", world.topic), ("Друго", other))]  # fmt: skip
    make_time_come()
    send_digests()

    for person in (first, second):
        unsubscribe(person, topics=[world.topic], source="page")
    send(world)

    [run] = digest_runs()
    assert fates(run) == {("email", "skipped", "unsubscribed"): 1, ("email", "accepted", ""): 1}
    [message] = world.box().messages
    assert (message.subject, "Облози" in message.text) == ("Друго", False)
    left = DigestItem.objects.filter(subscriber=second.pk).order_by("run")
    assert [(item.run_id, item.dropped) for item in left] == [(runs[0].pk, "unsubscribed"), (runs[1].pk, "")]


def test_one_click_ends_the_topics_that_it_told_of_and_the_page_shows_them(world: World, client: Client) -> None:
    [person] = world.people(1)
    other, third = (Topic.objects.create(organisation=world.organisation, slug=slug) for slug in ("other", "third"))
    for topic in (other, third):
        world.subscribe([person], "email", topic=topic)
    Subscription.objects.update(frequency=1)
    for topic in (world.topic, other):
        world.fanned_out(frozen=plan(world, f"За {topic.slug}", topics=[topic.pk]))
    make_time_come()
    send_digests()
    send(world)

    [message] = world.box().messages
    [way_out] = [value for name, value in message.headers if name == "List-Unsubscribe"]
    page = client.get(message.text.partition("Отписване: ")[2].split()[0].replace(settings.BASE_URL, ""))
    view = client.get("/v/" + message.html.partition("/v/")[2].partition('"')[0])
    client.post(way_out.strip("<>").replace(settings.BASE_URL, ""))

    wanted = Subscription.objects.filter(state="subscribed").values_list("topic__slug", flat=True)
    assert (list(wanted), page.status_code) == (["third"], 200)
    assert all(f"За {slug}" in view.content.decode() for slug in ("services", "other"))


def test_nothing_is_lost_while_nobody_looks_and_nothing_told_twice(world: World) -> None:
    readers = world.people(3)
    choose(world, readers, "daily")
    first = world.fanned_out(frozen=plan(world, "Първо"))
    make_time_come()
    DigestItem.objects.update(due_at=datetime(2026, 1, 2, 6, tzinfo=UTC))
    second = world.fanned_out(frozen=plan(world, "Второ"))
    with connect() as link, transaction(link):
        reckon(link, world.organisation.pk)
    DigestItem.objects.filter(run=second).update(due_at=datetime(2026, 1, 4, 6, tzinfo=UTC))

    assert [send_digests(), send_digests()] == [3, 0]  # three days late, and together

    assert set(Digest.objects.values_list("due_at", flat=True)) == {datetime(2026, 1, 4, 6, tzinfo=UTC)}
    third = world.fanned_out(frozen=plan(world, "Трето"))
    DigestItem.objects.filter(run=third).update(due_at=datetime(2026, 1, 3, 6, tzinfo=UTC))
    assert send_digests() == 0  # its digest has gone: it comes with the next one
    late = DigestItem.objects.filter(run=third)
    assert {item.days for item in late if item.due_at and item.due_at > datetime.now(UTC)} == {1}
    assert [item.digest_id is not None for item in DigestItem.objects.filter(run=first)] == [True] * 3


def test_what_a_stopped_or_ended_campaign_said_is_told_later_or_not_at_all(world: World) -> None:
    readers = world.people(1)
    choose(world, readers, "daily")
    paused, cancelled, over = (world.fanned_out(frozen=plan(world, name)) for name in ("Чака", "Отменено", "Минало"))
    Run.objects.filter(pk=paused.pk).update(state="paused")
    Run.objects.filter(pk=cancelled.pk).update(state="cancelled")
    Run.objects.filter(pk=over.pk).update(not_after=datetime.now(UTC) - timedelta(hours=1))
    make_time_come()

    assert send_digests() == 0
    Run.objects.filter(pk=paused.pk).update(state="finished")
    assert send_digests() == 1

    assert list(DigestItem.objects.order_by("run").values_list("dropped", flat=True)) == [
        "",
        "run_cancelled",
        "expired",
    ]


def test_a_pause_moves_the_digest_behind_its_end(world: World) -> None:
    [person] = world.people(1)
    choose(world, [person], "daily")
    world.fanned_out(frozen=plan(world))
    make_time_come()
    until = datetime.now(UTC) + timedelta(days=9)
    Subscriber.objects.filter(pk=person.pk).update(paused_until=until)

    assert send_digests() == 0

    due = DigestItem.objects.get().due_at
    assert due == next_digest(until, days=1, minute=480, weekday=0, zone_name="Europe/Sofia")


def test_after_an_absence_the_digests_ask_first(world: World) -> None:
    world.people(1)
    Subscription.objects.update(frequency=1)
    world.fanned_out(frozen=plan(world))
    make_time_come()
    long_ago = datetime.now(UTC) - timedelta(seconds=settings.GRACE + 60)
    Installation.objects.update_or_create(pk=1, defaults={"digests_at": long_ago})

    assert send_digests() == 1
    send(world)

    [run] = digest_runs()
    assert (run.state, run.trouble["code"], fates(run)) == ("held", "away", {("email", "planned", ""): 1})


def test_an_organisation_in_trouble_holds_up_no_other_and_is_told(world: World, caplog: Any) -> None:
    world.people(1)
    world.topic.subscriptions.update(frequency=1)
    broken = world.fanned_out(frozen=plan(world))
    troubled = world.organisation
    world.organisation = Organisation.objects.create(slug="other", parent=world.council)
    world.topic = Topic.objects.create(organisation=world.organisation, slug="other")
    world.people(1)
    world.topic.subscriptions.update(frequency=1)
    world.fanned_out(frozen=plan(world))
    make_time_come()
    Run.objects.filter(pk=broken.pk).update(frozen=broken.frozen | {"contents": [{}]})

    assert send_digests() == 1

    opened = Alert.objects.filter(code="digests_failed", resolved_at=None)
    assert [run.organisation for run in digest_runs()] == [world.organisation]
    assert [alert.organisation for alert in opened] == [troubled]
    assert [record.msg for record in caplog.records if record.levelname == "ERROR"] == ["Digests cannot be made"]
    Run.objects.filter(pk=broken.pk).update(frozen=broken.frozen)
    assert (send_digests(), opened.all().exists()) == (1, False)


def test_digests_that_have_no_account_wait_and_people_are_told(world: World) -> None:
    readers = world.people(1)
    choose(world, readers, "daily")
    world.fanned_out(frozen=plan(world))
    make_time_come()
    Account.objects.filter(channel="email").update(channel="push")

    made = send_digests()
    alert = Alert.objects.get(code="digests_wait", resolved_at=None)
    Account.objects.filter(channel="push").update(channel="email")

    assert (made, alert.organisation, alert.facts) == (0, world.organisation, {"channels": ["email"]})
    assert (send_digests(), Alert.objects.filter(resolved_at=None).exists()) == (1, False)


def test_a_turn_is_for_some_readers_and_what_was_due_in_an_absence_asks_whenever_it_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = world.people(5)
    choose(world, readers, "daily")
    world.fanned_out(frozen=plan(world))
    DigestItem.objects.update(since=datetime(2026, 1, 5, tzinfo=UTC))
    long_ago = datetime.now(UTC) - timedelta(seconds=settings.GRACE + 60)
    Installation.objects.update_or_create(pk=1, defaults={"digests_at": long_ago})
    for most in ("MOST", "MOST_RECKONED"):
        monkeypatch.setattr(digests, most, 2)
    monkeypatch.setattr(digests, "is_stopping", iter([False, False, False, True]).__next__)

    assert send_digests() == 2  # after three turns all have their time, and then the process has to stop
    monkeypatch.setattr(digests, "is_stopping", lambda: False)
    assert send_digests() == 3

    assert [(run.audience_count, run.state) for run in digest_runs()] == [(2, "held"), (2, "held"), (1, "held")]


@pytest.mark.parametrize("when", ["waits", "told", "cancelled"])
def test_receipts_say_what_became_of_it(world: World, when: str) -> None:
    world.people(1)
    Subscription.objects.update(frequency=7)
    run = world.fanned_out(frozen=plan(world))
    kept = Delivery.objects.get(run=run)
    make_time_come()
    if when == "waits":
        [prospect] = receipt(world.organisation, kept.public_id).next
        assert prospect.code == "weekly"
        assert "weekly digest" in tell_prospect(prospect, write_time=datetime.isoformat)
        return
    if when == "cancelled":
        Run.objects.filter(pk=run.pk).update(state="cancelled")
    send_digests()
    steps = [tell(step, write_time=datetime.isoformat) for step in receipt(world.organisation, kept.public_id).steps]
    assert steps[-1].title == ("Told in no digest" if when == "cancelled" else "Told in the reader's digest")
    if when == "told":
        digest = Digest.objects.get()
        [carries] = [step for step in receipt(world.organisation, str(digest)).steps if step.kind == "carries"]
        assert carries.facts == {"campaign": "Campaign", "delivery": kept.public_id}
        assert str(digest) in steps[-1].text


def test_by_sms_it_is_short_and_leads_to_the_page(world: World) -> None:
    [person] = world.people(1, channels=("sms",))
    choose(world, [person], "daily", channel="sms")
    for number in range(6):
        world.fanned_out(frozen=plan(world, channels=["sms"], contents=sms_texts(world, f"Съобщение {number} " * 9)))
    make_time_come()
    send_digests()
    send(world)

    [message] = world.box("sms").messages
    lines = message.text.splitlines()
    assert (lines[0], lines[6], len(lines)) == ("Ново за Вас (6):", "… и още 1", 8)
    assert all(len(line) <= 53 for line in lines[1:6])
    assert "/v/" in lines[7]


def sms_texts(world: World, body: str) -> list[dict[str, Any]]:
    blank = {"channel": "sms", "variant": "", "subject": "", "format": "text", "account": world.accounts["sms"].pk}
    return [{**blank, "language": language, "body": body} for language in ("bg", "en")]
