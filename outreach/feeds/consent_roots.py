"""The archive feed of the record of consents: each day's root, so that many hold what nobody can then make anew."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import override

from outreach.audience.consent_chain import ConsentDay
from outreach.audience.consent_proof import PUBLISHED_AS, public_key
from outreach.feeds.entries import MOST_ENTRIES, Entry, Feed

#: Who publishes it: the installation, not one of its organisations.
PUBLISHER: Final = "Outreach"


def read_roots(language: str) -> Feed:
    """The roots of the last days, newest first; one query."""
    with override(language):
        return Feed(
            slug=PUBLISHED_AS,
            title=_("Record of consents"),
            description=_(
                "The root of each day's consents. With it anybody can prove what was recorded then, and nobody can "
                "change it unseen. Key of our signatures: %(key)s"
            )
            % {"key": public_key()},
            publisher=PUBLISHER,
            language=language,
            entries=tuple(_entry(day, language) for day in ConsentDay.objects.order_by("-day")[:MOST_ENTRIES]),
        )


def _entry(day: ConsentDay, language: str) -> Entry:
    name, root, previous = day.day.isoformat(), bytes(day.root).hex(), bytes(day.previous).hex()
    blocks = f"{day.first_block}-{day.last_block}"
    text = _("Root of %(day)s: %(root)s\nBlocks: %(blocks)s\nRoot of the day before: %(previous)s") % {
        "day": name,
        "root": root,
        "blocks": blocks,
        "previous": previous,
    }
    return Entry(
        id=f"{PUBLISHED_AS}-{name}",
        title=f"{name}: {root}",
        html=format_html("<pre>{}</pre>", text),
        text=text,
        link=f"{settings.BASE_URL}/archive/{PUBLISHED_AS}?language={language}#d{name}",
        language=language,
        published=datetime.combine(day.day + timedelta(days=1), time(), UTC),
    )
