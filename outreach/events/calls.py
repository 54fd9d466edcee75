"""What providers told us, kept as it came: each event once, with why it could not be applied where it could not.

Letters that cannot be taken in are kept here, too.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from django.db.models import F, QuerySet

from channels.base import EventWord, ProviderEvent
from outreach.core import alerts
from outreach.core.models import Account, Alert, Organisation
from outreach.events.models import HookCall
from outreach.events.storable import storable, storable_key, storable_text

logger = logging.getLogger(__name__)

#: The alert about an account of which something cannot be applied; its facts say how much and why.
NOT_APPLIED: Final = "calls_failed"
#: Times that one which fails is tried by itself; `outreach replay` tries it as often as it is asked to.
MOST_TRIES: Final = 10


def keep_events(account_id: int, told: Iterable[ProviderEvent]) -> tuple[list[int], int]:
    """Store what a provider told, for `hooks.apply_waiting`; the new rows, and how many were known before."""
    events = {storable_key(event.event_id, 200): event for event in told}
    known = set(HookCall.objects.filter(account=account_id, event_id__in=events).values_list("event_id", flat=True))
    HookCall.objects.bulk_create(
        [
            HookCall(account_id=account_id, event_id=event_id, event=as_json(event))
            for event_id, event in events.items()
            if event_id not in known
        ],
        ignore_conflicts=True,
    )
    fresh = HookCall.objects.filter(account=account_id, event_id__in=events.keys() - known, applied_at=None)
    return list(fresh.order_by("pk").values_list("pk", flat=True)), len(known)


def keep_failed(account: Account, event: ProviderEvent, error: Exception) -> None:
    """Keep what came without a call and cannot be taken in, with why: it is tried again like a call."""
    keep_events(account.pk, [event])
    note_failure(HookCall.objects.get(account=account, event_id=storable_key(event.event_id, 200)).pk, error)


def note_failure(pk: int, error: Exception) -> None:
    """Keep why a call could not be applied, and tell the operator; one that was applied before stays so."""
    logger.error("what came back cannot be taken in", exc_info=error, extra={"action": "hook.apply", "call": pk})
    calls = HookCall.objects.filter(pk=pk, applied_at=None)
    if calls.update(failures=F("failures") + 1, trouble=in_words(error)):
        tell_of(calls.select_related("account__organisation").get().account)


def in_words(error: Exception) -> str:
    """What went wrong, in one line that the database can keep."""
    said = " ".join(storable_text(str(error)[:1000]).split())
    return f"{type(error).__name__}: {said}"[:300] if said else type(error).__name__


def failed_calls() -> QuerySet[HookCall]:
    """Those that cannot be applied, of whichever account; the newest last."""
    return HookCall.objects.filter(applied_at=None, failures__gt=0).exclude(event={}).order_by("received_at", "pk")


def count_unread(organisation: Organisation) -> int:
    """Messages of people to the organisation and those below it that cannot be taken in."""
    unread = failed_calls().filter(event__word=EventWord.REPLIED)
    return unread.filter(account__organisation__path__startswith=organisation.path).count()


def tell_of(account: Account) -> None:
    """Raise the alert about an account's failed calls, or resolve it where none is left."""
    failed = failed_calls().filter(account=account)
    last = failed.last()
    if last is None:
        alerts.resolve_alerts(account, NOT_APPLIED)
        return
    facts = {"name": account.name, "count": failed.count(), "trouble": last.trouble}
    alerts.raise_alert(NOT_APPLIED, account, organisation=account.organisation, **facts)


def look_at_alerts() -> None:
    """Bring every open alert about failed calls up to date."""
    told = Alert.objects.filter(code=NOT_APPLIED, resolved_at=None).values_list("noun_id", flat=True)
    for account in Account.objects.select_related("organisation").filter(pk__in=[int(key) for key in told]):
        tell_of(account)


def as_json(event: ProviderEvent) -> dict[str, Any]:
    kept = {each.name: getattr(event, each.name) for each in fields(event)}
    return {
        **storable({**kept, "at": event.at.isoformat() if event.at else None, "mime": ""}),
        "mime": base64.b64encode(event.mime).decode(),
    }


def from_json(kept: Mapping[str, Any]) -> ProviderEvent:
    return ProviderEvent(
        **{
            **kept,
            "word": EventWord(kept["word"]),
            "at": datetime.fromisoformat(kept["at"]) if kept["at"] else None,
            "mime": base64.b64decode(kept["mime"]),
        }
    )
