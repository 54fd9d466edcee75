from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from channels.base import AccountProblem, EventWord, Inbound, Message, Outcome, OutcomeKind, ProviderEvent
from channels.x import X
from tests.channels.case_x import POST_ID, problem, x_peer
from tests.channels.scripted import Http
from tests.contract_checks import find_request_faults

MESSAGE = Message(id="dlv_8", to="", text="Новата услуга работи: https://example.org/c/a", in_reply_to="77")


def test_request_is_as_x_documents_it(contracts: Path) -> None:
    with x_peer() as peer, X().open(peer.account) as session:
        outcomes = list(session.send([MESSAGE]))
        (request,) = peer.requests
    assert outcomes == [Outcome(id="dlv_8", kind=OutcomeKind.ACCEPTED, provider_id=POST_ID)]
    assert (request.method, request.path) == ("POST", "/2/tweets")
    assert json.loads(request.body) == {"text": MESSAGE.text, "reply": {"in_reply_to_tweet_id": "77"}}
    assert request.headers["authorization"].startswith("OAuth ")
    assert 'oauth_signature_method="HMAC-SHA1"' in request.headers["authorization"]
    faults = find_request_faults(
        contracts, "x", method="POST", path=request.path, body=request.body, headers=request.headers
    )
    assert faults == []


ME = Http(200, {"data": {"id": "1001", "name": "egov", "username": "egov"}})
PAGE = Http(
    200,
    {
        "data": [
            {
                "id": "30",
                "text": "@egov как?",
                "author_id": "2002",
                "edit_history_tweet_ids": ["30"],
                "created_at": "2026-11-22T10:00:00.000Z",
                "referenced_tweets": [{"type": "quoted", "id": "9"}, {"type": "replied_to", "id": "10"}],
            },
        ],
        "includes": {"users": [{"id": "2002", "name": "Мария", "username": "maria"}]},
        "meta": {"result_count": 1, "next_token": "more"},
    },
)
OWN = {"id": "25", "text": "Продължение @egov", "author_id": "1001", "edit_history_tweet_ids": ["25"]}
MENTION = {"id": "20", "text": "Здравей @egov", "edit_history_tweet_ids": ["20"]}
LAST_PAGE = Http(200, {"data": [OWN, MENTION], "meta": {"result_count": 2}})


def test_replies_are_read_oldest_first_over_all_pages(contracts: Path) -> None:
    with x_peer() as peer:
        peer.answer(ME, PAGE, LAST_PAGE)
        events = X().fetch_replies(peer.account, "15")
        asked = [urlsplit(request.path) for request in peer.requests]
        faults = [
            find_request_faults(contracts, "x", method="GET", path=request.path, body=b"", headers={})
            for request in peer.requests
        ]
    assert faults == [[], [], []]
    assert events == [
        ProviderEvent(
            word=EventWord.REPLIED,
            event_id="20",
            provider_id="20",
            text="Здравей @egov",
            raw=MENTION,
        ),
        ProviderEvent(
            word=EventWord.REPLIED,
            event_id="30",
            provider_id="30",
            at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
            address="@maria",
            text="@egov как?",
            in_reply_to="10",
            raw=PAGE.body["data"][0],
        ),
    ]
    assert [url.path for url in asked] == ["/2/users/me", "/2/users/1001/mentions", "/2/users/1001/mentions"]
    assert [parse_qs(url.query).get("since_id") for url in asked] == [None, ["15"], ["15"]]
    assert parse_qs(asked[2].query)["pagination_token"] == ["more"]


def test_no_replies_are_no_events() -> None:
    with x_peer() as peer:
        peer.answer(ME, Http(200, {"meta": {"result_count": 0}}))
        assert X().fetch_replies(peer.account, "") == []


def test_refused_reading_is_an_error() -> None:
    with x_peer() as peer:
        peer.answer(problem(401, "Unauthorized"))
        with pytest.raises(AccountProblem):
            X().fetch_replies(peer.account, "")


def test_adapter_declares_that_replies_are_fetched() -> None:
    assert isinstance(X(), Inbound)
