"""Reads a campaign's JSON into a checked draft: every bad field becomes a sentence at its path, all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from django.db.models import Model, Q, QuerySet, TextChoices
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Segment, Topic
from outreach.audience.segments import usable_segments
from outreach.campaigns.calendar_entry import read_calendar
from outreach.campaigns.models import Service
from outreach.campaigns.senders import usable_accounts
from outreach.campaigns.web_tags import read_tags
from outreach.core.errors import Invalid
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import (
    Channel,
    ChannelMode,
    ContentFormat,
    Goal,
    Language,
    Pictures,
    SubscriberKind,
    Tracking,
)
from schedules import zones

MOST_CONTENTS: Final = 60
LONGEST_BODY: Final = 200_000
LONGEST_PREHEADER: Final = 200
LARGEST_HOLDOUT: Final = 0.5
#: Days after its message within which a use may count for a campaign.
LONGEST_ATTRIBUTION: Final = 365
#: Minutes without a receipt that may be waited for: two days.
LONGEST_SILENCE: Final = 2880


@dataclass(frozen=True, kw_only=True)
class ContentDraft:
    """One content as it was written."""

    channel: str
    language: str
    variant: str
    format: str
    subject: str
    body: str
    account: Account | None
    preheader: str = ""
    #: `campaigns.calendar_entry` holds its shape; {} for none.
    calendar: dict[str, str] = field(default_factory=dict)
    pictures: str = Pictures.HOSTED

    @property
    def key(self) -> tuple[str, str, str]:
        return self.channel, self.language, self.variant


@dataclass(kw_only=True)
class Draft:
    """What was given, checked; what was not given is absent or None."""

    #: Columns of Campaign.
    columns: dict[str, Any] = field(default_factory=dict)
    topics: list[Topic] | None = None
    excluded_topics: list[Topic] | None = None
    excluded_segments: list[Segment] | None = None
    services: list[Service] | None = None
    contents: list[ContentDraft] | None = None


class Reader:
    """One pass over the JSON, collecting what is wrong by path."""

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self.problems: dict[str, list[Any]] = {}

    def complain(self, path: str, message: Any) -> None:
        self.problems.setdefault(path, []).append(message)

    def mapping(self, value: Any, path: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """The value as an object with no unknown keys."""
        if not isinstance(value, Mapping):
            self.complain(path, _("This must be an object."))
            return {}
        for key in value:
            if key not in known:
                self.complain(f"{path}/{key}" if path else str(key), _unknown(str(key), known))
        return value

    def items(self, value: Any, path: str) -> list[Any]:
        if isinstance(value, list | tuple):
            return list(value)
        self.complain(path, _("This must be a list."))
        return []

    def text(self, value: Any, path: str, *, longest: int, required: bool = False) -> str:
        if not isinstance(value, str):
            self.complain(path, _("This must be text."))
            return ""
        if required and not value.strip():
            self.complain(path, _("This must not be empty."))
        if len(value) > longest:
            self.complain(path, _("This is too long: at most %(most)s characters.") % {"most": longest})
        if "\0" in value:
            self.complain(path, _("This holds a character that cannot be kept (NUL)."))
        return value

    def choice(self, value: Any, path: str, words: type[TextChoices]) -> str:
        if value in words.values:
            return str(value)
        self.complain(path, _unknown(str(value), words.values))
        return ""

    def choices(self, value: Any, path: str, words: type[TextChoices]) -> list[str]:
        chosen = [self.choice(item, f"{path}/{n}", words) for n, item in enumerate(self.items(value, path))]
        return list(dict.fromkeys(word for word in chosen if word))

    def time(self, value: Any, path: str) -> datetime | None:
        if value is None:
            return None
        try:
            at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self.complain(path, _("This is not a time. Write it as 2026-04-14T09:30:00+03:00."))
            return None
        if at.tzinfo is None:
            self.complain(path, _("The time has no offset. Write it as 2026-04-14T09:30:00+03:00."))
            return None
        if not zones.is_of_our_time(at):
            self.complain(path, _("This time lies too far away: years from 1900 to 8999 can be kept."))
            return None
        return at

    def zone(self, value: Any, path: str) -> str:
        try:
            zones.zone(str(value))
        except zones.UnknownZone as err:
            self.complain(path, _unknown_zone(err))
        return str(value)

    def flag(self, value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            self.complain(path, _("Write true or false."))
        return value is True

    def number(self, value: Any, path: str, *, least: float, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.complain(path, _("This must be a number from %(least)s to %(most)s.") % {"least": least, "most": most})
            return least
        return float(value)

    def by_slug(self, value: Any, path: str, rows: QuerySet[Any]) -> list[Any]:
        """The rows of these slugs, in the order given."""
        slugs = [str(slug) for slug in self.items(value, path)]
        found: dict[str, Model] = {row.slug: row for row in rows.filter(slug__in=slugs)}
        for position, slug in enumerate(slugs):
            if slug not in found:
                known = rows.values_list("slug", flat=True)[:1000]
                self.complain(f"{path}/{position}", _unknown(slug, list(known)))
        return [found[slug] for slug in dict.fromkeys(slugs) if slug in found]


def read_campaign(data: Mapping[str, Any], organisation: Organisation, *, is_new: bool) -> Draft:
    """Check a campaign's JSON for an organisation that will own it.

    Raises:
        Invalid: with every bad field, by path (`contents/0/body`).
    """
    reader, draft = Reader(organisation), Draft()
    given = reader.mapping(data, "", PARTS)
    if is_new and "name" not in given:
        reader.complain("name", _("A campaign needs a name."))
    for key, read in PARTS.items():
        if key in given:
            read(reader, given[key], draft)
    if reader.problems:
        raise Invalid(reader.problems)
    return draft


def read_content(data: Mapping[str, Any], organisation: Organisation) -> ContentDraft:
    """Check one content by itself, as the editor saves it; its paths have no prefix.

    Raises:
        Invalid: with every bad field.
    """
    reader = Reader(organisation)
    content = _content(reader, data, "")
    if reader.problems:
        raise Invalid(reader.problems)
    return content


def usable_topics(organisation: Organisation) -> QuerySet[Topic]:
    """Topics of the organisation's subtree and of the nodes above it."""
    return Topic.objects.filter(
        Q(organisation__path__startswith=organisation.path) | Q(organisation__in=organisation.ancestor_ids())
    )


