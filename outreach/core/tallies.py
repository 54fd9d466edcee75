"""How often something was asked for in this hour or day, where only so many times are allowed: sign-ups, log-ins.

Each is counted by one statement that commits by itself: requests that come at once are counted one by one, and one that
fails later has counted, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from outreach.core import clock
from outreach.core.models import Tally
from outreach.core.secrets import mac

_COUNT: Final = """
INSERT INTO outreach_tally (key, since, count) VALUES (%(key)s, %(since)s, 1)
ON CONFLICT (key, since) DO UPDATE SET count = outreach_tally.count + 1 RETURNING count
"""


def count_one(kind: str, subject: str, *, per: timedelta) -> int:
    """Count one more of the subject in this hour or day of the clock; how many it is. Who it is, is not kept."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"key": _key(kind, subject), "since": _beginning(clock.now(), per)})
        return int(cursor.fetchone()[0])


def counted(kind: str, subject: str, *, per: timedelta) -> int:
    """How many there were so far."""
    kept = Tally.objects.filter(key=_key(kind, subject), since=_beginning(clock.now(), per))
    return kept.values_list("count", flat=True).first() or 0


def forget_tallies() -> int:
    """Delete what limits nobody any more; how many."""
    return Tally.objects.filter(since__lt=clock.now() - timedelta(days=2)).delete()[0]


def _key(kind: str, subject: str) -> str:
    return mac("tallies").digest(f"{kind}:{subject}".encode()).hex()[:32]


def _beginning(now: datetime, per: timedelta) -> datetime:
    return now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % per
