"""Call-backs that are made to break whoever applies them: each stands by itself, and ends in a state with a reason."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from twilio.request_validator import RequestValidator

from outreach.cli import main
from outreach.core import clock
from outreach.core.models import Alert, Organisation
from outreach.core.secrets import seal
from outreach.delivery.models import Delivery
from outreach.events import hooks
from outreach.events.calls import MOST_TRIES
from outreach.events.hooks import apply_waiting
from outreach.events.models import Event, HookCall, Reply
from outreach.events.replaying import replay
from outreach.management import doctor
from outreach.web.console.alerts import waiting_alerts
from tests.channels.case_sendgrid import PUBLIC_KEY, multipart, sign
from tests.events.conftest import Sent, make_sent
from tests.events.test_hostile_mail import nested

pytestmark = pytest.mark.django_db

AUTH = "the account's auth token"


@pytest.fixture
def sent(db: None) -> Sent:
    sent = make_sent()
    sent.account.settings = {"event_public_key": PUBLIC_KEY}
    sent.account.save()
    return sent


def post(client: Client, body: str | bytes) -> int:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    path = "/hooks/hook-key-of-plovdiv/events"
    return client.post(path, raw, content_type="application/json", headers=sign(raw)).status_code


def one(sent: Sent, name: str, event: str = "delivered", **more: Any) -> str:
    delivery = Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).public_id
    return json.dumps({"event": event, "sg_event_id": name, "delivery": delivery, **more})


def states() -> dict[str, tuple[bool, int]]:
    """Whether each call was applied, and how often it failed."""
    rows = HookCall.objects.order_by("pk").values_list("event_id", "applied_at", "failures")
    return {event_id[:8]: (applied_at is not None, failures) for event_id, applied_at, failures in rows}


def kinds() -> list[str]:
    return sorted(Event.objects.values_list("kind", flat=True))


DEEP = "[" * 10_000 + "]" * 10_000
#: What a member of an event is, as JSON, that PostgreSQL or Python may choke on.
POISONS = {
    "NUL": r'"a\u0000b"',
    "half a character": r'"\ud800"',
    "infinity": "1e999",
    "not a number": "NaN",
    "a number": "42",
    "a huge number": "9" * 4_000,
    "a number without end": "9" * 100_000,
    "nested": DEEP,
    "a list": '["a", {"b": null}]',
    "nothing": "null",
    "far future": "99999999999",
    "before time": "-1",
    "long": '"' + "x" * 300_000 + '"',
    "quotation": r'"a\"}},{\\"',
}
MEMBERS = ("event", "sg_event_id", "sg_message_id", "timestamp", "reason", "email", "url", "useragent", "type", "other")


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS.keys())
def test_one_poisoned_event_keeps_no_other_of_its_batch(client: Client, sent: Sent, poison: str) -> None:
    poisoned = [
        one(sent, f"p-{number}", kind)[:-1] + f', "{member}": {poison}}}'
        for number, member in enumerate(MEMBERS)
        for kind in ("bounce", "click", "delivered")
    ]
    body = ",".join([one(sent, "first"), *poisoned, one(sent, "last", "open")])

    assert post(client, f"[{body}]") in {200, 202}
    assert {name: states()[name] for name in ("first", "last")} == {"first": (True, 0), "last": (True, 0)}
    assert [state for state in states().values() if state[1]] == []
    assert {"delivered", "opened"} <= set(kinds())
    now = clock.now()
    assert not Event.objects.exclude(at__range=(now - timedelta(days=91), now + timedelta(hours=1))).exists()
    assert (post(client, f"[{body}]"), replay(since=now - timedelta(days=1))["failed"]) == (200, 0)
    assert HookCall.objects.filter(event__reason="unreadable").exists() is (poison in {DEEP, "9" * 100_000})


def test_an_event_of_another_organisation_and_a_member_unknown_wait_and_touch_nothing(
    client: Client, sent: Sent
) -> None:
    sent.run.organisation = Organisation.objects.create(slug="varna", name={"bg": "Варна"})
    sent.run.save()
    assert post(client, f"[{one(sent, 'foreign')}, {one(sent, 'odd', 'exploded')}]") == 202
    assert (states(), kinds()) == ({"foreign": (False, 0), "odd": (False, 0)}, [])


def test_what_waits_in_vain_ends_in_words(client: Client, sent: Sent) -> None:
    assert post(client, '[{"event": "delivered", "sg_event_id": "foreign"}]') == 202
    old = clock.now() - timedelta(days=8)
    HookCall.objects.update(received_at=old, next_try_at=old)

    assert (apply_waiting(), HookCall.objects.get().trouble) == (0, "no_message")
    HookCall.objects.update(next_try_at=old)
    assert (apply_waiting(), HookCall.objects.get().next_try_at) == (0, old)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Whoever reads of a bounce breaks."""
    real = hooks._apply

    def apply(call: HookCall, event: Any, delivery: Delivery) -> None:
        if event.word == "bounced":
            Event.objects.create(at=clock.now(), id=1, kind="bounced")  # is undone
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed \0")
        real(call, event, delivery)

    monkeypatch.setattr(hooks, "_apply", apply)
    return monkeypatch


