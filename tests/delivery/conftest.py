"""The ledger's tests commit for real: each gets an empty database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.delivery.world import World


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[object, ...], str]]:
    """What would have been handed to the broker, in order."""
    from outreach.core import queue

    messages: list[tuple[str, tuple[object, ...], str]] = []
    monkeypatch.setattr(queue, "_publish", lambda name, args, lane: messages.append((name, args, lane)))
    return messages


@pytest.fixture
def world(transactional_db: None, published: list[tuple[str, tuple[object, ...], str]]) -> World:
    """A small world in an empty database."""
    from tests.delivery.world import World

    return World()
