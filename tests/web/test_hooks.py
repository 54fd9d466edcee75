from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from itertools import permutations
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from twilio.request_validator import RequestValidator

from channels.base import EventWord, ProviderEvent
from outreach.audience.models import Suppression
from outreach.audience.suppression import is_suppressed
from outreach.cli import main
from outreach.core import clock
from outreach.core.secrets import seal
from outreach.core.vocabulary import SubscriptionState
from outreach.delivery import tokens
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.calls import as_json
from outreach.events.hooks import apply_waiting
from outreach.events.models import Event, HookCall, Reply
from outreach.events.replaying import replay
from tests.events.conftest import Sent, make_sent

pytestmark = [pytest.mark.django_db]

AUTH = "the account's auth token"


@pytest.fixture
def sent() -> Sent:
    sent = make_sent(channel="sms")
    sent.account.sealed = seal({"auth_token": AUTH})
    sent.account.settings = {"account_sid": "AC1"}
    sent.account.save()
    return sent


def call(client: Client, kind: str, form: dict[str, str], *, query: str = "", auth: str = AUTH) -> int:
    path = f"/hooks/hook-key-of-plovdiv/{kind}{query}"
    signature = RequestValidator(auth).compute_signature(f"{settings.BASE_URL}{path}", form)
    answer = client.post(
        path,
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"x-twilio-signature": signature},
    )
    return answer.status_code


def callback(sent: Sent, delivery: int = 0) -> str:
    token = Token(kind=TokenKind.CALLBACK, run=sent.run.pk, delivery=delivery or sent.delivery, channel="sms")
    return f"?d={tokens.make(token)}"


def status(word: str, **more: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": word, "To": "+359888123456", **more}


def receipt(sent: Sent) -> str:
    return Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt


def written() -> list[tuple[Any, ...]]:
    return list(Event.objects.order_by("at").values_list("kind", "delivery", "source"))


def test_a_delivered_status_becomes_a_receipt_once(client: Client, sent: Sent) -> None:
    assert [call(client, "status", status("delivered"), query=callback(sent)) for _ in range(2)] == [200, 200]
    assert receipt(sent) == "delivered"
    assert written() == [("delivered", sent.delivery, "twilio")]


def test_receipts_only_grow(client: Client, sent: Sent) -> None:
    for word in ("read", "delivered"):
        assert call(client, "status", status(word), query=callback(sent)) == 200
    assert receipt(sent) == "read"


def test_a_forged_call_is_refused_and_leaves_nothing(client: Client, sent: Sent) -> None:
    assert call(client, "status", status("delivered"), query=callback(sent), auth="guessed") == 400
    assert (receipt(sent), HookCall.objects.count()) == ("", 0)


def test_an_unknown_hook_is_not_there(client: Client, sent: Sent) -> None:
    assert client.post("/hooks/nobody/status").status_code == 404
    assert client.post("/hooks/hook-key-of-plovdiv/else").status_code == 404
    assert client.get("/hooks/hook-key-of-plovdiv/status").status_code == 405


def test_a_call_for_an_unknown_delivery_is_kept_and_applied_later(client: Client, sent: Sent) -> None:
    known = Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery)
    known.update(provider_id="")
    form = status("delivered", MessageSid="SM9")
    assert call(client, "status", form) == 202
    assert (apply_waiting(), receipt(sent)) == (0, "")
    known.update(provider_id="SM9")
    assert (apply_waiting(), receipt(sent)) == (1, "delivered")
    assert (apply_waiting(), written()) == (0, [("delivered", sent.delivery, "twilio")])


def test_however_many_wait_each_has_its_turn(client: Client, sent: Sent) -> None:
    old = clock.now() - timedelta(hours=5)
    event = {**as_json(ProviderEvent(event_id="x", word=EventWord.DELIVERED)), "provider_id": "of nobody"}
    HookCall.objects.bulk_create(
        [HookCall(account=sent.account, event_id=f"old-{number}", event=event, next_try_at=old) for number in range(6)]
    )
    HookCall.objects.update(received_at=old)
    known = Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery)
    known.update(provider_id="")
    assert call(client, "status", status("delivered", MessageSid="SM9")) == 202
    known.update(provider_id="SM9")

    assert [apply_waiting(most=3) for _ in range(3)] == [0, 0, 1]
    assert receipt(sent) == "delivered"


WORDS = ("sent", "delivered", "undelivered")


@pytest.mark.parametrize("order", list(permutations(WORDS)), ids="-".join)
def test_calls_that_are_replayed_change_nothing(client: Client, sent: Sent, order: tuple[str, ...]) -> None:
    for word in order:
        assert call(client, "status", status(word, ErrorCode="30005"), query=callback(sent)) == 200
    before = (receipt(sent), sorted(written()), Suppression.objects.count())
    since = clock.now() - timedelta(days=1)

    assert [replay(since=since)["failed"] for _ in range(2)] == [0, 0]
    assert (receipt(sent), sorted(written()), Suppression.objects.count()) == before
    assert replay(since=since, account=sent.account.pk + 1) == {"applied": 0, "waiting": 0, "failed": 0}


