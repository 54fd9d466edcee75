"""Fetching what nobody calls us about: mailboxes over IMAP, mentions on social media. Each account on its own."""

from __future__ import annotations

import imaplib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection
from imap_tools import ImapToolsError

import channels
from channels.base import Account as PlainAccount
from channels.base import ChannelError, Inbound
from outreach.core import alerts
from outreach.core.errors import OutreachError
from outreach.core.models import Account
from outreach.core.vocabulary import AccountState, Channel
from outreach.delivery.adapters import plain_account
from outreach.delivery.mail_fields import MAILBOXES
from outreach.events.hooks import take_events
from outreach.events.mailbox import folders_of, read_mailbox
from outreach.events.mailbox_place import Place
from outreach.events.replies import take_in

logger = logging.getLogger(__name__)

#: The alert about an account that cannot be read; its facts say which and why.
UNREADABLE = "inbound_unreadable"
#: First halves of the advisory locks' keys, of who reads and of who watches; the second is the account.
_LOCK = 7301
WATCH = 7303
_WATCHED = """
SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

TROUBLES = (ChannelError, OSError, ValueError, imaplib.IMAP4.error, ImapToolsError, OutreachError)
#: Seconds after which a visit leaves the rest to the next: a full mailbox must not keep the others waiting.
SHIFT = 60.0


def poll_replies() -> int:
    """Read every account that has something to be fetched; answer how many messages were new.

    Whose mailbox somebody watches is left to him (`mail_watch`). One account that cannot be read does not keep the
    others from it.
    """
    watched = watched_accounts()
    active = Account.objects.filter(state=AccountState.ACTIVE, channel__in=(Channel.EMAIL, Channel.SOCIAL))
    unwatched = active.exclude(pk__in=watched) if watched else active
    return sum(poll_account(account) for account in unwatched.select_related("organisation").order_by("pk"))


def poll_account(account: Account) -> int:
    """Read one account, unless somebody does just now; what was taken once is not taken again."""
    plain = plain_account(account)
    read = _reader_of(account, plain)
    if read is None:
        return 0
    with alone(account) as is_alone:
        if not is_alone:
            return 0
        try:
            count = read(account, plain)
        except TROUBLES as err:
            logger.warning("an account cannot be read", extra={"action": "replies.poll", "account": account.pk})
            alerts.raise_alert(
                UNREADABLE, account, organisation=account.organisation, name=account.name, trouble=str(err)[:300]
            )
            return 0
        alerts.resolve_alerts(account, UNREADABLE)
        return count


def _reader_of(account: Account, plain: PlainAccount) -> Callable[[Account, PlainAccount], int] | None:
    if mailboxes_of(plain):
        return _poll_mailboxes
    return _poll_mentions if isinstance(channels.find(account.adapter), Inbound) else None


def mailboxes_of(plain: PlainAccount) -> list[Mapping[str, Any]]:
    """The settings of the mailboxes that the account's answers and returned mail arrive in."""
    return [found for name in MAILBOXES if isinstance(found := plain.settings.get(name), dict)]


def _poll_mailboxes(account: Account, plain: PlainAccount) -> int:
    """Read every folder of every mailbox; one that cannot be read does not keep the others from it."""
    count, troubles = 0, []
    for mailbox in mailboxes_of(plain):
        for folder in folders_of(mailbox):
            try:
                count += _poll_folder(account, plain, mailbox, folder)
            except TROUBLES as err:
                troubles.append(err)
    if troubles:
        raise troubles[0]
    return count


def _poll_folder(account: Account, plain: PlainAccount, mailbox: Mapping[str, Any], folder: str) -> int:
    place = Place.of(mailbox, folder)
    count, until = 0, time.monotonic() + SHIFT
    position = place.find(account.inbound_position)
    for behind, content in read_mailbox(mailbox, position, folder=folder, allow_private=plain.allow_private):
        count += take_in(account, content) if content else 0
        _move(account, place.moved(account.inbound_position, behind))
        if time.monotonic() > until:
            break
    return count


def _poll_mentions(account: Account, plain: PlainAccount) -> int:
    adapter = channels.find(account.adapter)
    if not isinstance(adapter, Inbound):
        return 0
    count = 0
    for event in adapter.fetch_replies(plain, str(account.inbound_position.get("since", ""))):
        count += take_events(account, [event]).applied
        _move(account, {"since": event.provider_id})
    return count


def _move(account: Account, position: dict[str, object]) -> None:
    account.inbound_position = position
    Account.objects.filter(pk=account.pk).update(inbound_position=position)


@contextmanager
def alone(account: Account) -> Iterator[bool]:
    """Whether nobody else reads the account; no transaction is open meanwhile."""
    with holding(_LOCK, account) as is_alone:
        yield is_alone


def watched_accounts() -> list[int]:
    """Accounts whose mailboxes a living process watches."""
    with connection.cursor() as cursor:
        cursor.execute(_WATCHED, [WATCH])
        return [int(row[0]) for row in cursor.fetchall()]


@contextmanager
def holding(lock: int, account: Account) -> Iterator[bool]:
    """Whether the advisory lock of this kind and account is ours; PostgreSQL gives it back should we die."""
    key = [lock, account.pk % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)
