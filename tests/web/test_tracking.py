from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from outreach.core.vocabulary import SubscriptionState
from outreach.delivery import links, tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events import optout
from outreach.events.ingest import Ingest
from outreach.events.journal import Journal
from outreach.events.models import Event
from outreach.web.outer import Outer
from outreach.web.tracking import tracker as tracker_module
from outreach.web.tracking.tracker import PIXEL, Tracker
from tests.events.conftest import Sent, make_sent

pytestmark = pytest.mark.django_db(transaction=True)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGE = "https://portal.example.bg/данъци?a=1"


@pytest.fixture
def sent() -> Sent:
    return make_sent()


@pytest.fixture
def outer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outer:
    monkeypatch.setattr(links, "url_of", lambda token: PAGE if token.link < 5 else None)
    ingest = Ingest(Journal(tmp_path / "journal"), opt_out=tracker_module._opt_out_later)
    return Outer(None, Tracker(ingest))


def token(sent: Sent, kind: TokenKind, **changes: Any) -> str:
    told = {"run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "language": "bg"}
    return tokens.make(Token(kind=kind, **{**told, **changes}))


def written() -> list[tuple[Any, ...]]:
    rows = Event.objects.order_by("at", "id")
    return list(rows.values_list("kind", "delivery", "link", "verdict", "reason", "source", "language"))


def wanted_topics(sent: Sent) -> list[str]:
    wanted = sent.subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    return sorted(wanted.values_list("topic__slug", flat=True))


def test_an_open_is_written_before_the_pixel_is_answered(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "GET", f"/o/{token(sent, TokenKind.OPEN)}", user_agent=FIREFOX)
    assert (got.status, got.body, got.headers["content-type"]) == (200, PIXEL, "image/gif")
    assert got.headers["cache-control"].startswith("no-store")
    assert written() == [("opened", sent.delivery, None, "human", "", "pixel", "bg")]


@pytest.mark.parametrize("text", ["", "nonsense", "%D0%B6", "A" * 500, "../../etc/passwd"])
def test_a_bad_pixel_token_still_gets_the_pixel(ask: Callable[..., Any], outer: Outer, text: str) -> None:
    got = ask(outer, "GET", f"/o/{text}", user_agent=FIREFOX)
    assert (got.status, got.body) == (200, PIXEL)
    assert written() == []


def test_a_click_leads_to_the_address_of_the_message(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "GET", f"/c/{token(sent, TokenKind.CLICK, link=2)}", user_agent=FIREFOX)
    quoted = "https://portal.example.bg/%D0%B4%D0%B0%D0%BD%D1%8A%D1%86%D0%B8?a=1"
    assert (got.status, got.headers["location"], got.body) == (302, quoted, b"")
    assert written() == [("clicked", sent.delivery, 2, "human", "", "redirect", "bg")]


def test_a_digest_s_link_is_counted_for_all_and_opens_the_reader_s_own_message(
    ask: Callable[..., Any], outer: Outer, sent: Sent
) -> None:
    click, view = token(sent, TokenKind.CLICK, link=2, delivery=0), token(sent, TokenKind.VIEW)
    got = ask(outer, "GET", f"/c/{click}?v={view}", user_agent=FIREFOX)
    assert (got.status, got.headers["location"].endswith(f"/v/{view}")) == (302, True)
    assert written() == [("clicked", None, 2, "human", "", "redirect", "bg")]
    forged = [f"v={click}", "v=https://evil.example", f"w=1&v={view}", "v=", ""]
    assert {tracker_module._own_view({"query_string": query.encode()}) for query in forged} == {None}


def test_the_link_that_nobody_sees_leads_nowhere_and_tells_a_machine(
    ask: Callable[..., Any], outer: Outer, sent: Sent
) -> None:
    got = ask(outer, "GET", f"/c/{token(sent, TokenKind.CLICK, link=tokens.HONEYPOT)}", user_agent=FIREFOX)
    assert (got.status, got.headers["content-type"], "location" in got.headers) == (
        200,
        "text/plain; charset=utf-8",
        False,
    )
    assert written() == [("clicked", sent.delivery, tokens.HONEYPOT, "machine", "honeypot", "redirect", "bg")]


@pytest.mark.parametrize("is_personal", [True, False])
def test_a_service_that_asks_gets_the_click_s_token(
    ask: Callable[..., Any], outer: Outer, sent: Sent, *, is_personal: bool
) -> None:
    asks = {"slug": "tax", "name": {}, "steps": {}, "url": "https://portal.example.bg/", "click_parameter": "from"}
    sent.run.frozen |= {"services": [asks]}
    sent.run.save()
    links.compiled_run.cache_clear()
    click = token(sent, TokenKind.CLICK, link=2, delivery=sent.delivery if is_personal else 0)
    got = ask(outer, "GET", f"/c/{click}", user_agent=FIREFOX)
    quoted = "https://portal.example.bg/%D0%B4%D0%B0%D0%BD%D1%8A%D1%86%D0%B8?a=1"
    assert got.headers["location"] == f"{quoted}&from={click}"
    assert [row[1] for row in written()] == [sent.delivery if is_personal else None]


def test_in_aggregate_a_click_names_nobody(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "GET", f"/c/{token(sent, TokenKind.CLICK, link=2, delivery=0)}", user_agent=FIREFOX)
    assert got.status == 302
    assert written() == [("clicked", None, 2, "human", "", "redirect", "bg")]


def test_head_is_a_machine_and_gets_no_body(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "HEAD", f"/o/{token(sent, TokenKind.OPEN)}", user_agent=FIREFOX)
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", str(len(PIXEL)))
    assert written() == [("opened", sent.delivery, None, "machine", "head", "pixel", "bg")]


@pytest.mark.parametrize("text", ["", "nonsense", "https://evil.example", "//evil.example"])
def test_there_is_no_open_redirect(ask: Callable[..., Any], outer: Outer, text: str) -> None:
    got = ask(outer, "GET", f"/c/{text}?url=https://evil.example", user_agent=FIREFOX, accept_language="bg")
    assert (got.status, "location" in got.headers) == (404, False)
    assert got.headers["content-language"] == "bg"
    assert written() == []


def test_a_token_of_another_kind_opens_nothing(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "GET", f"/c/{token(sent, TokenKind.OPEN)}", user_agent=FIREFOX)
    assert got.status == 404
    assert written() == []


def test_a_link_that_the_message_does_not_have(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "GET", f"/c/{token(sent, TokenKind.CLICK, link=9)}", user_agent=FIREFOX)
    assert got.status == 404
    assert written() == []


def test_a_click_while_the_database_is_away_asks_to_come_back(
    ask: Callable[..., Any], outer: Outer, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(token: Token) -> str:
        raise OperationalError

    monkeypatch.setattr(links, "url_of", away)
    got = ask(outer, "GET", f"/c/{token(sent, TokenKind.CLICK)}", user_agent=FIREFOX, accept_language="en")
    assert (got.status, got.headers["retry-after"]) == (503, "30")
    assert b"Please try again in a minute" in got.body


def test_one_click_unsubscribes_from_what_the_message_was_about(
    ask: Callable[..., Any], outer: Outer, sent: Sent
) -> None:
    for _ in range(2):
        url = f"/u/{token(sent, TokenKind.PERSON)}"
        got = ask(outer, "POST", url, body=b"List-Unsubscribe=One-Click")
        assert (got.status, got.body) == (200, b"You are unsubscribed.\n")
    assert wanted_topics(sent) == ["schools"]
    assert written() == [("unsubscribed", sent.delivery, None, "human", "topics", "one_click", "bg")]
    assert list(sent.subscriber.consents.values_list("action", "source", "topic__slug", "channel")) == [
        ("withdrawn", "one_click", "taxes", "email")
    ]


def test_one_click_while_the_database_is_away_is_kept(
    ask: Callable[..., Any], outer: Outer, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def away(token: Token) -> Any:
            raise OperationalError

        patch.setattr(optout, "find_person", away)
        got = ask(outer, "POST", f"/u/{token(sent, TokenKind.PERSON)}", body=b"List-Unsubscribe=One-Click")
    assert got.status == 200
    assert wanted_topics(sent) == ["schools", "taxes"]
    outer.tracker.ingest._replay()
    assert wanted_topics(sent) == ["schools"]


def test_one_click_with_a_bad_token_changes_nothing(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "POST", "/u/nonsense", body=b"List-Unsubscribe=One-Click")
    assert got.status == 404
    assert wanted_topics(sent) == ["schools", "taxes"]


def test_reading_a_link_changes_nothing(ask: Callable[..., Any], outer: Outer, sent: Sent) -> None:
    got = ask(outer, "GET", f"/u/{token(sent, TokenKind.PERSON)}")
    assert got.status == 404  # this outer application has no site behind it
    assert wanted_topics(sent) == ["schools", "taxes"]


def test_healthz_asks_nobody(ask: Callable[..., Any], outer: Outer) -> None:
    got = ask(outer, "GET", "/healthz")
    assert (got.status, got.body) == (200, b"ok\n")