def usable_services(organisation: Organisation) -> QuerySet[Service]:
    """The catalogue of the whole tree: any e-service of the administration may be promoted."""
    return Service.objects.filter(organisation__path__startswith=f"{organisation.path.split('/', 1)[0]}/")


def _name(reader: Reader, value: Any, draft: Draft) -> None:
    draft.columns["name"] = reader.text(value, "name", longest=200, required=True).strip()


def _goal(reader: Reader, value: Any, draft: Draft) -> None:
    draft.columns["goal"] = reader.choice(value, "goal", Goal)


def _tracking(reader: Reader, value: Any, draft: Draft) -> None:
    draft.columns["tracking"] = reader.choice(value, "tracking", Tracking)


def _utm(reader: Reader, value: Any, draft: Draft) -> None:
    draft.columns["utm"] = read_tags(reader, value, "utm")


def _attribution(reader: Reader, value: Any, draft: Draft) -> None:
    days = reader.number(value, "attribution_days", least=1, most=LONGEST_ATTRIBUTION)
    if days % 1:
        reader.complain("attribution_days", _("Write whole days."))
    draft.columns["attribution_days"] = int(days)


AUDIENCE_KEYS: Final = dict.fromkeys(("topics", "exclude", "kinds", "segment", "exclude_segments"), 0)


