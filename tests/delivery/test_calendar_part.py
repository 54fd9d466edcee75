from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from icalendar import Calendar

from outreach.delivery.calendar_part import entry_of, told_when
from tests.delivery.letter import compiled, frozen
from tests.delivery.mails import CALENDAR, HTML, written

EXTRAS = {"calendar": CALENDAR}
CONTENT = {**EXTRAS, "written": "2026-11-27T08:00:00+00:00"}


def calendar_of(raw: bytes) -> tuple[Any, Any]:
    """The part and its event."""
    parsed: Any = message_from_bytes(raw, policy=policy.default)
    (part,) = (part for part in parsed.walk() if part.get_content_type() == "text/calendar")
    return part, Calendar.from_ical(part.get_content())


def test_the_e_mail_carries_an_entry_that_calendars_read() -> None:
    part, calendar = calendar_of(written(extras=EXTRAS).raw)
    (event,) = calendar.walk("VEVENT")
    assert (part.get_param("method"), part.get_filename(), calendar["METHOD"]) == ("PUBLISH", "event.ics", "PUBLISH")
    assert {key: str(event[key]) for key in ("UID", "SUMMARY", "LOCATION", "STATUS", "ORGANIZER")} == {
        "UID": "campaign-7@example.bg",
        "SUMMARY": "Ден на отворените врати",
        "LOCATION": "бул. „Княз Дондуков“ 1, зала 3",
        "STATUS": "CONFIRMED",
        "ORGANIZER": "mailto:news@example.bg",
    }
    assert event["DTSTART"].dt.astimezone(UTC) == datetime(2026, 12, 4, 8, 0, tzinfo=UTC)
    assert event["DTEND"].dt.astimezone(UTC) == datetime(2026, 12, 4, 10, 30, tzinfo=UTC)
    assert event["DTSTART"].params["TZID"] == "Europe/Sofia"
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Sofia"]
    # RFC 5546, 3.2.1: what is published asks nobody for an answer.
    assert "ATTENDEE" not in event


def test_every_recipient_gets_the_same_entry() -> None:
    assert written(extras=EXTRAS).parts == written(extras=EXTRAS).parts


def test_the_text_tells_of_it_too() -> None:
    message = written("Елате.", extras=EXTRAS)
    told = "петък, 4 декември 2026\u00a0г., 10:00–12:30 (Europe/Sofia)"
    assert f"Елате.\n\nДен на отворените врати\n{told}\nбул. „Княз Дондуков“ 1, зала 3\n" in message.text
    assert f"Ден на отворените врати</span><br>{told}<br>бул. „Княз Дондуков“ 1, зала 3" in message.html.replace(
        "&nbsp;", "\u00a0"
    )


def test_an_authors_document_carries_it_without_being_changed() -> None:
    message = written(HTML, format="html", extras=EXTRAS)
    assert "отворените врати" not in message.html
    assert calendar_of(message.raw)[1]["METHOD"] == "PUBLISH"


@pytest.mark.parametrize(
    ("end", "language", "expected"),
    [
        ("2026-12-04T12:30", "en", "Friday, 4 December 2026, 10:00–12:30 (Europe/Sofia)"),
        ("2026-12-05T12:30", "en", "Friday, 4 December 2026, 10:00 – Saturday, 5 December 2026, 12:30 (Europe/Sofia)"),
    ],
)
def test_when_is_told_in_the_readers_language(end: str, language: str, expected: str) -> None:
    entry = entry_of({**CONTENT, "calendar": {**CALENDAR, "end": end}}, 7)
    assert entry is not None
    assert told_when(entry, language) == expected


def test_a_notices_entry_is_known_by_what_it_says() -> None:
    one, other = entry_of(CONTENT, 0), entry_of({**CONTENT, "calendar": {**CALENDAR, "place": "Зала 4"}}, 0)
    assert one is not None
    assert other is not None
    assert one.uid.startswith("notice-")
    assert one.uid == getattr(entry_of(CONTENT, 0), "uid", "") != other.uid
    assert entry_of({}, 7) is None


def test_without_an_entry_nothing_is_attached() -> None:
    assert compiled(**{k: v for k, v in frozen().items() if k != "contents"}).contents()[0].source.entry is None
    assert written().parts == ()
