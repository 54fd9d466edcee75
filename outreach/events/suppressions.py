"""Whom a provider does not write to any more, and whom we do not: each side learns the other's list, hour by hour.

A provider drops our message to such an address after it took it; what we know before is not sent at all. Only what
holds for all that the account sends is told to the provider: the lists of its organisation, of those above, of all.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.db import transaction
from django.db.models import Q

import channels
from channels.base import ChannelError, EventWord, ProviderEvent, Suppressing
from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Subscriber
from outreach.audience.subscriptions import unsubscribe
from outreach.audience.suppression import addresses_suppressed, suppress
from outreach.core import alerts, clock
from outreach.core.models import Account
from outreach.core.vocabulary import AccountState, SuppressionReason, SuppressionSource
from outreach.delivery.adapters import plain_account
from outreach.events.models import HookCall, SuppressionSync

logger = logging.getLogger(__name__)

#: The alert about an account whose lists cannot be compared.
UNSYNCED: Final = "suppressions_unsynced"
#: An account is looked at so often at most, also where two workers have the same task.
EVERY: Final = timedelta(minutes=50)
#: Clocks differ, and lists are not written at once.
OVERLAP: Final = timedelta(minutes=5)
#: What the provider does not find out by itself: it keeps its own count of bounces.
TOLD: Final = (SuppressionReason.COMPLAINT, SuppressionReason.STOP, SuppressionReason.MANUAL)
_TAKEN_AT_ONCE: Final = 500

_REASONS: Final = {
    EventWord.BOUNCED: SuppressionReason.HARD_BOUNCE,
    EventWord.COMPLAINED: SuppressionReason.COMPLAINT,
}


def sync_suppressions() -> int:
    """Compare lists with every account's provider that keeps one; answer how many entries were new to us.

    One account whose provider does not answer does not keep the others from it.
    """
    active = Account.objects.filter(state=AccountState.ACTIVE).select_related("organisation").order_by("pk")
    return sum(sync_account(account) for account in active if _keeps_list(account))


def _keeps_list(account: Account) -> bool:
    return isinstance(channels.find(account.adapter), Suppressing)


def sync_account(account: Account) -> int:
    """Tell the provider ours, then take its own, unless somebody does just now; done again, it changes nothing."""
    began = clock.now()
    sync, _is_new = SuppressionSync.objects.get_or_create(account=account)
    mine = SuppressionSync.objects.filter(Q(tried_at=None) | Q(tried_at__lt=began - EVERY), pk=sync.pk)
    if mine.update(tried_at=began) != 1:
        return 0
    try:
        _tell(account, sync, until=began)
        count = _take(account, sync.fetched_until)
    except ChannelError as err:
        logger.warning("lists cannot be compared", extra={"action": "suppressions.sync", "account": account.pk})
        alerts.raise_alert(
            UNSYNCED, account, organisation=account.organisation, name=account.name, trouble=err.detail[:300]
        )
        return 0
    SuppressionSync.objects.filter(pk=sync.pk).update(told_until=began, fetched_until=began - OVERLAP)
    alerts.resolve_alerts(account, UNSYNCED)
    return count


def _tell(account: Account, sync: SuppressionSync, *, until: datetime) -> None:
    adapter = channels.find(account.adapter)
    addresses = addresses_suppressed(
        account.organisation, account.channel, TOLD, since=sync.told_until and sync.told_until - OVERLAP, until=until
    )
    if addresses and isinstance(adapter, Suppressing):
        adapter.suppress(plain_account(account), addresses)


def _take(account: Account, since: datetime | None) -> int:
    adapter = channels.find(account.adapter)
    if not isinstance(adapter, Suppressing):
        return 0
    entries, count = iter(adapter.fetch_suppressed(plain_account(account), since)), 0
    while some := list(islice(entries, _TAKEN_AT_ONCE)):
        count += _apply_new(account, some)
    return count


@transaction.atomic
def _apply_new(account: Account, entries: list[ProviderEvent]) -> int:
    """Apply those that we did not know: who subscribed again since must not lose it to an old entry."""
    by_id = {entry.event_id: entry for entry in entries}
    known = set(HookCall.objects.filter(account=account, event_id__in=by_id).values_list("event_id", flat=True))
    fresh = [entry for id_, entry in by_id.items() if id_ not in known]
    HookCall.objects.bulk_create(
        [HookCall(account=account, event_id=entry.event_id, applied_at=clock.now()) for entry in fresh],
        ignore_conflicts=True,
    )
    return sum(_apply(account, entry) for entry in fresh)


def _apply(account: Account, entry: ProviderEvent) -> int:
    try:
        normalised = normalise(account.channel, entry.address)
    except BadAddress:
        return 0
    if entry.word in _REASONS:
        reason, source = _REASONS[entry.word], SuppressionSource.PROVIDER
        return int(suppress(account.organisation, account.channel, normalised, reason, source=source))
    holders = Subscriber.objects.filter(
        organisation__in=account.organisation.subtree(),
        addresses__channel=account.channel,
        addresses__normalised=normalised,
    )
    evidence = {"event": entry.event_id, "at": entry.at.isoformat() if entry.at else ""}
    ended = [
        unsubscribe(person, topics=None, channels=[account.channel], source=account.adapter, evidence=evidence)
        for person in holders
    ]
    return int(any(ended))
