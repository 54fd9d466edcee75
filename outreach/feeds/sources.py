"""Outside feeds that we read: each new item becomes a campaign draft for a manager to finish, never a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.utils.translation import gettext as _

from channels.addresses import check_host
from channels.base import AccountProblem, ChannelError
from channels.sources import Entry, Feed, read_source
from outreach.audience.models import Topic
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Campaign
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.audit import record
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Channel, Goal, Language, Permission
from outreach.feeds.models import Source, SourceItem

#: How often a feed is read; doubled with each failure in a row, up to a day.
EVERY: Final = timedelta(minutes=15)
LONGEST_WAIT: Final = timedelta(days=1)
#: While one worker reads a source, another leaves it alone for so long.
READING: Final = timedelta(minutes=5)


def add_source(actor: Actor, *, name: str, url: str, topic: Topic, language: str = Language.BULGARIAN) -> Source:
    """Read an outside feed from now on. What it holds today is taken as known, but for the newest item.

    Raises:
        Invalid: the URL is none, names a private network, or the feed is there already.
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    organisation = actor.organisation
    try:
        URLValidator(schemes=["http", "https"])(url)
    except ValidationError:
        raise Invalid({"url": [_("This is not the address of a feed. It begins with https://.")]}) from None
    _refuse_private(url)
    if Source.objects.filter(organisation=organisation, url=url).exists():
        raise Invalid({"url": [_("This feed is read already.")]})
    with transaction.atomic():
        source = Source.objects.create(
            organisation=organisation, name=name or url, url=url, topic=topic, language=language
        )
        record(actor, "source.added", source, topic=topic.slug)
    return source


def _refuse_private(url: str) -> None:
    """Refuse a private IP address at once; a name is judged at each reading, by what it stands for then."""
    target = urlsplit(url)
    host = target.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return
    try:
        check_host(host, target.port or {"http": 80}.get(target.scheme, 443), settings.ALLOW_PRIVATE)
    except AccountProblem as err:
        raise Invalid({"url": [err.detail]}) from err


def remove_source(actor: Actor, source: Source) -> None:
    """Stop reading a feed; the drafts it made stay."""
    actor.require(Permission.EDIT_CAMPAIGNS)
    with transaction.atomic():
        record(actor, "source.removed", source)
        source.delete()


def poll_sources() -> int:
    """Read every source that is due, each in turn; returns how many drafts were made."""
    due = (
        Source.objects.filter(is_active=True, next_at__lte=clock.now()).order_by("next_at").values_list("pk", flat=True)
    )
    return sum(read_due_source(source_id) for source_id in due[:100])


def read_due_source(source_id: int) -> int:
    """Claim one due source and read it; returns how many drafts were made. Somebody else's claim is left alone."""
    now = clock.now()
    claimed = Source.objects.filter(pk=source_id, next_at__lte=now).update(next_at=now + READING)
    if claimed != 1:
        return 0
    source = Source.objects.select_related("organisation", "topic").get(pk=source_id)
    try:
        feed = read_source(source.url, etag=source.etag, modified=source.modified, allow_private=settings.ALLOW_PRIVATE)
    except ChannelError as error:
        _keep_trouble(source, str(error))
        return 0
    with transaction.atomic():
        return _take(source, feed)


def next_reading(failures: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    doublings = min(failures, 10)
    return min(EVERY * (1 << doublings), LONGEST_WAIT)


def _keep_trouble(source: Source, trouble: str) -> None:
    failures = source.failures + 1
    Source.objects.filter(pk=source.pk).update(
        failures=failures, trouble=trouble[:500], read_at=clock.now(), next_at=clock.now() + next_reading(failures)
    )


def _take(source: Source, feed: Feed) -> int:
    """Keep what was read, with the drafts, in one transaction."""
    is_first = source.read_at is None and not source.items.exists()
    known = set(source.items.filter(guid__in=[entry.id for entry in feed.entries]).values_list("guid", flat=True))
    fresh = list({entry.id: entry for entry in feed.entries if entry.id not in known}.values())
    wanted = _newest(fresh) if is_first else fresh
    for entry in reversed(fresh):
        SourceItem.objects.create(
            source=source,
            guid=entry.id,
            title=entry.title,
            link=entry.link[:1000],
            campaign=_draft(source, entry) if entry in wanted else None,
        )
    failed = feed.status not in (0, 200, 304) or (not feed.entries and bool(feed.problems))
    source.failures = source.failures + 1 if failed else 0
    source.trouble = " ".join(feed.problems)[:500] if failed else ""
    source.etag, source.modified = feed.etag[:300], feed.modified[:100]
    source.read_at = clock.now()
    source.next_at = source.read_at + next_reading(source.failures)
    source.save()
    return len(wanted)


def _newest(entries: list[Entry]) -> list[Entry]:
    """The newest entry by date, else the first of the feed."""
    dated = [entry for entry in entries if entry.published]
    newest = max(dated, key=lambda entry: entry.published or clock.now()) if dated else next(iter(entries), None)
    return [newest] if newest else []


def _draft(source: Source, entry: Entry) -> Campaign:
    """A campaign draft by e-mail and feed that tells of the item and links to it."""
    campaign = create_campaign(product_itself(source.organisation), draft_data(source, entry))
    Campaign.objects.filter(pk=campaign.pk).update(source_link=entry.link[:1000])
    return campaign


def draft_data(source: Source, entry: Entry) -> Mapping[str, Any]:
    """The campaign, as the API would take it; foreign text cannot become a template expression."""
    title = without_expressions(entry.title) or source.name
    more = {Language.BULGARIAN: "Прочетете повече"}.get(Language(source.language), "Read more")
    parts = [without_expressions(entry.summary), f"[{more}]({without_expressions(entry.link)})" if entry.link else ""]
    body = "\n\n".join(part for part in parts if part)
    return {
        "name": title[:200],
        "goal": Goal.KNOWS.value,
        "audience": {"topics": [source.topic.slug]},
        "channels": {"mode": "all", "order": [Channel.EMAIL.value, Channel.FEED.value]},
        "contents": [
            {
                "channel": channel.value,
                "language": source.language,
                "format": "markdown",
                "subject": title[:300],
                "body": body,
            }
            for channel in (Channel.EMAIL, Channel.FEED)
        ],
    }


def without_expressions(text: str) -> str:
    """Foreign text with Jinja's delimiters broken, so that it is only text."""
    for opening in ("{{", "{%", "{#"):
        text = text.replace(opening, f"{opening[0]} {opening[1]}")
    return text
