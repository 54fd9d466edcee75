"""What a worker has in its hands: a lease on a batch, and rows of it. Plain data that the ledger's steps hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outreach.delivery import pacing


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A batch in one worker's hands: the fence says that it is his."""

    batch: int
    run: int
    account: int
    lane: str
    fence: int
    adapter: str
    #: The account's UnknownPolicy.
    policy: str
    limits: pacing.Limits = field(default_factory=pacing.Limits)
    #: Length; each settle renews it.
    seconds: float = pacing.LEASE
    #: How often it was taken over with ids in hand, this time included.
    inherited: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A delivery as a worker holds it."""

    id: int
    channel: str
    language: str
    #: State, reason and doubt that it was taken in hand with.
    state: str
    reason: str
    uncertain: bool
    attempts: int = 0
    #: In [0, 1).
    draw: float = 0.0
    #: Address; '' for a public post.
    to: str = ""
    #: id, name, kind, language, attributes; None for a post, and for an address that is no subscriber's.
    subscriber: Mapping[str, Any] | None = None
    is_measured: bool = False
    #: When its tries end; None where no try can follow.
    give_up_at: datetime | None = None
    #: Whether it is the run's end that ends them.
    ends_with_run: bool = False