def test_one_that_breaks_us_is_kept_with_the_reason_and_replayed(
    client: Client, sent: Sent, broken: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = ",".join([one(sent, "poison", "bounce"), one(sent, "second"), one(sent, "third", "open")])
    assert [post(client, f"[{body}]") for _ in range(2)] == [202, 200]
    assert (states(), kinds()) == (
        {"poison": (False, 1), "second": (True, 0), "third": (True, 0)},
        ["delivered", "opened"],
    )
    reason = "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"
    assert HookCall.objects.get(event_id="poison").trouble == reason

    [row] = waiting_alerts(Alert.objects.filter(resolved_at=None))
    assert (row.title, reason in row.text) == (
        "Some of what came back to “Account” cannot be taken in: 1",
        True,
    )
    [finding] = doctor._not_taken_in()
    assert (reason in finding.what, f"replay --account {sent.account.pk} --since" in finding.remedy) == (True, True)
    assert "outreach_hook_calls_failed 1.0" in client.get("/metrics").content.decode()

    assert main(["replay", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"applied": 1, "waiting": 0, "failed": 1}
    broken.undo()
    assert main(["replay"]) == 0
    assert (states()["poison"], HookCall.objects.get(event_id="poison").trouble) == ((True, 2), "")
    assert (kinds(), Alert.objects.filter(resolved_at=None).count()) == (["bounced", "delivered", "opened"], 0)


def test_it_is_tried_by_itself_but_not_for_ever_and_those_behind_it_are_applied(
    client: Client, sent: Sent, broken: pytest.MonkeyPatch
) -> None:
    known = Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery)
    known.update(state="planned")  # still in hand
    assert post(client, f"[{one(sent, 'poison', 'bounce')}, {one(sent, 'second')}]") == 202
    known.update(state="accepted")

    applied = []
    for _ in range(MOST_TRIES + 2):
        HookCall.objects.update(next_try_at=clock.now() - timedelta(minutes=1))
        applied.append(apply_waiting(most=2))
    assert applied == [1, *[0] * (MOST_TRIES + 1)]
    assert states() == {"poison": (False, MOST_TRIES), "second": (True, 0)}


def test_a_database_that_goes_away_is_nobodys_failure(
    client: Client, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_given: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(hooks, "_apply", away)
        with pytest.raises(OperationalError):
            post(client, f"[{one(sent, 'first')}]")
    assert states() == {"first": (False, 0)}
    assert post(client, f"[{one(sent, 'first')}]") == 200
    HookCall.objects.update(next_try_at=clock.now() - timedelta(minutes=1))
    assert (apply_waiting(), states()) == (1, {"first": (True, 0)})


TEXTS = ["", "\0", "\ud800", "9" * 5_000, "x" * 100_000, "1e999", "Ж\u202e\ufeff", "%00%FF", "+" * 500, "-" * 5_000]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_form_of_twilio_breaks_us(client: Client, text: str) -> None:
    sent = make_sent(channel="sms")
    sent.account.sealed = seal({"auth_token": AUTH})
    sent.account.save()
    good = {"MessageSid": "provider-1", "MessageStatus": "delivered", "To": "+359888123456"}
    told = {"MessageSid": "SM5", "From": "+359888123456", "Body": "Благодаря"}

    def call(kind: str, form: dict[str, str]) -> int:
        path = f"/hooks/hook-key-of-plovdiv/{kind}"
        body = "&".join(f"{quote_plus(k)}={quote_plus(v, errors='surrogatepass')}" for k, v in form.items())
        read = {k: v.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for k, v in form.items()}
        signature = RequestValidator(AUTH).compute_signature(f"{settings.BASE_URL}{path}", read)
        kind_ = "application/x-www-form-urlencoded"
        return client.post(path, body, content_type=kind_, headers={"x-twilio-signature": signature}).status_code

    for name in [*good, "ErrorCode", "More"]:
        assert call("status", {**good, "MessageSid": "SM9", name: text}) in {200, 202}
    for name in [*told, "OptOutType", "More"]:
        assert call("inbound", {**told, name: text, "N": name}) in {200, 202}
    assert (call("status", good), call("inbound", {**told, "MessageSid": "SM6"})) in {(200, 200), (202, 200)}
    assert Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt == "delivered"
    assert (HookCall.objects.filter(failures__gt=0).count(), Reply.objects.filter(external_id="SM6").count()) == (0, 1)


@pytest.mark.parametrize(
    "body",
    [DEEP, '{"a": ' + DEEP + "}", '{"ID": ' + "9" * 10_000 + "}", b"\xff\xfe{", "{", '{"RecordType": "Bounce"']
    + [f'{{"RecordType": "Bounce", "Type": {each}, "ID": {each}, "Metadata": {each}, "BouncedAt": {each}}}'
       for each in (*POISONS.values(), '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"')],
)  # fmt: skip
def test_no_body_of_postmark_breaks_us(client: Client, body: str | bytes) -> None:
    sent = make_sent()
    sent.account.adapter = "postmark"
    sent.account.sealed = seal({"hook_password": "open sesame"})
    sent.account.save()
    log_in = "Basic " + b64encode(b"outreach:open sesame").decode()
    path = "/hooks/hook-key-of-plovdiv/"
    for kind in ("events", "inbound"):
        answer = client.post(path + kind, body, content_type="application/json", headers={"authorization": log_in})
        assert answer.status_code in {200, 202}
    assert HookCall.objects.filter(failures__gt=0).count() == 0


@pytest.mark.parametrize("hostile", ["[" * 20_000, "(" * 20_000, "a:" * 10_000, "\0\ud800", ""], ids=range(5))
def test_no_letter_of_inbound_parse_breaks_us(client: Client, sent: Sent, hostile: str) -> None:
    octets = hostile.encode("utf-8", "surrogatepass")
    letters = {
        "head": b"From: " + octets + b"\r\nSubject: x\r\n\r\nHello",
        "nested": nested(1_000),
        "good": b"From: ivana@example.bg\r\n\r\nAnd mine?",
    }
    for mime in letters.values():
        body, content_type = multipart({"from": octets, "subject": octets, "email": mime})
        path = "/hooks/hook-key-of-plovdiv/inbound"
        answer = client.post(path, body, content_type=content_type, headers=sign(body))
        assert answer.status_code == 200
    assert list(Reply.objects.order_by("pk").values_list("kind", "text"))[-1] == ("reply", "And mine?")
    assert (Reply.objects.count(), HookCall.objects.filter(failures__gt=0).count()) == (3, 0)