def _audience(reader: Reader, value: Any, draft: Draft) -> None:
    given = reader.mapping(value, "audience", AUDIENCE_KEYS)
    topics = usable_topics(reader.organisation)
    if "topics" in given:
        draft.topics = reader.by_slug(given["topics"], "audience/topics", topics)
    if "exclude" in given:
        draft.excluded_topics = reader.by_slug(given["exclude"] or [], "audience/exclude", topics)
    if "kinds" in given:
        draft.columns["kinds"] = reader.choices(given["kinds"] or [], "audience/kinds", SubscriberKind)
    if "segment" in given:
        draft.columns["segment"] = _segment(reader, given["segment"], "audience/segment")
    if "exclude_segments" in given:
        items = reader.items(given["exclude_segments"] or [], "audience/exclude_segments")
        found = [_segment(reader, item, f"audience/exclude_segments/{place}") for place, item in enumerate(items)]
        draft.excluded_segments = [segment for segment in dict.fromkeys(found) if segment]


def _segment(reader: Reader, value: Any, path: str) -> Segment | None:
    if value is None or value == "":
        return None
    segment = usable_segments(reader.organisation).filter(pk=_key(value)).first()
    if segment is None:
        reader.complain(path, _("There is no such segment."))
    return segment


def _channels(reader: Reader, value: Any, draft: Draft) -> None:
    given = reader.mapping(value, "channels", {"mode": 0, "order": 0, "fallback": 0, "fallback_after": 0})
    if "mode" in given:
        draft.columns["channel_mode"] = reader.choice(given["mode"], "channels/mode", ChannelMode)
    if "order" in given:
        draft.columns["channels"] = reader.choices(given["order"], "channels/order", Channel)
    if "fallback" in given:
        draft.columns["fallback"] = reader.flag(given["fallback"], "channels/fallback")
    if "fallback_after" in given:
        draft.columns["fallback_after"] = _minutes(reader, given["fallback_after"], "channels/fallback_after")


def _minutes(reader: Reader, value: Any, path: str) -> int | None:
    if value is None:
        return None
    return int(reader.number(value, path, least=1, most=LONGEST_SILENCE))


def _schedule(reader: Reader, value: Any, draft: Draft) -> None:
    known = {"at": 0, "timezone": 0, "not_after": 0, "pressing": 0, "recurrence": 0, "window": 0}
    given = reader.mapping(value or {}, "schedule", known)
    for key, column in {"at": "starts_at", "not_after": "not_after"}.items():
        if key in given:
            draft.columns[column] = reader.time(given[key], f"schedule/{key}")
    if "pressing" in given:
        draft.columns["is_pressing"] = reader.flag(given["pressing"], "schedule/pressing")
    if given.get("timezone"):
        draft.columns["timezone"] = reader.zone(given["timezone"], "schedule/timezone")
    _refuse(reader, given, "recurrence", "schedule/recurrence", _("A campaign is sent once; clone it to send again."))
    _refuse(reader, given, "window", "schedule/window", _("Set the time with “at” and “not_after”."))


def _experiment(reader: Reader, value: Any, draft: Draft) -> None:
    given = reader.mapping(value or {}, "experiment", {"holdout": 0, "allocation": 0})
    if "holdout" in given:
        draft.columns["holdout"] = reader.number(
            given["holdout"] or 0, "experiment/holdout", least=0, most=LARGEST_HOLDOUT
        )
    if given.get("allocation", "even") not in {"even", None}:
        reader.complain("experiment/allocation", _("Variants are shared out evenly: write “even”."))


def _services(reader: Reader, value: Any, draft: Draft) -> None:
    draft.services = reader.by_slug(value or [], "services", usable_services(reader.organisation))


def _contents(reader: Reader, value: Any, draft: Draft) -> None:
    items = reader.items(value, "contents")
    if len(items) > MOST_CONTENTS:
        reader.complain("contents", _("These are too many: at most %(most)s.") % {"most": MOST_CONTENTS})
        return
    draft.contents = [_content(reader, item, f"contents/{position}") for position, item in enumerate(items)]
    seen: dict[tuple[str, str, str], int] = {}
    for position, content in enumerate(draft.contents):
        if seen.setdefault(content.key, position) != position:
            reader.complain(f"contents/{position}", _("There is already a message for this channel and language."))


