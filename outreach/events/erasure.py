"""What came back from a person who is erased: words, names and addresses go; that something came back stays."""

from __future__ import annotations

from django.db import connection
from django.db.models import Q

from outreach.audience.erasure import on_erase
from outreach.core import clock
from outreach.events.models import HookCall, Reply

#: Evidence quotes providers, who quote addresses. By the ledger's unique key, run by run: there is no other index.
FORGET_EVIDENCE = """
UPDATE outreach_attempt a SET detail = ''
FROM outreach_delivery d
WHERE d.run_id = ANY (ARRAY(SELECT id FROM outreach_run)) AND d.target = %s
  AND a.run_id = d.run_id AND a.delivery = d.id AND a.detail <> ''
"""


def forget_what_came_back(subscriber_id: int, addresses: list[tuple[str, str]]) -> None:
    """Empty the person's replies, the provider's words about the person, and call-backs that wait."""
    written = [normalised for _channel, normalised in addresses]
    mine = Q(subscriber=subscriber_id)
    for address in written:
        mine |= Q(sender__iexact=address)
    Reply.objects.filter(mine).update(sender="", subject="", text="", answer="")
    if written:
        # An applied call keeps only its key anyway; one that waits will find nobody.
        HookCall.objects.filter(applied_at=None, event__address__in=written).update(event={}, applied_at=clock.now())
    with connection.cursor() as cursor:
        cursor.execute(FORGET_EVIDENCE, [f"s:{subscriber_id}"])


def register() -> None:
    """Have erasures come by here; once, at start-up."""
    if forget_what_came_back not in on_erase:
        on_erase.append(forget_what_came_back)
