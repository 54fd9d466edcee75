"""Watching accounts' mailboxes: what comes is read at once. Whoever is not watched is polled (`polling`)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django.db import Error as DatabaseTrouble
from django.db import connections

from outreach.core.models import Account
from outreach.core.vocabulary import AccountState, Channel
from outreach.delivery.adapters import plain_account
from outreach.delivery.mail_fields import mailboxes_in
from outreach.events.mailbox_idle import CannotIdle, idling, renew, wait_for_news
from outreach.events.polling import TROUBLES, WATCH, holding, mailboxes_of, poll_account

logger = logging.getLogger(__name__)

#: Seconds after which a wait begins anew and the mailbox is read though nothing was told.
ROUND: Final = 240.0
#: Seconds between two looks at whether to stop.
LOOK: Final = 1.0
#: Accounts that are watched at once: each holds a thread and a connection to the database. The others are polled.
MOST: Final = 20
#: Seconds between two looks at which accounts there are; who could not be watched is tried again then.
AGAIN: Final = 60.0


def watch_account(account_id: int, is_over: Callable[[], bool]) -> bool:
    """Read the account's mailboxes whenever they tell that something came, until `is_over`.

    False where they cannot be watched: another process does, or a server does not offer it. Raises what
    `mailbox.read_mailbox` raises once a server is gone.
    """
    account = Account.objects.select_related("organisation").get(pk=account_id)
    plain = plain_account(account)
    with holding(WATCH, account) as is_mine:
        if not is_mine:
            return False
        try:
            with idling(mailboxes_of(plain), allow_private=plain.allow_private) as boxes:
                while not is_over():
                    # Only now: what came before the wait began nobody is told of. What a visit left is read at once.
                    if poll_account(Account.objects.select_related("organisation").get(pk=account_id)):
                        continue
                    if not _wait(lambda: wait_for_news(boxes, seconds=LOOK), is_over):
                        renew(boxes)
        except CannotIdle:
            return False
    return True


def _wait(has_news: Callable[[], bool], is_over: Callable[[], bool]) -> bool:
    until = time.monotonic() + ROUND
    while time.monotonic() < until and not is_over():
        if has_news():
            return True
    return False


@dataclass(kw_only=True)
class Watcher:
    """One account's thread."""

    #: Settings that it began with, sealed ones too: where they change, it begins anew.
    settings: object
    began: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def is_alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


def watch_all(is_over: threading.Event) -> None:
    """Keep a watcher for each account that reads a mailbox, until `is_over`."""
    watchers: dict[int, Watcher] = {}
    while not is_over.is_set():
        try:
            _arrange(watchers, _wanted())
        except DatabaseTrouble:
            logger.exception("accounts cannot be read", extra={"action": "mail.watch"})
        connections.close_all()
        is_over.wait(AGAIN)
    _arrange(watchers, {})


def _wanted() -> dict[int, object]:
    active = Account.objects.filter(state=AccountState.ACTIVE, channel=Channel.EMAIL)
    return {
        account.pk: (account.settings, bytes(account.sealed)) for account in active if mailboxes_in(account.settings)
    }


def _arrange(watchers: dict[int, Watcher], wanted: dict[int, object]) -> None:
    for key, watcher in list(watchers.items()):
        if wanted.get(key) != watcher.settings:
            watcher.stop.set()
            del watchers[key]
    for key in next_to_watch(watchers, wanted):
        watchers[key] = watcher = Watcher(settings=wanted[key])
        watcher.thread = threading.Thread(target=_run, args=(key, watcher.stop), name=f"mailbox-{key}", daemon=True)
        watcher.thread.start()


def next_to_watch(watchers: Mapping[int, Watcher], wanted: Iterable[int]) -> list[int]:
    """Whom to begin with now, as many as there is room for: who never was watched first, then whose try is longest ago.

    So those whose servers do not offer it keep nobody else from being watched.
    """
    waiting = [key for key in wanted if key not in watchers or not watchers[key].is_alive]
    room = MOST - sum(watcher.is_alive for watcher in watchers.values())
    return sorted(waiting, key=lambda key: watchers[key].began if key in watchers else 0.0)[: max(0, room)]


def _run(account_id: int, stop: threading.Event) -> None:
    try:
        watch_account(account_id, stop.is_set)
    except (*TROUBLES, DatabaseTrouble, Account.DoesNotExist) as err:
        # Polling, which goes on now, raises the alert where the trouble lasts.
        logger.info("a mailbox is not watched: %s", err, extra={"action": "mail.watch", "account": account_id})
    finally:
        connections.close_all()
