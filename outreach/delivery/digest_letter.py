"""What a digest says: one text for all readers of a language, and for each of them the messages that theirs tells.

The texts run in the authors' sandbox, as those of campaigns do. Titles and beginnings are what the campaigns' own
messages say to nobody in particular; the link leads to the reader's own message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outreach.core.vocabulary import Channel, ContentFormat, Language
from outreach.delivery.templating import OWN_VIEW
from outreach.delivery.tokens import Series, TokenKind

#: Messages that an SMS names; the others stand on the page that it leads to.
MOST_IN_SMS: Final = 5
#: Characters of a title there.
SHORT_TITLE: Final = 50
WORDS: Final[dict[str, dict[str, str]]] = {
    "bg": {
        "more": "{title} и още {count}",
        "opening": "Събрахме новото по темите, за които искате едно общо съобщение.",
        "sms": "Ново за Вас ({count}):",
        "sms_more": "… и още {count}",
        "whole": "Всичко:",
    },
    "en": {
        "more": "{title} and {count} more",
        "opening": "Here is what is new on the topics for which you asked for one message together.",
        "sms": "New for you ({count}):",
        "sms_more": "… and {count} more",
        "whole": "All of it:",
    },
}

_EMAIL: Final = """<p>{{ data.opening }}</p>
{% for message in data.messages %}
<p class="topic">{{ message.topics }}</p>
<h2 class="of-topic"><a href="{{ message.url }}">{{ message.title }}</a></h2>
{% if message.summary %}
<p>{{ message.summary }}</p>
{% endif %}
{% endfor %}
"""
_SMS: Final = """{{ data.heading }}
{% for message in data.briefly %}{{ loop.index }}. {{ message.short }}
{% endfor %}{% if data.rest %}{{ data.rest }}
{% endif %}{{ data.whole }} {{ view_url }}"""


def contents(channel: str, account: int) -> list[dict[str, Any]]:
    """The texts of a digest on this channel; of an SMS also the page that it leads to, which is sent to nobody."""
    rows = [_email(language, account) for language in Language.values]
    if channel == Channel.SMS:
        rows += [{**_blank(Channel.SMS, language, account), "body": _SMS} for language in Language.values]
    return rows


def _email(language: str, account: int) -> dict[str, Any]:
    blank = _blank(Channel.EMAIL, language, account)
    return {**blank, "format": ContentFormat.HTML.value, "subject": "{{ data.subject }}", "body": _EMAIL} | {
        "preheader": "{{ data.preheader }}"
    }


def _blank(channel: Channel, language: str, account: int) -> dict[str, Any]:
    form = ContentFormat.TEXT.value
    return {
        "channel": channel.value, "language": language, "variant": "", "format": form, "subject": "", "account": account
    }  # fmt: skip


def digest_data(frozen: Mapping[str, Any], told: Mapping[str, Any], *, language: str, base_url: str) -> dict[str, Any]:
    """What the texts see of one reader's digest: `told` names the messages that it carries, as the window read them."""
    facts, words = frozen["digest"], WORDS[language]
    messages = [
        _message(facts["messages"][str(run)][language], facts, run=run, delivery=delivery, base_url=base_url)
        for run, delivery in told.get("carried", ())
        if str(run) in facts["messages"]
    ]
    titles = [message["title"] for message in messages]
    first, others = (titles[0] if titles else ""), len(titles) - 1
    unnamed = len(messages) - MOST_IN_SMS
    return {
        "messages": messages,
        "opening": words["opening"],
        "subject": words["more"].format(title=first, count=others) if others > 0 else first,
        "preheader": " · ".join(titles[1:]) or (messages[0]["summary"] if messages else ""),
        "heading": words["sms"].format(count=len(messages)),
        "briefly": messages[:MOST_IN_SMS],
        "rest": words["sms_more"].format(count=unnamed) if unnamed > 0 else "",
        "whole": words["whole"],
    }


def _message(
    said: Mapping[str, Any], facts: Mapping[str, Any], *, run: int, delivery: int, base_url: str
) -> dict[str, Any]:
    """One message of a digest. Its link is counted for all readers together, and opens the reader's own message."""
    series = Series(TokenKind.VIEW, run=run, channel=facts["channel"], language=said["language"])
    view = series.make(delivery)[0]
    page = said["page"]
    title = said["title"]
    short = title if len(title) <= SHORT_TITLE else title[: SHORT_TITLE - 1].rstrip() + "…"
    url = f"{page}{OWN_VIEW}{view}" if page else f"{base_url}/v/{view}"
    return {"title": title, "short": short, "summary": said["summary"], "topics": said["topics"], "url": url}
