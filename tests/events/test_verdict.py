from __future__ import annotations

import pytest

from outreach.core.vocabulary import EventKind, Verdict
from outreach.events.verdict import Judgement, judge

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.mark.parametrize(
    ("kind", "method", "headers", "expected"),
    [
        ("opened", "GET", {"user-agent": FIREFOX}, ("human", "")),
        ("clicked", "GET", {"user-agent": FIREFOX}, ("human", "")),
        ("opened", "GET", {"user-agent": IPHONE}, ("human", "")),
        ("opened", "GET", {"user-agent": GMAIL}, ("human", "image_proxy")),
        ("opened", "GET", {"user-agent": "YahooMailProxy; https://help.yahoo.com/kb/x.html"}, ("human", "image_proxy")),
        ("opened", "GET", {"user-agent": "Mozilla/5.0"}, ("uncertain", "privacy_proxy")),
        ("clicked", "GET", {"user-agent": "Mozilla/5.0"}, ("machine", "bare_user_agent")),
        ("clicked", "HEAD", {"user-agent": FIREFOX}, ("machine", "head")),
        ("opened", "GET", {}, ("machine", "no_user_agent")),
        ("clicked", "GET", {"user-agent": FIREFOX, "sec-purpose": "prefetch;prerender"}, ("machine", "prefetch")),
        ("clicked", "GET", {"user-agent": "Barracuda Sentinel (EE)"}, ("machine", "mail_scanner")),
        ("clicked", "GET", {"user-agent": "facebookexternalhit/1.1"}, ("machine", "link_preview")),
        ("clicked", "GET", {"user-agent": "Viber/13.0"}, ("machine", "link_preview")),
        ("clicked", "GET", {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, ("machine", "crawler")),
        ("clicked", "GET", {"user-agent": "python-requests/2.34"}, ("machine", "http_library")),
        ("clicked", "GET", {"user-agent": "curl/8.9"}, ("machine", "http_library")),
    ],
)
def test_judge_by_one_request(kind: str, method: str, headers: dict[str, str], expected: tuple[str, str]) -> None:
    found = judge(EventKind(kind), method=method, headers=headers)
    assert found == Judgement(Verdict(expected[0]), expected[1])


@pytest.mark.parametrize(
    ("agent", "how", "expected"),
    [
        (FIREFOX, {"is_hosted": True}, ("uncertain", "hosting_network")),
        (GMAIL, {"is_hosted": True}, ("human", "image_proxy")),
        ("curl/8.9", {"is_hosted": True}, ("machine", "http_library")),
        (FIREFOX, {"is_honeypot": True}, ("machine", "honeypot")),
    ],
)
def test_judge_by_where_it_came_from_and_what_it_asked_for(
    agent: str, how: dict[str, bool], expected: tuple[str, str]
) -> None:
    found = judge(EventKind.OPENED, method="GET", headers={"user-agent": agent}, **how)
    assert found == Judgement(Verdict(expected[0]), expected[1])
