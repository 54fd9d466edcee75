"""Fetching what nobody calls us about: mailboxes over IMAP, mentions on social media. Each account on its own."""

from __future__ import annotations

import imaplib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import Error as DatabaseTrouble
from django.db import OperationalError, connection
from imap_tools import ImapToolsError

import channels
from channels.base import Account as PlainAccount
from channels.base import ChannelError, Inbound
from outreach.core import alerts
from outreach.core.errors import OutreachError
from outreach.core.models import Account
from outreach.core.vocabulary import AccountState, Channel
from outreach.delivery.adapters import plain_account
from outreach.events.mailbox import Position, read_mailbox
from outreach.events.replies import take_mail, take_reply_event

logger = logging.getLogger(__name__)

#: The alert about an account that cannot be read; its facts say which and why.
UNREADABLE = "inbound_unreadable"
#: First half of the advisory lock's key; the second is the account.
_LOCK = 7301

_TROUBLES = (ChannelError, OSError, imaplib.IMAP4.error, ImapToolsError, OutreachError)


def poll_replies() -> int:
    """Read every account that has something to be fetched; answer how many messages were new.

    One account that cannot be read does not keep the others from it.
    """
    active = Account.objects.filter(state=AccountState.ACTIVE, channel__in=(Channel.EMAIL, Channel.SOCIAL))
    return sum(poll_account(account) for account in active.select_related("organisation").order_by("pk"))


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
        except _TROUBLES as err:
            logger.warning("an account cannot be read", extra={"action": "replies.poll", "account": account.pk})
            alerts.raise_alert(
                UNREADABLE, account, organisation=account.organisation, name=account.name, trouble=str(err)[:300]
            )
            return 0
        alerts.resolve_alerts(account, UNREADABLE)
        return count


def _reader_of(account: Account, plain: PlainAccount) -> Callable[[Account, PlainAccount], int] | None:
    if isinstance(plain.settings.get("imap"), dict):
        return _poll_mailbox
    return _poll_mentions if isinstance(channels.find(account.adapter), Inbound) else None


def _poll_mailbox(account: Account, plain: PlainAccount) -> int:
    known = account.inbound_position
    position = Position(validity=int(known.get("validity", 0)), uid=int(known.get("uid", 0)))
    count = 0
    for behind, content in read_mailbox(plain.settings["imap"], position, allow_private=plain.allow_private):
        count += _take(account, partial(take_mail, account, content)) if content else 0
        _move(account, {"validity": behind.validity, "uid": behind.uid})
    return count


def _poll_mentions(account: Account, plain: PlainAccount) -> int:
    adapter = channels.find(account.adapter)
    if not isinstance(adapter, Inbound):
        return 0
    count = 0
    for event in adapter.fetch_replies(plain, str(account.inbound_position.get("since", ""))):
        count += _take(account, partial(take_reply_event, account, event))
        _move(account, {"since": event.provider_id})
    return count


def _take(account: Account, take: Callable[[], object]) -> int:
    """One message that cannot be taken must not stop the reading; a database that is away must."""
    try:
        return int(take() is not None)
    except OperationalError:
        raise
    except (OutreachError, DatabaseTrouble):
        logger.exception("a message cannot be taken", extra={"action": "replies.take", "account": account.pk})
        return 0


def _move(account: Account, position: dict[str, object]) -> None:
    account.inbound_position = position
    Account.objects.filter(pk=account.pk).update(inbound_position=position)


@contextmanager
def alone(account: Account) -> Iterator[bool]:
    """Whether nobody else reads the account; no transaction is open meanwhile."""
    key = [_LOCK, account.pk % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)
