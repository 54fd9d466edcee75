from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

from twilio.request_validator import RequestValidator

from channels.base import Account, EventWord, Hook, Message, OutcomeKind, ProviderEvent
from tests.channels.contract import Case, Recorded, RecordedHook
from tests.channels.scripted import DROP, HTTP_TROUBLES, Http, Request, ScriptedPeer, running

SID, TOKEN = "AC" + "0a" * 16, "the-auth-token"
MESSAGE_SID = "SM" + "1b" * 16
URL = "https://outreach.example.org/hooks/secret/status?d=token"
ACCOUNT = Account(id="7", adapter="twilio", name="SMS", settings={"account_sid": SID, "auth_token": TOKEN})


def accept(request: Request) -> Http:
    if request.method == "GET":
        return Http(200, {"sid": SID, "status": "active"})
    return Http(201, {"sid": MESSAGE_SID, "status": "queued"})


def named(request: Request) -> str:
    return parse_qs(request.body.decode())["To"][0]


@contextmanager
def twilio_peer() -> Iterator[ScriptedPeer]:
    with running(ScriptedPeer(accept, recipient=named, provider="twilio")) as peer:
        settings = {"account_sid": SID, "auth_token": TOKEN, "sender": "+15005550006", "base_url": peer.url}
        peer.account = Account(id="7", adapter="twilio", name="SMS", settings=settings, allow_private=("127.0.0.0/8",))
        yield peer


def refused(status: int, code: int, words: str = "No", headers: Mapping[str, str] | None = None) -> Http:
    return Http(status, {"code": code, "message": words, "status": status}, headers or {})


def recorded(name: str, answer: Any, kind: OutcomeKind, reason: str, **more: Any) -> Recorded:
    return Recorded(name=name, answer=answer, kind=kind, reason=reason, **more)


def hook(kind: str, form: Mapping[str, str], *, url: str = URL) -> Hook:
    return Hook(
        kind=kind,
        url=url,
        body=urlencode(form).encode(),
        headers={"x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, dict(form))},
    )


def status_hook(status: str, word: EventWord, *, code: str = "", hard: bool | None = None, reason: str = "") -> Any:
    form = {"MessageSid": MESSAGE_SID, "MessageStatus": status, "To": "+359881234567"}
    form |= {"ErrorCode": code} if code else {}
    event = ProviderEvent(
        word=word,
        event_id=f"{MESSAGE_SID}:{status}",
        provider_id=MESSAGE_SID,
        hard=hard,
        reason=reason,
        address="+359881234567",
        raw=form,
    )
    return RecordedHook(name=status, account=ACCOUNT, hook=hook("status", form), events=(event,))


INBOUND = {"MessageSid": MESSAGE_SID, "From": "+359881234567", "To": "+15005550006", "Body": "СТОП & край"}
#: Twilio answered the word by itself (Advanced Opt-Out).
ANSWERED = {**INBOUND, "Body": "STOP", "OptOutType": "STOP"}
INBOUND_URL = "https://outreach.example.org/hooks/secret/inbound"

CASE = Case(
    adapter="twilio",
    peer=twilio_peer,
    message=Message(id="m", to="+359881234567", text="Новата услуга работи."),
    recorded=(
        recorded("accepts", Http(201, {"sid": MESSAGE_SID}), OutcomeKind.ACCEPTED, ""),
        recorded("invalid-number", refused(400, 21211), OutcomeKind.PERMANENT, "invalid_address"),
        recorded("not-a-mobile", refused(400, 21614), OutcomeKind.PERMANENT, "invalid_address"),
        recorded("stopped", refused(400, 21610), OutcomeKind.PERMANENT, "suppressed"),
        recorded("region", refused(400, 21408), OutcomeKind.PERMANENT, "policy"),
        recorded("too-long", refused(400, 21617), OutcomeKind.UNSUPPORTED, "unsupported"),
        recorded("foreign-sender", refused(400, 21606), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("to-ourselves", refused(400, 21266), OutcomeKind.PERMANENT, "invalid_address"),
        recorded("no-such-service", refused(400, 21701), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("service-without-a-sender", refused(400, 21704), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("code-we-do-not-know", refused(400, 29999), OutcomeKind.PERMANENT, "refused"),
        recorded("wrong-token", refused(401, 20003, f"Not {TOKEN}, {SID}"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("no-such-account", refused(404, 20404), OutcomeKind.ACCOUNT, "account_problem"),
        recorded(
            "too-many",
            refused(429, 20429, headers={"Retry-After": "7"}),
            OutcomeKind.TEMPORARY,
            "rate_limited",
            retry_after=7.0,
            scope="account",
        ),
        recorded("sender-queue-full", refused(400, 21611), OutcomeKind.TEMPORARY, "rate_limited", scope="account"),
        recorded("unavailable", Http(503, b"<html>"), OutcomeKind.TEMPORARY, "temporary", scope="account"),
        recorded("broken", refused(500, 20500), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("bad-gateway", Http(502, b"<html>"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("gateway-timeout", Http(504), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("dropped", DROP, OutcomeKind.UNKNOWN, "no_answer"),
        recorded("not-json", Http(201, b"<html>Thanks</html>"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("list", Http(201, []), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("without-id", Http(201, {"sid": None}), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("huge", Http(201, b" " * 2_000_000), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("redirect", Http(307, headers={"Location": "/"}), OutcomeKind.ACCOUNT, "account_problem"),
    ),
    troubles=HTTP_TROUBLES,
    unsupported=(Message(id="empty", to="+359881234567", text=" \n"),),
    hooks=(
        status_hook("queued", EventWord.ACCEPTED),
        status_hook("sent", EventWord.ACCEPTED),
        status_hook("delivered", EventWord.DELIVERED),
        status_hook("read", EventWord.READ),
        status_hook("undelivered", EventWord.BOUNCED, code="30005", hard=True, reason="unknown_recipient"),
        status_hook("failed", EventWord.REJECTED, code="30007", reason="policy"),
        status_hook("teleported", EventWord.UNKNOWN, code="1"),
        RecordedHook(
            name="inbound",
            account=ACCOUNT,
            hook=hook("inbound", INBOUND, url=INBOUND_URL),
            events=(
                ProviderEvent(
                    word=EventWord.REPLIED,
                    event_id=MESSAGE_SID,
                    provider_id=MESSAGE_SID,
                    address="+359881234567",
                    text="СТОП & край",
                    raw=INBOUND,
                ),
            ),
        ),
        RecordedHook(
            name="inbound-answered-by-twilio",
            account=ACCOUNT,
            hook=hook("inbound", ANSWERED, url=INBOUND_URL),
            events=(
                ProviderEvent(
                    word=EventWord.REPLIED,
                    event_id=MESSAGE_SID,
                    provider_id=MESSAGE_SID,
                    address="+359881234567",
                    text="STOP",
                    answered=True,
                    raw=ANSWERED,
                ),
            ),
        ),
    ),
)
