from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from channels.base import Account, Message, OutcomeKind
from tests.channels.contract import Case, Recorded, Situation
from tests.channels.scripted import DROP, HTTP_TROUBLES, Http, Request, ScriptedPeer, running

POST_ID = "1346889436626259968"
KEYS = {
    "consumer_key": "the-consumer-key",
    "consumer_secret": "the-consumer-secret",
    "access_token": "1001-the-access-token",
    "access_token_secret": "the-access-token-secret",
}


def accept(request: Request) -> Http:
    if request.method == "GET":
        return Http(200, {"data": {"id": "1001", "name": "egov", "username": "egov"}})
    return Http(201, {"data": {"id": POST_ID, "text": "…"}})


def named(request: Request) -> str:
    return str(json.loads(request.body)["text"])


@contextmanager
def x_peer() -> Iterator[ScriptedPeer]:
    with running(ScriptedPeer(accept, recipient=named, provider="x")) as peer:
        settings = {**KEYS, "base_url": peer.url}
        peer.account = Account(id="8", adapter="x", name="X", settings=settings, allow_private=("127.0.0.0/8",))
        yield peer


def problem(status: int, detail: str, **headers: str) -> Http:
    body = {"title": "Said", "type": "about:blank", "status": status, "detail": detail}
    return Http(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def recorded(name: str, answer: Any, kind: OutcomeKind, reason: str, **more: Any) -> Recorded:
    return Recorded(name=name, answer=answer, kind=kind, reason=reason, **more)


DUPLICATE = "You are not allowed to create a Tweet with duplicate content."

CASE = Case(
    adapter="x",
    peer=x_peer,
    message=Message(id="m", to="", text="Новата услуга работи."),
    recorded=(
        recorded("accepts", Http(201, {"data": {"id": POST_ID, "text": "a"}}), OutcomeKind.ACCEPTED, ""),
        recorded("duplicate", problem(403, DUPLICATE), OutcomeKind.PERMANENT, "refused"),
        recorded("too-long", problem(403, "Your Tweet text is too long."), OutcomeKind.UNSUPPORTED, "unsupported"),
        recorded("bad-request", problem(400, "One or more parameters was invalid."), OutcomeKind.PERMANENT, "refused"),
        recorded("wrong-keys", problem(401, "Unauthorized"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("read-only", problem(403, "Your app may only read."), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("echo-of-the-keys", problem(401, " ".join(KEYS.values())), OutcomeKind.ACCOUNT, "account_problem"),
        recorded(
            "too-many",
            problem(429, "Too Many Requests", Retry_After="30"),
            OutcomeKind.TEMPORARY,
            "rate_limited",
            retry_after=30.0,
            scope="account",
        ),
        recorded(
            "limit-that-ended",
            problem(429, "Too Many Requests", x_rate_limit_reset="1700000000"),
            OutcomeKind.TEMPORARY,
            "rate_limited",
            retry_after=0.0,
            scope="account",
        ),
        recorded("unavailable", problem(503, "Over capacity"), OutcomeKind.TEMPORARY, "temporary", scope="account"),
        recorded("broken", Http(500, b"oops"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("dropped", DROP, OutcomeKind.UNKNOWN, "no_answer"),
        recorded("not-json", Http(201, b"<html>"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("without-id", Http(201, {"data": {}}), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("only-errors", Http(200, {"errors": [{"title": "?"}]}), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("number-as-id", Http(201, {"data": {"id": 5, "text": "a"}}), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("huge", Http(201, b" " * 2_000_000), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("redirect", Http(308, headers={"Location": "/"}), OutcomeKind.ACCOUNT, "account_problem"),
    ),
    troubles=HTTP_TROUBLES,
    impossible={Situation.PERMANENT: "a post for everybody names no recipient who could be unknown"},
    unsupported=(Message(id="empty", to="", text="  "),),
)