def test_a_replay_restores_what_was_lost(client: Client, sent: Sent, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(client, "status", status("undelivered", ErrorCode="30005"), query=callback(sent)) == 200
    Suppression.objects.all().delete()
    Event.objects.all().delete()

    assert main(["replay", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"applied": 1, "waiting": 0, "failed": 0}
    assert (written(), Suppression.objects.count()) == ([("bounced", sent.delivery, "twilio")], 1)


def test_a_receipt_that_comes_before_our_commit_counts_once(client: Client, sent: Sent) -> None:
    known = Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery)
    known.update(state="planned")
    assert call(client, "status", status("delivered"), query=callback(sent)) == 200
    known.update(state="unknown")
    assert apply_waiting() == 1
    assert known.get().state == "accepted"
    assert (receipt(sent), written()) == ("delivered", [("delivered", sent.delivery, "twilio")])
    assert HookCall.objects.filter(applied_at=None).count() == 0


def test_a_number_that_does_not_exist_is_not_written_to_again(client: Client, sent: Sent) -> None:
    assert call(client, "status", status("undelivered", ErrorCode="30005"), query=callback(sent)) == 200
    assert receipt(sent) == "bounced"
    assert is_suppressed(sent.organisation, "sms", "+359888123456")
    sent.address.refresh_from_db()
    assert sent.address.state == "bouncing"


def test_a_delivery_of_another_organisation_is_not_touched(client: Client, sent: Sent) -> None:
    from outreach.core.models import Organisation

    sent.account.organisation = Organisation.objects.create(slug="varna", name={"bg": "Варна"})
    sent.account.save()
    assert call(client, "status", status("delivered"), query=callback(sent)) == 202
    assert receipt(sent) == ""


def inbound(text: str, sid: str = "SM5") -> dict[str, str]:
    return {"MessageSid": sid, "From": "+359888123456", "To": "+359700", "Body": text}


def test_a_reply_by_sms_is_matched_by_its_number_and_kept_once(client: Client, sent: Sent) -> None:
    for _ in range(2):
        assert call(client, "inbound", inbound("Благодаря! Къде да платя?")) == 200
    reply = Reply.objects.get()
    assert (reply.kind, reply.text, reply.delivery, reply.subscriber_id, reply.matched_by, reply.campaign_id) == (
        "reply",
        "Благодаря! Къде да платя?",
        sent.delivery,
        sent.subscriber.pk,
        "address",
        sent.run.campaign_id,
    )
    assert written() == [("replied", sent.delivery, "twilio")]


@pytest.mark.parametrize("text", ["STOP", "стоп", " Отпиши ме! ", "Stop."])
def test_stop_by_sms_holds_at_once(client: Client, sent: Sent, text: str) -> None:
    assert call(client, "inbound", inbound(text)) == 200
    assert Reply.objects.get().kind == "stop"
    assert is_suppressed(sent.organisation, "sms", "+359888123456")
    assert not sent.subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED).exists()


def test_stop_from_a_number_that_nobody_knows_holds_too(client: Client, sent: Sent) -> None:
    form = {**inbound("STOP"), "From": "+359888999999"}
    assert call(client, "inbound", form) == 200
    assert is_suppressed(sent.organisation, "sms", "+359888999999")
    assert Reply.objects.get().matched_by == ""


def test_postmark_logs_in_and_its_hard_bounce_ends_writing_to_the_address(client: Client, db: None) -> None:
    letter = make_sent()
    letter.account.adapter = "postmark"
    letter.account.sealed = seal({"hook_password": "open sesame"})
    letter.account.save()
    delivery = Delivery.objects.get(run_id=letter.run.pk, id=letter.delivery)
    bounce = {
        "RecordType": "Bounce",
        "ID": 42,
        "Type": "HardBounce",
        "Email": "ivana@example.bg",
        "BouncedAt": "2026-11-26T16:33:54.9070259Z",
        "Metadata": {"delivery": delivery.public_id},
    }

    def post(password: str) -> int:
        log_in = "Basic " + b64encode(f"outreach:{password}".encode()).decode()
        path = "/hooks/hook-key-of-plovdiv/events"
        answer = client.post(path, bounce, content_type="application/json", headers={"authorization": log_in})
        return answer.status_code

    assert (post("wrong"), HookCall.objects.count()) == (400, 0)
    assert (post("open sesame"), post("open sesame"), HookCall.objects.count()) == (200, 200, 1)
    delivery.refresh_from_db()
    assert delivery.receipt == "bounced"
    assert is_suppressed(letter.organisation, "email", "ivana@example.bg")
