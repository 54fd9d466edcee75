from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.campaigns.web_tags import TAGS, tagged

TAGGED = {"source": "plovdiv.bg", "medium": "{channel}", "campaign": "данъци 2026 & още"}
ADDED = "utm_source=plovdiv.bg&utm_medium=email&utm_campaign=" + (
    "%D0%B4%D0%B0%D0%BD%D1%8A%D1%86%D0%B8%202026%20%26%20%D0%BE%D1%89%D0%B5"
)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://portal.bg", f"https://portal.bg?{ADDED}"),
        ("https://portal.bg/a?b=1#c", f"https://portal.bg/a?b=1&{ADDED}#c"),
        ("https://portal.bg/#/route?x=1", f"https://portal.bg/?{ADDED}#/route?x=1"),
        ("https://portal.bg/?q=%2B+ж&&e", f"https://portal.bg/?q=%2B+ж&&e&{ADDED}"),
        (
            "https://portal.bg/?UTM_Source=own&utm_campaign=",
            "https://portal.bg/?UTM_Source=own&utm_campaign=&utm_medium=email",
        ),
        ("https://[broken/", "https://[broken/"),
    ],
)
def test_an_address_gets_the_tags_it_has_not_and_stays_itself(url: str, target: str) -> None:
    assert tagged(url, TAGGED, channel="email", language="bg") == target


@settings(max_examples=40, deadline=None)
@given(
    query=st.lists(st.tuples(st.text("abcж%+ ", max_size=4), st.text("abcж%+ ", max_size=4)), max_size=4),
    fragment=st.text("abcж?&=", max_size=6),
    tags=st.dictionaries(st.sampled_from(TAGS), st.text(min_size=1, max_size=12)),
)
def test_what_was_there_stays_and_tagging_twice_changes_nothing(
    query: list[tuple[str, str]], fragment: str, tags: dict[str, str]
) -> None:
    written = "&".join(f"{name}={value}" for name, value in query)
    url = f"https://portal.bg/path?{written}#{fragment}" if fragment else f"https://portal.bg/path?{written}"
    target = tagged(url, tags, channel="sms", language="en")
    parts = urlsplit(target)
    assert parts.query.startswith(urlsplit(url).query.removesuffix("&"))
    assert (parts.fragment, parts.path) == (fragment, "/path")
    assert {name for name, _ in parse_qsl(parts.query)} >= {f"utm_{tag}" for tag in tags}
    assert tagged(target, tags, channel="sms", language="en") == target
