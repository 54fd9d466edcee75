"""Two records of one person become one: nothing of either is lost, and what was sent stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.audience.chain_check import check_chain
from outreach.audience.consent_proof import prove
from outreach.audience.erasure import erase_subscriber
from outreach.audience.frequency import set_frequencies
from outreach.audience.merging import all_ids, is_taken_back, kept_id, merge, propose
from outreach.audience.models import Address, Consent, Subscriber, Subscription, Topic
from outreach.audience.subscribers import AddressData, ConsentData, SubscriberData, export_subscriber, upsert_subscriber
from outreach.audience.subscriptions import set_measurement, unsubscribe
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid, StateConflict
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import Role
from outreach.delivery.models import Delivery
from outreach.effectiveness.timeline import timeline
from outreach.events.keeping import keep
from outreach.events.models import Reply
from outreach.events.optout import Person, opt_out, person_of
from outreach.events.preferences import save_preferences


@pytest.fixture
def actor(sent: Any) -> Actor:
    return product_itself(sent.organisation)


@pytest.fixture
def twin(actor: Actor, sent: Any) -> Subscriber:
    """Another record of Ivana, known by her telephone only."""
    data = SubscriberData(
        addresses=[AddressData(channel="sms", value="0888123456")],
        name="Ивана Петрова",
        region="Пловдив",
        attributes={"city": "Пловдив", "born": 1980},
        topics=["taxes"],
        consent=ConsentData(source="form", text_version="2026-1"),
    )
    return upsert_subscriber(actor, data)[0]


def states(person: Subscriber) -> list[tuple[str, str, str]]:
    rows = Subscription.objects.filter(subscriber=person).order_by("topic__slug", "channel")
    return list(rows.values_list("topic__slug", "channel", "state"))


def test_what_both_said_is_kept_and_what_was_sent_stays(sent: Any, actor: Actor, twin: Subscriber) -> None:
    Reply.objects.create(organisation=sent.organisation, account=sent.account, subscriber=sent.subscriber, kind="human",
                         channel="email", external_id="1", received_at=clock.now())  # fmt: skip
    merged = merge(actor, twin, sent.subscriber)

    merged.refresh_from_db()
    assert (merged.name, merged.region, merged.attributes) == (
        "Ивана Петрова", "BG-16", {"city": "Пловдив", "born": 1980},
    )  # fmt: skip
    assert sorted(merged.addresses.values_list("channel", flat=True)) == ["email", "sms"]
    assert states(merged) == [
        ("schools", "email", "subscribed"), ("taxes", "email", "subscribed"), ("taxes", "sms", "subscribed"),
    ]  # fmt: skip
    delivery = Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery)
    assert (delivery.target, delivery.subscriber_id) == (f"s:{sent.subscriber.pk}", sent.subscriber.pk)
    assert {entry.kind for entry in timeline(merged)} == {"delivery", "reply", "consent"}
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.facts) == (
        "subscriber.merged",
        {"other": sent.subscriber.pk, "addresses": 1, "taken": []},
    )


def test_record_that_goes_is_nameless_and_points_at_the_other(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, sent.subscriber, twin, taken=["attributes/city"])

    twin.refresh_from_db()
    assert (twin.name, twin.attributes, twin.erased_at is None, twin.addresses.count()) == ("", {}, False, 0)
    assert (kept_id(twin.pk), all_ids(sent.subscriber)) == (sent.subscriber.pk, [sent.subscriber.pk, twin.pk])


def test_old_unsubscribe_links_go_on_working(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, twin, sent.subscriber)
    person = person_of(Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery))
    assert person is not None
    opt_out(person, source="one_click")

    assert (person.subscriber, [row for row in states(twin) if row[:2] == ("taxes", "email")]) == (
        twin,
        [("taxes", "email", "unsubscribed")],
    )


def says(person: Subscriber, topic: Topic, action: str, at: datetime, **other: Any) -> None:
    Consent.objects.create(
        subscriber=person, topic=topic, channel="email", action=action, source="form", at=at, **other
    )


@pytest.mark.parametrize(("is_later", "state"), [(True, "unsubscribed"), (False, "subscribed")])
def test_later_wish_about_a_topic_counts(sent: Any, actor: Actor, twin: Subscriber, is_later: bool, state: str) -> None:
    at = clock.now() + timedelta(hours=1 if is_later else -1)
    says(sent.subscriber, sent.topic, "given", clock.now())
    Subscription.objects.create(subscriber=twin, topic=sent.topic, channel="email", state="unsubscribed")
    Subscription.objects.filter(subscriber=twin, channel="email").update(changed_at=at)

    merge(actor, sent.subscriber, twin)

    assert ("taxes", "email", state) in states(sent.subscriber)


#: When one record's consent was given and the other's withdrawn, None for no entry, and what comes of it.
WISHES = [(1, 2, "unsubscribed"), (2, 1, "subscribed"), (1, 1, "unsubscribed"), (None, 1, "unsubscribed"),
          (1, None, "unsubscribed"), (None, None, "unsubscribed")]  # fmt: skip


@pytest.mark.parametrize("leaves", ["kept", "gone"])
@pytest.mark.parametrize(("given", "withdrawn", "state"), WISHES)
def test_who_left_a_topic_comes_back_by_a_later_consent_alone(
    sent: Any, actor: Actor, twin: Subscriber, given: int | None, withdrawn: int | None, state: str, leaves: str
) -> None:
    """How often to write was chosen last of all; that is no consent."""
    noon = clock.now() - timedelta(days=9)
    stays, left = (twin, sent.subscriber) if leaves == "kept" else (sent.subscriber, twin)
    for person, wish, action, day in (
        (left, "unsubscribed", "withdrawn", withdrawn),
        (stays, "subscribed", "given", given),
    ):
        row, _new = Subscription.objects.get_or_create(subscriber=person, topic=sent.topic, channel="email")
        Subscription.objects.filter(pk=row.pk).update(state=wish, changed_at=noon + timedelta(days=day or 3))
        if day is not None:
            says(person, sent.topic, action, noon + timedelta(days=day))
    set_frequencies(actor, stays, {(sent.topic.pk, "email"): "weekly"})

    merge(actor, sent.subscriber, twin)

    rows = Subscription.objects.filter(subscriber=sent.subscriber, topic=sent.topic, channel="email")
    assert [row.state for row in rows] == [state]


def test_what_a_file_says_of_a_consent_brings_nobody_back_by_joining(sent: Any, actor: Actor, twin: Subscriber) -> None:
    unsubscribe(sent.subscriber, topics=[sent.topic], source="form")
    Subscription.objects.create(subscriber=twin, topic=sent.topic, channel="email")
    says(twin, sent.topic, "given", clock.now() + timedelta(days=1), evidence={"import": 1, "line": 2})

    merge(actor, twin, sent.subscriber)

    assert ("taxes", "email", "unsubscribed") in states(twin)


def test_what_a_record_said_that_was_joined_before_counts_too(sent: Any, actor: Actor, twin: Subscriber) -> None:
    """The first said no to being measured last, the second yes long before; the first left a topic after that, too."""
    first = upsert_subscriber(actor, SubscriberData(addresses=[AddressData(channel="email", value="i@example.bg")]))[0]
    Subscription.objects.create(subscriber=first, topic=sent.topic, channel="email")
    for person, is_given in ((twin, True), (first, True), (first, False)):
        set_measurement(person, is_given, source="form")
    says(sent.subscriber, sent.topic, "given", clock.now())
    unsubscribe(first, topics=[sent.topic], source="form")

    kept = merge(actor, merge(actor, sent.subscriber, first), twin)

    assert (kept.is_measured, states(kept)[1]) == (False, ("taxes", "email", "unsubscribed"))


HOURS = st.integers(0, 5)


@given(first=st.lists(HOURS), left=HOURS, second=st.lists(HOURS), came=HOURS)
def test_two_records_say_what_one_would_that_heard_all_of_it(
    first: list[int], left: int, second: list[int], came: int
) -> None:
    """One consented and then left, the other left and then consented; within an hour leaving is the last word."""
    words = [(hour, True) for hour in first if hour <= left] + [(left, False)]
    words += [(hour, False) for hour in second if hour < came] + [(came, True)]
    _hour, stays = max(words, key=lambda word: (word[0], not word[1]))
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)

    assert is_taken_back(noon + timedelta(hours=left), noon + timedelta(hours=came)) == stays


def of(sent: Any) -> Person:
    person = person_of(Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery))
    assert person is not None
    return person


def test_who_leaves_while_their_records_are_joined_has_left(sent: Any, actor: Actor, twin: Subscriber) -> None:
    """Each found the person under the id that was theirs a moment before."""
    on_the_page, by_link = of(sent), of(sent)
    merge(actor, twin, sent.subscriber)

    left = opt_out(by_link, source="one_click")
    assert on_the_page.subscriber is not None
    save_preferences(on_the_page.subscriber, chosen={}, language="bg", measured=False, delivery="1-1")

    twin.refresh_from_db()
    said = Consent.objects.filter(action="withdrawn").order_by("source", "channel")
    assert (left, twin.is_measured, {state for *_of, state in states(twin)}) == (2, False, {"unsubscribed"})
    assert [(row.subscriber_id, row.topic_id, row.channel, row.source) for row in said] == [
        (twin.pk, sent.topic.pk, "email", "one_click"),
        (twin.pk, sent.topic.pk, "sms", "one_click"),
        (twin.pk, sent.other_topic.pk, "email", "preferences"),
    ]


def test_who_is_erased_while_their_records_are_joined_is_gone(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, twin, sent.subscriber)
    erase_subscriber(actor, sent.subscriber)

    assert (Address.objects.count(), Subscriber.objects.filter(erased_at=None).count()) == (0, 0)


def test_who_is_erased_on_the_page_leaves_nothing_there(sent: Any, actor: Actor) -> None:
    person = of(sent)
    erase_subscriber(actor, sent.subscriber)
    before = Consent.objects.count()

    assert person.subscriber is not None
    chosen = {sent.topic.pk: ["email"]}
    save_preferences(person.subscriber, chosen=chosen, language="en", measured=True, delivery="1-1")

    assert (keep(person, shown_in="bg"), Subscription.objects.count(), Consent.objects.count()) == ([], 0, before)


def test_the_question_brings_back_whom_a_sunset_let_go_before_they_were_joined(
    sent: Any, actor: Actor, twin: Subscriber
) -> None:
    unsubscribe(sent.subscriber, topics=[sent.topic], source="sunset")
    merge(actor, twin, sent.subscriber)

    assert (keep(of(sent), shown_in="bg"), states(twin)[1]) == ([sent.topic], ("taxes", "email", "subscribed"))


def test_chosen_values_are_taken_of_the_other(sent: Any, actor: Actor, twin: Subscriber) -> None:
    Subscriber.objects.filter(pk=sent.subscriber.pk).update(name="Ивана", attributes={"city": "Варна", "x": 1})
    until = clock.now() + timedelta(days=7)
    Subscriber.objects.filter(pk=twin.pk).update(paused_until=until, quiet_from=1320, quiet_to=420)

    merged = merge(actor, sent.subscriber, twin, taken=["name", "attributes/city"])

    assert (merged.paused_until, merged.quiet_from, merged.quiet_to) == (until, 1320, 420)
    assert (merged.name, merged.attributes) == ("Ивана Петрова", {"city": "Пловдив", "x": 1, "born": 1980})


def test_erasing_the_person_erases_both_records(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, sent.subscriber, twin)
    before = len(export_subscriber(sent.subscriber)["consents"])
    proof = prove(sent.subscriber)
    erase_subscriber(actor, sent.subscriber)

    said = Consent.objects.exclude(salt=None).exclude(purpose="erasure")
    assert (len(proof["consents"]), proof["merged_records"]) == (1, [str(twin.pk)])
    assert (before, said.count(), Address.objects.count()) == (1, 0, 0)
    assert check_chain().holds


def test_message_on_its_way_keeps_them_apart(sent: Any, actor: Actor, twin: Subscriber) -> None:
    Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery).update(state="planned")
    with pytest.raises(StateConflict):
        merge(actor, twin, sent.subscriber)
    sent.subscriber.refresh_from_db()

    assert (sent.subscriber.erased_at, twin.addresses.count()) == (None, 1)


def test_what_cannot_be_one_person_is_refused(sent: Any, actor: Actor, twin: Subscriber) -> None:
    elsewhere = Organisation.objects.create(slug="elsewhere")
    Topic.objects.create(organisation=elsewhere, slug="other", name={"en": "Other"})
    data = SubscriberData(addresses=[AddressData(channel="email", value="ivana@example.bg")])
    foreign, _new = upsert_subscriber(product_itself(elsewhere), data)

    refused = []
    for other, taken in ((sent.subscriber, []), (foreign, []), (twin, ["attributes/shoes"])):
        with pytest.raises(Invalid) as error:
            merge(actor, sent.subscriber, other, taken=taken)
        refused += list(error.value.fields)
    with pytest.raises(Forbidden):
        merge(Actor(organisation=sent.organisation, roles=frozenset({Role.ANALYST})), sent.subscriber, twin)

    assert refused == ["other", "other", "taken"]


def test_doubles_are_proposed_by_mailbox_and_by_name(sent: Any, actor: Actor, twin: Subscriber) -> None:
    def make(name: str, address: str) -> Subscriber:
        data = SubscriberData(name=name, addresses=[AddressData(channel="email", value=address)])
        return upsert_subscriber(actor, data)[0]

    tagged, _other = make("I. P.", "ivana+news@example.bg"), make("I. P.", "ivana+news@example.org")
    Subscriber.objects.filter(pk=sent.subscriber.pk).update(sort_key=twin.sort_key)
    sent.subscriber.refresh_from_db()

    assert (propose(sent.subscriber), propose(tagged)) == ([tagged, twin], [sent.subscriber, _other])
