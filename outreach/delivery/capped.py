"""How many messages the caps would hold back if the campaign left now. `delivery.caps` decides when it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from outreach.audience.selection import EVERYBODY, select_as_fanned_out
from outreach.core import clock
from outreach.delivery import queries

#: Of the messages that fan-out would write, those to an address that has under some cap as many as it allows.
_COUNT: Final = """
SELECT count(*) FROM chosen c JOIN outreach_address a ON a.id = c.address_id
WHERE c.state = 'planned' AND EXISTS (
    SELECT FROM unnest(%(cap_scopes)s::text[], %(cap_messages)s::int[], %(cap_since)s::float8[])
        AS cap (scope, messages, since)
    JOIN outreach_pressure p ON p.scope = cap.scope
    WHERE p.digest = a.digest AND cap.messages <= (
        SELECT count(*) FROM jsonb_array_elements(p.taken) AS one (message)
        WHERE (one.message ->> 1)::float8 > cap.since))
"""


def count_capped(frozen: Mapping[str, Any], *, organisation: int, ancestors: list[int]) -> int:
    """How many messages of the plan would be skipped as too many at this moment; one query where there is no cap."""
    with connection.cursor() as cursor:
        cursor.execute(queries.READ_CAPS, {"topics": frozen["topics"], "organisation": organisation})
        caps = cursor.fetchall()
        selection = select_as_fanned_out(frozen, ancestors=ancestors) if caps else None
        if selection is None:
            return 0
        now = clock.now()
        given = {
            "cap_scopes": [scope for scope, _messages, _days in caps],
            "cap_messages": [messages for _scope, messages, _days in caps],
            "cap_since": [(now - timedelta(days=days)).timestamp() for _scope, _messages, days in caps],
        }
        cursor.execute(selection.sql + _COUNT, selection.between(0, EVERYBODY) | given)
        return int(cursor.fetchone()[0])
