"""What a worker has in its hands: a lease on a batch, and rows of it. Plain data that the ledger's steps hand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

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
    #: How often the account has rested since its last accepted message.
    rests: int = 0
    #: Length; each settle renews it.
    seconds: float = pacing.LEASE
    #: How often it was taken over with ids in hand, this time included.
    inherited: int = 0


class Row(NamedTuple):
    """A delivery as a worker holds it: a row of the window statement as it came, since there are thousands a second."""

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
    created_at: datetime | None = None
    #: Why it may not leave; '' where it may.
    hindrance: str = ""
    #: Address; '' for a public post.
    to: str = ""
    #: Of the subscriber; `kind` is None for a post, and for an address that is no subscriber's.
    subscriber: int | None = None
    name: str | None = None
    kind: str | None = None
    subscriber_language: str | None = None
    #: None also where no content of the run reads them.
    attributes: dict[str, Any] | None = None
    is_measured: bool | None = None
    #: Quiet hours of the person, where they have any: `begins ends zone`.
    quiet: str | None = None
    #: Of a notice: what its caller handed in. Of a digest: what it tells.
    data: dict[str, Any] | None = None
