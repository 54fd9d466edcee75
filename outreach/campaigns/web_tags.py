"""UTM tags: what a campaign adds to the addresses of its links, so that other sites' statistics tell who comes by it.

Their shape: `{source, medium, campaign, term, content}`, each only where it is set. Where clicks are counted they stand
in the address that a click is led to, not in the message; nothing about a reader is in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from outreach.campaigns.fields import Reader

TAGS: Final = ("source", "medium", "campaign", "term", "content")
LONGEST_TAG: Final = 100


def read_tags(reader: Reader, value: Any, path: str) -> dict[str, str]:
    """The tags as they are kept; {} where there is none."""
    given = reader.mapping(value or {}, path, dict.fromkeys(TAGS, 0))
    tags = {tag: reader.text(given.get(tag) or "", f"{path}/{tag}", longest=LONGEST_TAG).strip() for tag in TAGS}
    for tag, text in tags.items():
        if not text.isprintable():
            reader.complain(f"{path}/{tag}", _("This must be one line."))
    return {tag: text for tag, text in tags.items() if text}


def tagged(url: str, tags: Mapping[str, str], *, channel: str, language: str) -> str:
    """The address with the tags that it has not yet; all else of it, its fragment too, stays as it was written."""
    if not tags:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # whoever follows it is told that it leads nowhere
    there = {name.lower() for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    added = [
        f"utm_{tag}={quote(_filled(tags[tag], channel, language), safe='')}"
        for tag in TAGS
        if tag in tags and f"utm_{tag}" not in there
    ]
    query = "&".join(filter(None, [parts.query.removesuffix("&"), *added]))
    return urlunsplit(parts._replace(query=query)) if added else url


def _filled(text: str, channel: str, language: str) -> str:
    return text.replace("{channel}", channel).replace("{language}", language)
