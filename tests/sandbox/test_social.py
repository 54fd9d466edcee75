from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1

from outreach.sandbox.social import SocialPeer, User, find_user, weighted_length
from tests.contract_checks import find_answer_faults
from tests.sandbox.conftest import Kept

EGOV = OAuth1("key", "secret", "1001-egov", "token secret")
MARIA = OAuth1("key", "secret", "2002-maria", "token secret")


def post(social: SocialPeer, who: OAuth1, text: str, *, answers: str = "") -> requests.Response:
    body: dict[str, Any] = {"text": text}
    if answers:
        body["reply"] = {"in_reply_to_tweet_id": answers}
    return requests.post(f"{social.url}/2/tweets", json=body, auth=who, timeout=5)


def get(social: SocialPeer, path: str, **query: str) -> requests.Response:
    return requests.get(f"{social.url}{path}", params=query, auth=EGOV, timeout=5)


def test_post_is_kept_before_it_is_answered(social: SocialPeer, kept: Callable[[], list[Kept]]) -> None:
    data = post(social, EGOV, "Новата услуга работи.").json()["data"]
    (row,) = kept()
    assert (row.channel, row.recipient, row.sender, row.body, row.provider_id) == (
        "social",
        "",
        "@egov",
        "Новата услуга работи.",
        data["id"],
    )
    assert json.loads(row.raw)["text"] == data["text"] == "Новата услуга работи."


def test_replies_are_found_by_mention_and_conversation(social: SocialPeer) -> None:
    first = post(social, EGOV, "Публикация").json()["data"]["id"]
    early = post(social, MARIA, "Благодаря", answers=first).json()["data"]["id"]
    late = post(social, MARIA, "Имам и въпрос", answers=early).json()["data"]["id"]
    mention = post(social, MARIA, "Питайте @egov").json()["data"]["id"]

    everything = get(social, "/2/users/1001/mentions").json()
    newer = get(social, "/2/users/1001/mentions", since_id=early).json()
    conversation = get(social, "/2/tweets/search/recent", query=f"conversation_id:{first}").json()

    assert [one["id"] for one in everything["data"]] == [mention, early]
    assert [one["id"] for one in newer["data"]] == [mention]
    assert [one["id"] for one in conversation["data"]] == [late, early, first]
    assert everything["data"][1]["referenced_posts"] == [{"type": "replied_to", "id": first}]
    assert everything["includes"] == {"users": [{"id": "2002", "name": "maria", "username": "maria"}]}
    assert get(social, "/2/users/1001/mentions", since_id=mention).json() == {"meta": {"result_count": 0}}


def test_answers_are_as_x_documents_them(social: SocialPeer, contracts: Path) -> None:
    created = post(social, EGOV, "Публикация")
    post(social, MARIA, "Благодаря", answers=created.json()["data"]["id"])
    answers = [
        created,
        get(social, "/2/users/me"),
        get(social, "/2/users/1001/mentions"),
        get(social, "/2/tweets/search/recent", query="to:egov"),
        get(social, f"/2/tweets/{created.json()['data']['id']}"),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200]
    assert [find_answer_faults(contracts, "x", answer) for answer in answers] == [[]] * 5


@pytest.mark.parametrize(
    ("text", "answers", "status"),
    [("", "", 400), ("  ", "", 400), ("я" * 281, "", 403), ("Отговор", "123", 403)],
)
def test_refusals_are_problems(
    social: SocialPeer, kept: Callable[[], list[Kept]], text: str, answers: str, status: int
) -> None:
    answer = post(social, EGOV, text, answers=answers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert kept() == []


def test_caller_without_oauth_is_refused(social: SocialPeer) -> None:
    assert requests.post(f"{social.url}/2/tweets", json={"text": "a"}, timeout=5).status_code == 401


def test_user_is_told_from_the_token() -> None:
    assert find_user('OAuth oauth_token="1001-egov", oauth_nonce="n"') == User(id="1001", name="egov")
    other = find_user('OAuth oauth_token="opaque"')
    assert other is not None
    assert other.id.isdigit()
    assert find_user('OAuth oauth_token="opaque"') == other
    assert find_user("Bearer abc") is None


@pytest.mark.parametrize(
    ("text", "length"),
    [("abc", 3), ("Здравей", 7), ("https://example.org/" + "a" * 200, 23), ("日本", 4), ("a https://e.org b", 27)],
)
def test_length_is_weighted_as_x_counts(text: str, length: int) -> None:
    assert weighted_length(text) == length
