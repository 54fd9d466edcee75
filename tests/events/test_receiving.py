from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connection

from channels.base import Message, OutcomeKind
from outreach.core.models import Account, Alert
from outreach.core.secrets import seal
from outreach.delivery.adapters import session_for
from outreach.delivery.models import Delivery
from outreach.events.hooks import apply_waiting
from outreach.events.models import Event, HookCall, Reply
from outreach.events.polling import alone
from outreach.events.receiving import receive_account, receive_all
from tests.channels.smpp_peer import Centre, Delivered, message_centre
from tests.events.conftest import Sent, make_sent

pytestmark = pytest.mark.django_db(transaction=True)


def receipt(provider_id: str, stat: str = "DELIVRD") -> Delivered:
    text = f"id:{provider_id} sub:001 dlvrd:001 stat:{stat} err:000 text:".encode()
    return Delivered(source="359888123456", octets=text, esm_class=0x04)


@pytest.fixture(autouse=True)
def nothing_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker: what is to be done is done here."""
    monkeypatch.setattr("outreach.core.queue._publish", lambda _name, _args, _lane: None)


@pytest.fixture
def sent(db: None) -> Sent:
    return make_sent(channel="sms")


@pytest.fixture
def centre(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    monkeypatch.setattr("channels.smpp.QUIET", 0.2)
    with message_centre() as centre:
        settings = dict(centre.account.settings)
        sent.account.sealed = seal({"password": settings.pop("password")})
        sent.account.adapter, sent.account.settings = "smpp", settings
        sent.account.save()
        yield centre


def delivery(sent: Sent) -> Delivery:
    return Delivery.objects.get(run=sent.run, id=sent.delivery)


def test_receipt_is_kept_confirmed_and_applied_once(sent: Sent, centre: Centre) -> None:
    centre.waiting = [receipt("provider-1"), receipt("provider-1")]
    assert receive_all() == 2
    assert (delivery(sent).receipt, centre.confirmed, HookCall.objects.count()) == ("delivered", [0, 0], 1)
    centre.waiting = [receipt("provider-1")]
    assert (receive_all(), HookCall.objects.count()) == (1, 1)


def test_receipt_of_another_message_to_the_same_number_is_not_taken_for_it(sent: Sent, centre: Centre) -> None:
    centre.waiting = [receipt("provider-2")]
    assert receive_all() == 1
    assert (delivery(sent).receipt, HookCall.objects.get().applied_at) == ("", None)


@pytest.mark.parametrize(
    ("told", "receipt_", "bounces"),
    [
        ([("part-1", "DELIVRD")], "", 0),
        ([("part-3", "DELIVRD")], "delivered", 0),
        ([("part-2", "UNDELIV")], "bounced", 1),
        ([("part-2", "UNDELIV"), ("part-3", "DELIVRD")], "bounced", 1),
        ([("part-3", "DELIVRD"), ("part-2", "UNDELIV")], "bounced", 1),
        ([("part-1", "EXPIRED"), ("part-3", "EXPIRED")], "bounced", 1),
        ([("part", "DELIVRD")], "", 0),
    ],
)
def test_long_message_arrives_with_its_last_part_unless_one_fails(
    sent: Sent, centre: Centre, told: list[tuple[str, str]], receipt_: str, bounces: int
) -> None:
    Delivery.objects.filter(run=sent.run, id=sent.delivery).update(provider_id="part-1 part-2 part-3")
    for part, stat in told:
        centre.waiting = [receipt(part, stat)]
        assert receive_all() == 1
    events = Event.objects.filter(run=sent.run, delivery=sent.delivery, kind="bounced")
    assert (delivery(sent).receipt, events.count()) == (receipt_, bounces)


def test_stop_by_smpp_ends_messages(sent: Sent, centre: Centre) -> None:
    centre.waiting = [Delivered(source="359888123456", octets="СТОП".encode("utf-16-be"), data_coding=8)]
    assert receive_all() == 1
    assert [(reply.kind, reply.text) for reply in Reply.objects.all()] == [("stop", "СТОП")]
    assert set(sent.subscriber.subscriptions.values_list("state", flat=True)) == {"unsubscribed"}


def test_what_comes_while_messages_leave_is_kept_for_later(sent: Sent, centre: Centre) -> None:
    centre.between = [receipt("provider-1")]
    with session_for(sent.account.pk) as session:
        (outcome,) = session.send([Message(id="m", to="+359888123456", text="Hi")])
    assert (outcome.kind, centre.confirmed, delivery(sent).receipt) == (OutcomeKind.ACCEPTED, [0], "")
    assert (apply_waiting(), delivery(sent).receipt) == (1, "delivered")


def test_what_the_database_does_not_take_is_left_to_the_message_centre(sent: Sent, centre: Centre) -> None:
    centre.waiting = [receipt("provider-1")]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outreach_hookcall RENAME TO outreach_hookcall_away")
    try:
        assert receive_account(sent.account) == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE outreach_hookcall_away RENAME TO outreach_hookcall")
    assert (centre.confirmed, HookCall.objects.count()) == ([0x64], 0)


def test_message_centre_that_is_away_raises_one_alert_and_resolves_it(sent: Sent, centre: Centre) -> None:
    port = sent.account.settings["port"]
    Account.objects.update(settings={**sent.account.settings, "port": "1"})
    assert (receive_all(), receive_all()) == (0, 0)
    alert = Alert.objects.get()
    assert (alert.code, alert.facts["name"], alert.resolved_at) == ("inbound_unreadable", "Account", None)
    Account.objects.update(settings={**sent.account.settings, "port": port})
    assert receive_all() == 0
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_only_one_listens_at_a_time(sent: Sent, centre: Centre) -> None:
    counts: list[int] = []

    def listen() -> None:
        counts.append(receive_all())
        connection.close()

    with alone(sent.account):
        thread = threading.Thread(target=listen)
        thread.start()
        thread.join(10)
    assert (counts, centre.binds) == ([0], [])


def test_session_of_ours_that_is_bound_already_is_no_trouble(sent: Sent, centre: Centre) -> None:
    centre.bind_statuses.append(0x05)
    assert (receive_all(), Alert.objects.count()) == (0, 0)
