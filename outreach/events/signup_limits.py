"""How many sign-up forms a network may send, and how many e-mails an address gets by them.

Each is counted before anything else is done, by one statement that commits by itself: forms that come at once are
counted one by one, and one that fails later has counted, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from outreach.audience.pending import SignUpTally
from outreach.core import clock
from outreach.core.secrets import mac

_COUNT: Final = """
INSERT INTO outreach_signuptally (key, since, count) VALUES (%(key)s, %(since)s, 1)
ON CONFLICT (key, since) DO UPDATE SET count = outreach_signuptally.count + 1 RETURNING count
"""


def count_one(kind: str, subject: str, *, per: timedelta) -> int:
    """Count one more of the subject in this hour or day of the clock; how many it is. Who it is, is not kept."""
    key = mac("sign-up-limits").digest(f"{kind}:{subject}".encode()).hex()[:32]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"key": key, "since": _beginning(clock.now(), per)})
        return int(cursor.fetchone()[0])


def _beginning(now: datetime, per: timedelta) -> datetime:
    return now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % per


def forget_tallies() -> int:
    """Delete what limits nobody any more; how many."""
    return SignUpTally.objects.filter(since__lt=clock.now() - timedelta(days=2)).delete()[0]
