"""The entry for the reader's calendar that an e-mail may carry: read and checked; `delivery.calendar_part` writes it.

Its shape: `{title, start, end, timezone, place}`; `start` and `end` are local times of the zone, as 2026-04-14T09:30.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy as _

from schedules import zones

if TYPE_CHECKING:
    from outreach.campaigns.fields import Reader

KEYS: Final = dict.fromkeys(("title", "start", "end", "timezone", "place"), 0)
LONGEST_TITLE: Final = 200
LONGEST_PLACE: Final = 300
LONGEST: Final = timedelta(days=31)


def read_calendar(reader: Reader, value: Any, path: str) -> dict[str, str]:
    """The entry as it is kept; {} where there is none."""
    given = reader.mapping(value or {}, path, KEYS)
    if not any(given.values()):
        return {}
    zone = str(given.get("timezone") or reader.organisation.timezone)
    entry = {
        "title": reader.text(given.get("title") or "", f"{path}/title", longest=LONGEST_TITLE, required=True).strip(),
        "place": reader.text(given.get("place") or "", f"{path}/place", longest=LONGEST_PLACE).strip(),
        "timezone": reader.zone(zone, f"{path}/timezone"),
    }
    if f"{path}/timezone" in reader.problems:
        return {}
    start, end = (_local(reader, given.get(key), zone, f"{path}/{key}") for key in ("start", "end"))
    if start is None or end is None:
        return {}
    if not timedelta(0) < end - start <= LONGEST:
        reader.complain(f"{path}/end", _("It must end after it begins, and within 31 days."))
    return {**entry, "start": start.isoformat(timespec="minutes"), "end": end.isoformat(timespec="minutes")}


def _local(reader: Reader, value: Any, zone: str, path: str) -> datetime | None:
    """The local time in the zone, without an offset."""
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value or ""))
    except ValueError:
        reader.complain(path, _("This is not a time. Write it as 2026-04-14T09:30."))
        return None
    return (at if at.tzinfo is None else at.astimezone(zones.zone(zone))).replace(tzinfo=None, second=0, microsecond=0)
