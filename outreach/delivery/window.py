"""A window: the rows that leave next, chosen and judged anew in one statement: consent may have been withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from outreach.core.vocabulary import CampaignState, DeliveryState, RunKind
from outreach.delivery import counters, queries
from outreach.delivery.connection import Link, fetch
from outreach.delivery.hand import Lease, Row
from outreach.delivery.recipients import named
from outreach.delivery.reserve import reserve
from outreach.delivery.verdicts import GIVE_UP_AFTER


class Judged(NamedTuple):
    """A row of the window statement."""

    id: int
    target: str
    channel: str
    language: str
    draw: float
    state: str
    reason: str
    uncertain: bool
    attempts: int
    created_at: datetime
    #: Why it may not leave; '' where it may.
    hindrance: str
    value: str | None
    subscriber_id: int | None
    name: str | None
    kind: str | None
    subscriber_language: str | None
    attributes: dict[str, Any] | None
    is_measured: bool | None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the window statement needs of a run; frozen with it, so read once."""

    run: int
    kind: str
    frozen: Mapping[str, Any]
    #: Ids of the organisation and of those above it: each may suppress an address.
    ancestors: list[int]

    @property
    def statement(self) -> str:
        return queries.WINDOW_OF_NAMED if self.kind == RunKind.TEST else queries.WINDOW_OF_PEOPLE

    @property
    def params(self) -> dict[str, Any]:
        if self.kind != RunKind.TEST:
            return {"ancestors": self.ancestors, "topics": self.frozen["topics"]}
        people = named(self.frozen)
        return {
            "ancestors": self.ancestors,
            "targets": [person.target for person in people],
            "named": [person.value for person in people],
            "digests": [person.digest for person in people],
        }


@dataclass(frozen=True, kw_only=True)
class Window:
    """What was found for the next hand-over."""

    #: The run's state; '' before anything was asked.
    run_state: str = ""
    #: The database's time of the choice.
    at: datetime | None = None
    rows: list[Row] = field(default_factory=list)
    #: Whether any open row was there at all: none in a running run means that the batch is done.
    has_open: bool = False
    #: Seconds until the account's limits let rows through, where they have to wait for that.
    wait: float = 0.0
    #: Mail domains whose limits are reached, where the account's own are not.
    blocked: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]

    @property
    def is_done(self) -> bool:
        return self.run_state == CampaignState.RUNNING and not self.has_open


def choose_window(link: Link, lease: Lease, scope: Scope, *, limit: int, deltas: counters.Deltas) -> Window:
    """Choose the next rows; close those that are no longer allowed as `skipped`, and count them in `deltas`.

    Reads the run's state FOR SHARE: after a committed pause or cancel it finds nothing. A row that was in a dead
    worker's hands comes alone, so that a message which kills its worker takes no other with it.
    """
    window = _choose(link, lease, scope, limit=limit, deltas=deltas)
    if window.rows or not window.blocked or scope.kind == RunKind.TEST:
        return window
    others = _choose(link, lease, scope, limit=limit, deltas=deltas, blocked=window.blocked)
    return others if others.rows else window


def _choose(
    link: Link,
    lease: Lease,
    scope: Scope,
    *,
    limit: int,
    deltas: counters.Deltas,
    blocked: Sequence[str] = (),
) -> Window:
    given = {**scope.params, "run": lease.run, "batch": lease.batch, "limit": limit}
    if blocked:
        found = fetch(link, queries.WINDOW_BUT_DOMAINS, **given, blocked=list(blocked))
    else:
        found = fetch(link, scope.statement, **given)
    if not found:
        return Window()
    run_state, at, not_after = found[0][:3]
    judged = [Judged(*record[3:]) for record in found if record[3] is not None]
    for row in judged:
        if row.hindrance:
            new = (DeliveryState.SKIPPED.value, row.hindrance)
            counters.moved(deltas, channel=row.channel, language=row.language, old=(row.state, row.reason), new=new)
    allowed = [row for row in judged if not row.hindrance]
    if allowed and allowed[0].uncertain:
        allowed = allowed[:1]
    share = reserve(link, lease, [row.value or "" for row in allowed], least=max(1, limit // 4))
    return Window(
        run_state=run_state,
        at=at,
        rows=[_row(allowed[position], not_after) for position in share.positions],
        has_open=bool(judged),
        wait=share.wait,
        blocked=share.blocked,
    )


def _row(row: Judged, not_after: datetime | None) -> Row:
    end = row.created_at + GIVE_UP_AFTER
    ends_with_run = not_after is not None and not_after < end
    return Row(
        id=row.id,
        channel=row.channel,
        language=row.language,
        state=row.state,
        reason=row.reason,
        uncertain=row.uncertain,
        attempts=row.attempts,
        draw=row.draw,
        to=row.value or "",
        subscriber=_subscriber(row),
        is_measured=bool(row.is_measured),
        give_up_at=not_after if ends_with_run else end,
        ends_with_run=ends_with_run,
    )


def _subscriber(row: Judged) -> dict[str, Any] | None:
    if row.kind is None:
        return None
    return {
        "id": row.subscriber_id,
        "name": row.name,
        "kind": row.kind,
        "language": row.subscriber_language,
        "attributes": row.attributes or {},
    }
