"""Mail that another server hands to us itself: whose mailbox is meant, and its taking-in. No protocol here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import idna

from channels.mailboxes import address_of
from outreach.core.models import Account
from outreach.core.vocabulary import Channel
from outreach.delivery.mail_fields import MAILBOXES
from outreach.delivery.models import Delivery
from outreach.events.matching import read_message_id
from outreach.events.replies import take_in

#: Seconds for which the addresses are not read again: a stranger's guesses cost no query.
REMEMBERED: Final = 10.0
#: Settings of an account that each name a mailbox of ours.
_NAMING: Final = ("reply_address", "bounce_address", "sender", *(f"{name}_username" for name in MAILBOXES))


class Mailboxes:
    """The addresses that mail is taken for, as the accounts name them: those of answers and of returned mail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, list[int]] = {}
        self._until = 0.0

    def account_for(self, address: str) -> int | None:
        """The account that the address belongs to, None for a stranger's.

        Of several it is the one that sent what the address carries, or the highest in the tree. What stands behind a
        `+` carries a delivery and is of no account.
        """
        found = self._read().get(bare(address), [])
        return (_sender_of(address, found) if len(found) > 1 else None) or next(iter(found), None)

    def _read(self) -> Mapping[str, Sequence[int]]:
        with self._lock:
            if time.monotonic() > self._until:
                self._accounts = _addresses()
                self._until = time.monotonic() + REMEMBERED
            return self._accounts


def bare(address: str) -> str:
    """As addresses are compared: without what follows a `+`, in small letters, the domain as DNS has it."""
    local, _at, domain = address.strip().rpartition("@")
    try:
        host = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        host = domain.lower()
    return f"{local.partition('+')[0].casefold()}@{host}"


def receive(content: bytes, sender: str, recipients: Mapping[str, int]) -> None:
    """Take a message in for each account that `recipients` (address -> account) name; it is kept when this returns.

    `sender` is the envelope's, '' for what programs send: returned mail and automatic replies.

    Raises:
        OperationalError: the database is away, and nothing is certain; handed in again, it is taken once.
    """
    by_account: dict[int, list[str]] = {}
    for address, key in recipients.items():
        by_account.setdefault(key, []).append(address)
    for account in Account.objects.filter(pk__in=by_account).select_related("organisation").order_by("pk"):
        # Who the envelope names tells what it is and finds the delivery, as a mailbox's own server would write it down.
        delivered = (f"Delivered-To: {address}\r\n" for address in by_account[account.pk])
        named = "".join([f"Return-Path: <{sender}>\r\n", *delivered])
        take_in(account, named.encode("utf-8", "surrogateescape") + content)


def _addresses() -> dict[str, list[int]]:
    accounts = Account.objects.filter(channel=Channel.EMAIL).select_related("organisation")
    found: dict[str, list[int]] = {}
    for account in sorted(accounts, key=lambda each: (each.organisation.path.count("/"), each.pk)):
        for address in _named(account.settings):
            found.setdefault(address, []).append(account.pk)
    return found


def _named(settings: Mapping[str, Any]) -> Iterable[str]:
    written = (address_of(str(settings.get(name) or "")) for name in _NAMING)
    return {bare(address) for address in written if "@" in address}


def _sender_of(address: str, accounts: Sequence[int]) -> int | None:
    """The account whose message an address for returned mail carries, where it is one of these."""
    run, delivery = read_message_id(address.partition("+")[2]) or (0, 0)
    known = Delivery.objects.filter(run_id=run, id=delivery, account_id__in=accounts)
    return known.values_list("account_id", flat=True).first()
