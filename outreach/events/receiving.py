"""What comes over a provider's session instead of a call: receipts and messages by SMPP. Kept first, then confirmed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from django.db import Error as DatabaseTrouble
from django.db import transaction

import channels
from channels.base import ChannelError, ProviderEvent, Receiving
from outreach.core import alerts
from outreach.core.models import Account
from outreach.core.vocabulary import AccountState
from outreach.delivery.adapters import plain_account, register_inbox
from outreach.events.calls import keep_events
from outreach.events.hooks import apply_waiting
from outreach.events.polling import UNREADABLE, alone

logger = logging.getLogger(__name__)

#: Longest that one account is listened to before the next one's turn.
SECONDS: Final = 20.0


def register() -> None:
    """Have what comes in while messages are sent kept here."""
    register_inbox(_keep)


def receive_all() -> int:
    """Listen to every account whose provider waits for us; answer how many receipts and messages there were.

    One account that cannot be reached does not keep the others from it.
    """
    names = [name for name in channels.names() if isinstance(channels.get(name), Receiving)]
    active = Account.objects.filter(state=AccountState.ACTIVE, adapter__in=names).select_related("organisation")
    count = sum(receive_account(account) for account in active.order_by("pk"))
    if count:
        apply_waiting()
    return count


def receive_account(account: Account) -> int:
    """Listen to one account, unless somebody does just now."""
    adapter = channels.find(account.adapter)
    if not isinstance(adapter, Receiving):
        return 0
    with alone(account) as is_alone:
        if not is_alone:
            return 0
        try:
            count = adapter.receive(plain_account(account), partial(_keep, account.pk), seconds=SECONDS)
        except ChannelError as err:
            logger.warning("an account cannot be listened to", extra={"action": "receive", "account": account.pk})
            trouble = err.detail[:300]
            alerts.raise_alert(
                UNREADABLE, account, organisation=account.organisation, name=account.name, trouble=trouble
            )
            return 0
        alerts.resolve_alerts(account, UNREADABLE)
        return count


def _keep(account_id: int, events: Sequence[ProviderEvent]) -> bool:
    """Store the events, and nothing else: their deliveries may be in the hands of who listens."""
    try:
        with transaction.atomic():
            keep_events(account_id, events)
    except DatabaseTrouble:
        logger.exception("receipts cannot be kept", extra={"action": "receive.keep", "account": account_id})
        return False
    return True
