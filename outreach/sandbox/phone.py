"""The local phone: Twilio's Messages API as far as the product uses it, with signed status call-backs.

Any account SID with any token is let in; the token is what call-backs are signed with, as Twilio does. Numbers that end
in one of the digits below behave as Twilio's test numbers do; all others get their message.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import logging
import queue
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from twilio.request_validator import RequestValidator

from outreach.core.clock import now
from outreach.core.vocabulary import Channel
from outreach.sandbox.listener import Call, HttpPeer, Reply
from outreach.sandbox.store import Arrival, MessageStore

logger = logging.getLogger(__name__)

#: Refused at once: the number's last seven digits, the status, Twilio's code and words.
REFUSED: Final[Mapping[str, tuple[int, int, str]]] = {
    "5550001": (400, 21211, "The 'To' number {to} is not a valid phone number."),
    "5550002": (400, 21612, "The 'To' phone number {to} is not currently reachable via SMS."),
    "5550003": (400, 21408, "Permission to send an SMS has not been enabled for the region of {to}."),
    "5550004": (400, 21610, "Attempt to send to unsubscribed recipient {to}."),
    "5550009": (400, 21614, "'To' number {to} is not a mobile number."),
}
#: Refused the first time only.
BUSY_AT_FIRST: Final = "5550429"
#: Taken, and reported as not delivered afterwards: the status and the error code of the report.
NOT_DELIVERED: Final[Mapping[str, tuple[str, str]]] = {
    "5553003": ("undelivered", "30003"),
    "5553005": ("undelivered", "30005"),
    "5553007": ("failed", "30007"),
}

_MESSAGES: Final = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages\.json")
_MESSAGE: Final = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages/((?:SM|MM)[0-9a-fA-F]{32})\.json")
_ACCOUNT: Final = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})\.json")
_LONGEST_TEXT: Final = 1600
_GSM: Final = re.compile(r"[\x20-\x5f\x61-\x7e\n\r£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€]*")


class PhonePeer(HttpPeer):
    """Stands in for api.twilio.com. Calls back loopback addresses, and what lies under `base_url`."""

    def __init__(self, port: int, store: MessageStore, *, base_url: str = "") -> None:
        super().__init__(port)
        self._store = store
        self._base_url = base_url
        self._asked_before: set[str] = set()
        self._callbacks = Callbacks()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._callbacks.close()

    def answer(self, call: Call) -> Reply:
        token = _token(call)
        if not token:
            return _error(401, 20003, "Authenticate")
        if found := _MESSAGES.fullmatch(call.path):
            return self._send(call, found[1], token) if call.method == "POST" else _error(405, 20004, "Not allowed")
        if found := _MESSAGE.fullmatch(call.path):
            return self._show(*found.groups())
        if found := _ACCOUNT.fullmatch(call.path):
            return Reply(status=200, body=_account(found[1]))
        return _error(404, 20404, f"The requested resource {call.path} was not found")

    def _send(self, call: Call, sid: str, token: str) -> Reply:
        form = call.form()
        refused = _find_fault(form) or self._find_refusal(form["To"])
        if refused:
            return refused
        message = _message(sid, form)
        arrival = Arrival(
            channel=Channel.SMS.value,
            recipient=form["To"],
            sender=form.get("From") or form.get("MessagingServiceSid", ""),
            body=form["Body"],
            raw=call.body,
            provider_id=message["sid"],
        )
        self._store.keep(arrival).result()
        if self._may_call(form.get("StatusCallback", "")):
            self._callbacks.put(_reports(form["StatusCallback"], token, message))
        return Reply(status=201, body=message)

    def _find_refusal(self, to: str) -> Reply | None:
        ending = to[-7:]
        if ending in REFUSED:
            status, code, words = REFUSED[ending]
            return _error(status, code, words.format(to=to))
        if ending == BUSY_AT_FIRST and to not in self._asked_before:
            self._asked_before.add(to)
            return _error(429, 20429, "Too Many Requests", {"Retry-After": "1"})
        return None

    def _show(self, account: str, sid: str) -> Reply:
        rows = self._store.find(
            "SELECT recipient, sender, body FROM sandbox_message WHERE channel = 'sms' AND provider_id = %s", sid
        )
        if not rows:
            return _error(404, 20404, f"The requested resource {sid} was not found")
        to, sender, body = rows[0]
        return Reply(status=200, body=_message(account, {"To": to, "From": sender, "Body": body}, sid=sid))

    def _may_call(self, url: str) -> bool:
        is_ours = bool(self._base_url) and url.startswith(self._base_url.rstrip("/") + "/")
        return is_ours or is_loopback(url)


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine, by number or as localhost."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"


@dataclass(frozen=True, kw_only=True)
class StatusReport:
    """One status of one message, to be posted to its StatusCallback."""

    url: str
    token: str
    form: Mapping[str, str]


class Callbacks:
    """Posts status reports from a few threads; the reports of one message in their order, by one thread."""

    def __init__(self, threads: int = 4) -> None:
        self._waiting: queue.SimpleQueue[list[StatusReport]] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"callbacks-{n}", daemon=True) for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, reports: list[StatusReport]) -> None:
        self._waiting.put(reports)

    def close(self) -> None:
        """Stop at once; what was not reported stays unreported, as when a provider's call-back is lost."""
        self._closed.set()
        for _ in self._threads:
            self._waiting.put([])

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._closed.is_set():
                for report in self._waiting.get():
                    self._post(session, report)

    def _post(self, session: requests.Session, report: StatusReport) -> None:
        """Post one report; a receiver that is not up yet is tried again a few times."""
        signature = RequestValidator(report.token).compute_signature(report.url, dict(report.form))
        for pause in (0.5, 2.0, 5.0, 0.0):
            try:
                answer = session.post(
                    report.url,
                    data=report.form,
                    headers={"X-Twilio-Signature": signature},
                    timeout=10,
                    allow_redirects=False,  # where it would lead has not been looked at
                )
                if answer.status_code < 500:
                    return
            except requests.RequestException as err:
                logger.debug("A status report found nobody: %s", err)
            if self._closed.wait(pause):
                return


