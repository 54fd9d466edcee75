"""The entry for the reader's calendar: as a part of the e-mail (RFC 5545, RFC 6047), and told in its text.

The method is always PUBLISH: a campaign or a notice tells of an event. REQUEST would make mail programs ask each reader
for an answer and send it to us (RFC 5546, 3.2.2), where it would stand among the replies of people who wrote some.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, Final

from babel.dates import format_date
from icalendar import Calendar, Event, vCalAddress, vText

from channels.base import Part
from schedules import zones

MEDIA_TYPE: Final = "text/calendar; charset=utf-8; method=PUBLISH"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event; hashable, as part of what compiling is remembered by."""

    title: str
    #: Local times of the zone.
    start: datetime
    end: datetime
    timezone: str
    place: str
    #: The part before the @ of its id: an event told twice, or in two languages, is one event.
    uid: str
    written: datetime


def entry_of(content: Mapping[str, Any], campaign_id: int) -> Entry | None:
    """The entry of a frozen content, if it has one."""
    calendar = content.get("calendar")
    if not calendar:
        return None
    told = "\n".join(f"{key}={calendar[key]}" for key in sorted(calendar))
    own = f"campaign-{campaign_id}" if campaign_id else f"notice-{hashlib.sha256(told.encode()).hexdigest()[:20]}"
    return Entry(
        title=calendar["title"],
        start=datetime.fromisoformat(calendar["start"]),
        end=datetime.fromisoformat(calendar["end"]),
        timezone=calendar["timezone"],
        place=calendar.get("place", ""),
        uid=own,
        written=datetime.fromisoformat(content["written"]),
    )


def calendar_part(entry: Entry, *, host: str, organiser: str, organisation: str) -> Part:
    """The entry as a file that calendars of all makers read; the same bytes each time."""
    calendar, event = Calendar(), Event()
    calendar.add("PRODID", "-//Outreach//Outreach//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("METHOD", "PUBLISH")
    zone = zones.zone(entry.timezone)
    event.add("UID", f"{entry.uid}@{host}")
    event.add("DTSTAMP", entry.written.astimezone(UTC))
    event.add("DTSTART", entry.start.replace(tzinfo=zone))
    event.add("DTEND", entry.end.replace(tzinfo=zone))
    event.add("SUMMARY", entry.title)
    if entry.place:
        event.add("LOCATION", entry.place)
    event.add("SEQUENCE", 0)
    event.add("STATUS", "CONFIRMED")
    address = vCalAddress(f"mailto:{parseaddr(organiser)[1] or f'nobody@{host}'}")
    address.params["CN"] = vText(organisation)
    event.add("ORGANIZER", address)
    calendar.add_component(event)
    calendar.add_missing_timezones()
    return Part(name="event.ics", media_type=MEDIA_TYPE, data=calendar.to_ical())


def told_when(entry: Entry, language: str) -> str:
    """When it is, for a reader of the language: "Friday, 4 December 2026, 10:00–12:30 (Europe/Sofia)"."""
    first, last = (_day(day, language) for day in (entry.start, entry.end))
    begins, ends = entry.start.strftime("%H:%M"), entry.end.strftime("%H:%M")
    if entry.start.date() == entry.end.date():
        return f"{first}, {begins}–{ends} ({entry.timezone})"
    return f"{first}, {begins} – {last}, {ends} ({entry.timezone})"


def _day(day: datetime, language: str) -> str:
    # Babel's "en" is American; a council in Europe puts the day before the month.
    told = str(format_date(day, "full", locale="en_GB" if language == "en" else language))
    return told.replace("\u202f", "\u00a0")  # a narrow space that old fonts draw as a box
