from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.request_validator import RequestValidator

from outreach.sandbox.listener import Call, HttpPeer, Reply
from outreach.sandbox.phone import PhonePeer, count_segments, is_loopback
from tests.contract_checks import find_answer_faults
from tests.sandbox.conftest import Kept

SID = "AC" + "0a" * 16
AUTH = (SID, "token")
FORM = {"To": "+359881234567", "From": "+15005550006", "Body": "Новата услуга работи."}


class Listener(HttpPeer):
    """Whoever is called back."""

    def __init__(self, *statuses: int, leads_to: str = "") -> None:
        super().__init__(0)
        self._headers = {"Location": leads_to} if leads_to else {}
        self.calls: list[Call] = []
        self._statuses = list(statuses)
        self._changed = threading.Condition()

    def answer(self, call: Call) -> Reply:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
            return Reply(status=self._statuses.pop(0) if self._statuses else 204, headers=self._headers)

    def wait_for(self, count: int) -> list[dict[str, str]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= count, timeout=10)
        return [dict(parse_qsl(call.body.decode())) for call in self.calls]


def post(phone: PhonePeer, **changes: str) -> requests.Response:
    form = {name: value for name, value in (FORM | changes).items() if value}
    return requests.post(f"{phone.url}/2010-04-01/Accounts/{SID}/Messages.json", data=form, auth=AUTH, timeout=5)


def test_message_is_kept_before_it_is_answered(phone: PhonePeer, kept: Callable[[], list[Kept]]) -> None:
    answer = post(phone)
    assert answer.status_code == 201
    assert kept() == [
        Kept(
            channel="sms",
            recipient="+359881234567",
            sender="+15005550006",
            subject="",
            body="Новата услуга работи.",
            raw=bytes(str(answer.request.body), "ascii"),
            provider_id=answer.json()["sid"],
        )
    ]


def test_answers_are_as_twilio_documents_them(phone: PhonePeer, contracts: Path) -> None:
    created = post(phone, From="", MessagingServiceSid="MG" + "0b" * 16)
    base = f"{phone.url}/2010-04-01/Accounts/{SID}"
    shown = requests.get(f"{base}/Messages/{created.json()['sid']}.json", auth=AUTH, timeout=5)
    account = requests.get(f"{base}.json", auth=AUTH, timeout=5)
    assert [answer.status_code for answer in (created, shown, account)] == [201, 200, 200]
    assert [find_answer_faults(contracts, "twilio", answer) for answer in (created, shown, account)] == [[], [], []]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"To": "+359885550001"}, 400, 21211),
        ({"To": "+359885550002"}, 400, 21612),
        ({"To": "+359885550003"}, 400, 21408),
        ({"To": "+359885550004"}, 400, 21610),
        ({"To": "+359885550009"}, 400, 21614),
        ({"To": "ana@example.org"}, 400, 21211),
        ({"To": ""}, 400, 21604),
        ({"Body": ""}, 400, 21602),
        ({"From": ""}, 400, 21603),
        ({"Body": "я" * 1601}, 400, 21617),
    ],
)
def test_refusals_are_twilios(
    phone: PhonePeer, kept: Callable[[], list[Kept]], changes: dict[str, str], status: int, code: int
) -> None:
    answer = post(phone, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert kept() == []


def test_busy_number_asks_to_wait_the_first_time(phone: PhonePeer) -> None:
    first, second = (post(phone, To="+359885550429") for _ in range(2))
    assert (first.status_code, first.headers["Retry-After"], second.status_code) == (429, "1", 201)


def test_caller_without_credentials_is_refused(phone: PhonePeer) -> None:
    answer = requests.post(f"{phone.url}/2010-04-01/Accounts/{SID}/Messages.json", data=FORM, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize(
    ("to", "final"),
    [
        ("+359881234567", {"MessageStatus": "delivered"}),
        ("+359885553003", {"MessageStatus": "undelivered", "ErrorCode": "30003"}),
    ],
)
def test_statuses_are_called_back_in_order_and_signed(phone: PhonePeer, to: str, final: dict[str, str]) -> None:
    with Listener(503) as listener:
        url = f"{listener.url}/hooks/a-secret/status?delivery=7"
        sid = post(phone, To=to, StatusCallback=url).json()["sid"]
        forms = listener.wait_for(3)
    common = {"AccountSid": SID, "ApiVersion": "2010-04-01", "From": "+15005550006", "To": to}
    common |= {"MessageSid": sid, "SmsSid": sid}
    sent = common | {"MessageStatus": "sent", "SmsStatus": "sent"}
    assert forms == [sent, sent, common | final | {"SmsStatus": final["MessageStatus"]}]
    for call, form in zip(listener.calls, forms, strict=True):
        assert RequestValidator("token").validate(url, form, call.headers["x-twilio-signature"])


def test_other_machines_are_never_called(phone: PhonePeer) -> None:
    assert post(phone, StatusCallback="http://192.0.2.1/hook").status_code == 201
    assert is_loopback("http://127.0.0.1:8000/hooks/a/status")
    assert is_loopback("http://localhost/hooks")
    assert not is_loopback("http://192.0.2.1/")
    assert not is_loopback("http://127.0.0.1.example.org/")
    assert not is_loopback("file:///etc/passwd")
    assert not is_loopback("")


def test_receiver_leads_reports_nowhere_else(phone: PhonePeer) -> None:
    with Listener() as elsewhere, Listener(307, 302, leads_to=elsewhere.url) as receiver:
        assert post(phone, StatusCallback=f"{receiver.url}/status").status_code == 201
        forms = receiver.wait_for(2)  # the second report begins when nothing is left to do of the first
    assert [form["MessageStatus"] for form in forms] == ["sent", "delivered"]
    assert elsewhere.calls == []


def test_hundreds_of_messages_take_seconds(phone: PhonePeer, kept: Callable[[], list[Kept]]) -> None:
    def send_many(first: int) -> set[int]:
        with requests.Session() as session:
            url = f"{phone.url}/2010-04-01/Accounts/{SID}/Messages.json"
            numbers = (f"+3598800{first + n:05d}" for n in range(100))
            return {session.post(url, data=FORM | {"To": number}, auth=AUTH).status_code for number in numbers}

    started = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        statuses = set().union(*pool.map(send_many, range(0, 500, 100)))
    assert (statuses, len(kept())) == ({201}, 500)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("text", "segments"),
    [("a" * 160, 1), ("a" * 161, 2), ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("", 1), ("😀" * 35, 1)],
)
def test_segments_are_counted_as_networks_do(text: str, segments: int) -> None:
    assert count_segments(text) == segments


def test_message_that_cannot_be_kept_is_not_taken(phone: PhonePeer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        import psycopg

        raise psycopg.OperationalError("no database")

    monkeypatch.setattr(phone._store, "_write", fail)
    assert post(phone).status_code == 503