def _reports(url: str, token: str, message: Mapping[str, Any]) -> list[StatusReport]:
    final, code = NOT_DELIVERED.get(str(message["to"])[-7:], ("delivered", ""))
    common = {
        "AccountSid": message["account_sid"],
        "ApiVersion": message["api_version"],
        "From": message["from"] or "",
        "To": message["to"],
        "MessageSid": message["sid"],
        "SmsSid": message["sid"],
    }
    forms = [{"MessageStatus": "sent"}, {"MessageStatus": final} | ({"ErrorCode": code} if code else {})]
    return [
        StatusReport(url=url, token=token, form=common | form | {"SmsStatus": form["MessageStatus"]}) for form in forms
    ]


def _token(call: Call) -> str:
    """The password of HTTP's basic authentication; '' where there is none."""
    kind, _, encoded = call.headers.get("authorization", "").partition(" ")
    try:
        _, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return token if kind.lower() == "basic" else ""


def _find_fault(form: Mapping[str, str]) -> Reply | None:
    """What Twilio refuses before it looks whose number it is."""
    if not form.get("To"):
        return _error(400, 21604, "A 'To' phone number is required.")
    if not form.get("Body"):
        return _error(400, 21602, "Message body is required.")
    if not (form.get("From") or form.get("MessagingServiceSid")):
        return _error(400, 21603, "A 'From' phone number is required.")
    if len(form["Body"]) > _LONGEST_TEXT:
        return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", form["To"]):
        return _error(400, 21211, f"The 'To' number {form['To']} is not a valid phone number.")
    return None


def _error(status: int, code: int, words: str, headers: Mapping[str, str] | None = None) -> Reply:
    body = {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    return Reply(status=status, body=body, headers=headers or {})


def _message(account: str, form: Mapping[str, str], *, sid: str = "") -> dict[str, Any]:
    sid = sid or f"SM{uuid4().hex}"
    at = format_datetime(now())
    resource = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": form["Body"],
        "date_created": at,
        "date_sent": None,
        "date_updated": at,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From") or None,
        "messaging_service_sid": form.get("MessagingServiceSid") or None,
        "num_media": "0",
        "num_segments": str(count_segments(form["Body"])),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{resource}/Media.json"},
        "to": form["To"],
        "uri": f"{resource}.json",
    }


def count_segments(text: str) -> int:
    """How many SMS the text takes: GSM 7-bit where it can, UCS-2 where one letter needs it, as Cyrillic does."""
    if _GSM.fullmatch(text):
        length, single, part = len(text), 160, 153
    else:
        length, single, part = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= single else -(-length // part)


def _account(sid: str) -> dict[str, Any]:
    at = format_datetime(now())
    return {
        "sid": sid,
        "owner_account_sid": sid,
        "friendly_name": "Sandbox",
        "status": "active",
        "type": "Trial",
        "date_created": at,
        "date_updated": at,
        "uri": f"/2010-04-01/Accounts/{sid}.json",
        "subresource_uris": {"messages": f"/2010-04-01/Accounts/{sid}/Messages.json"},
    }
