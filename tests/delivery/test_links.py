from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from outreach.core import clock
from outreach.delivery.tokens import HONEYPOT, Token, TokenKind, read

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


@pytest.fixture
def studio(db: None) -> Studio:
    from tests.campaigns.studio import Studio

    return Studio()


def test_every_click_link_of_a_message_leads_where_its_author_meant(
    studio: Studio, django_assert_num_queries: Any
) -> None:
    from outreach.campaigns.planning import create_run
    from outreach.delivery.links import compiled_run, links_of, url_of
    from outreach.delivery.render import Recipient

    studio.account()
    body = "[A](https://a.bg/?x=1&y=2) [B](https://b.bg/) [C]({{ service.url }})"
    campaign = studio.campaign(contents=[{"channel": "email", "language": "bg", "subject": "x", "body": body}])
    run = create_run(campaign, occurrence=clock.now(), actor=studio.publisher)
    compiled = compiled_run(run.pk)
    assert compiled is not None
    message = compiled.render(Recipient(delivery=1, channel="email", language="bg", to="a@example.org"))
    found = [read(token, TokenKind.CLICK) for token in re.findall(r"/c/([\w-]+)", message.html)]
    with django_assert_num_queries(0):
        urls = [url_of(token) for token in found if token and token.link != HONEYPOT]
    assert urls == ["https://a.bg/?x=1&y=2", "https://b.bg/", "https://card.example.bg/?a=1&b=2"]
    assert [link.url for link in links_of(run)] == urls


@pytest.mark.parametrize(
    ("url", "handed"),
    [
        ("https://card.example.bg", "https://card.example.bg?from=T"),
        ("https://CARD.example.bg/a?x=1#part", "https://CARD.example.bg/a?x=1&from=T#part"),
        ("https://card.example.bg.evil.example/", None),
        ("http://card.example.bg/", None),
        ("https://[broken", None),
    ],
)
def test_a_token_is_handed_on_to_the_very_host_that_asked(url: str, handed: str | None) -> None:
    from outreach.delivery.links import Target, parameter_for

    services = [{"url": "https://other.example/"}, {"url": "https://card.example.bg/x", "click_parameter": "from"}]
    parameter = parameter_for(services, url)
    assert (Target(url=url, parameter=parameter).for_click("T") if parameter else None) == handed


def test_what_is_not_there_leads_nowhere(studio: Studio) -> None:
    from outreach.campaigns.planning import create_run
    from outreach.delivery.links import url_of

    studio.account()
    run = create_run(studio.campaign(), occurrence=clock.now(), actor=studio.publisher)
    there: dict[str, Any] = {"kind": TokenKind.CLICK, "run": run.pk, "channel": "email", "language": "bg"}
    assert url_of(Token(**{**there, "link": 0})) == "https://card.example.bg/?a=1&b=2"
    changes: tuple[dict[str, Any], ...] = ({"run": 0}, {"link": 99}, {"channel": "sms"}, {"language": "en"})
    for change in changes:
        assert url_of(Token(**{**there, **change})) is None