#: What only an e-mail has.
OF_EMAIL: Final = ("preheader", "calendar")
CONTENT_KEYS: Final = dict.fromkeys(
    ("channel", "language", "variant", "format", "subject", "body", "account", "media", "pictures", *OF_EMAIL), 0
)


def _content(reader: Reader, value: Any, path: str) -> ContentDraft:
    given = reader.mapping(value, path, CONTENT_KEYS)
    at = f"{path}/" if path else ""
    channel = reader.choice(given.get("channel"), f"{at}channel", Channel)
    default_format = ContentFormat.TEXT if channel in {Channel.SMS, Channel.SOCIAL} else ContentFormat.MARKDOWN
    _refuse(reader, given, "media", f"{at}media", _("Put pictures into the text by their address."))
    for key in OF_EMAIL if channel not in {"", Channel.EMAIL} else ():
        _refuse(reader, given, key, f"{at}{key}", _("Only an e-mail has this."))
    return ContentDraft(
        channel=channel,
        language=reader.choice(given.get("language"), f"{at}language", Language),
        variant=reader.text(given.get("variant") or "", f"{at}variant", longest=20),
        format=reader.choice(given.get("format") or default_format, f"{at}format", ContentFormat),
        subject=reader.text(given.get("subject") or "", f"{at}subject", longest=300),
        body=reader.text(given.get("body") or "", f"{at}body", longest=LONGEST_BODY),
        account=_account(reader, given.get("account"), channel, f"{at}account"),
        preheader=reader.text(given.get("preheader") or "", f"{at}preheader", longest=LONGEST_PREHEADER),
        calendar=read_calendar(reader, given.get("calendar"), f"{at}calendar"),
        pictures=reader.choice(given.get("pictures") or Pictures.HOSTED, f"{at}pictures", Pictures),
    )


def _account(reader: Reader, value: Any, channel: str, path: str) -> Account | None:
    if value in {None, ""}:
        return None
    account = usable_accounts(reader.organisation).filter(pk=_key(value)).first()
    if account is None:
        reader.complain(path, _("There is no such account."))
    elif channel and account.channel != channel:
        reader.complain(path, _("This account does not serve this channel."))
    return account


def _key(value: Any) -> int:
    """The key that a public id stands for; 0 for none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _refuse(reader: Reader, given: Mapping[str, Any], key: str, path: str, message: Any) -> None:
    if given.get(key):
        reader.complain(path, message)


def _organisation(reader: Reader, value: Any, draft: Draft) -> None:
    """Chosen by the caller before anything else is read; nothing is left to do."""


def _unknown(word: str, known: Any) -> Any:
    options = [str(option) for option in known]
    close = get_close_matches(word, options, n=1)
    if close:
        return _("There is no “%(word)s”. Did you mean “%(close)s”?") % {"word": word[:60], "close": close[0]}
    if 0 < len(options) <= 20:
        return _("There is no “%(word)s”. There are: %(known)s.") % {"word": word[:60], "known": ", ".join(options)}
    return _("There is no “%(word)s”.") % {"word": word[:60]}


def _unknown_zone(err: zones.UnknownZone) -> Any:
    if err.suggestion:
        return _("There is no time zone “%(name)s”. Did you mean “%(close)s”?") % {
            "name": err.name[:60],
            "close": err.suggestion,
        }
    return _("There is no time zone “%(name)s”. Write one such as Europe/Sofia.") % {"name": err.name[:60]}


#: Each part of the JSON and its reader, in order.
PARTS: Final[dict[str, Callable[[Reader, Any, Draft], None]]] = {
    "organisation": _organisation,
    "name": _name,
    "goal": _goal,
    "audience": _audience,
    "channels": _channels,
    "contents": _contents,
    "schedule": _schedule,
    "experiment": _experiment,
    "tracking": _tracking,
    "utm": _utm,
    "attribution_days": _attribution,
    "services": _services,
}
