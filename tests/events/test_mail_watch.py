"""Whose mailboxes are watched where there are more than can be at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from outreach.events.mail_watch import MOST, Watcher, next_to_watch


@pytest.fixture
def living() -> Iterator[threading.Thread]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield thread
    over.set()
    thread.join(10)


def test_accounts_that_cannot_be_watched_keep_nobody_else_from_it(living: threading.Thread) -> None:
    watched = {key: Watcher(settings={}, began=0.0, thread=living) for key in range(MOST - 2)}
    given_up = {100: Watcher(settings={}, began=9.0), 101: Watcher(settings={}, began=5.0)}
    watchers = {**watched, **given_up}

    assert next_to_watch(watchers, [*watchers, 102]) == [102, 101]
    assert next_to_watch(watchers, watchers) == [101, 100]
    assert next_to_watch({**watchers, 103: Watcher(settings={}, thread=living)}, [*watchers, 102]) == [102]
    assert next_to_watch(watched, watched) == []
    assert next_to_watch({}, range(3 * MOST)) == list(range(MOST))
