"""A window: the rows that leave next, chosen and judged anew in one statement: consent may have been withdrawn."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from outreach.core.vocabulary import CampaignState, DeliveryState, RunKind
from outreach.delivery import counters, queries
from outreach.delivery.caps import KnownCaps, Room, close_capped, keep_counts, look_for_room
from outreach.delivery.connection import Link, fetch_many
from outreach.delivery.hand import Lease, Row
from outreach.delivery.recipients import named
from outreach.delivery.reserve import reserve
from schedules.quiet import quiet_until

#: Each kind of run's window.
STATEMENTS: Final[Mapping[str, str]] = {
    RunKind.CAMPAIGN: queries.WINDOW_OF_PEOPLE,
    RunKind.TEST: queries.WINDOW_OF_NAMED,
    RunKind.NOTICE: queries.WINDOW_OF_NOTICES,
    RunKind.DIGEST: queries.WINDOW_OF_DIGESTS,
}
#: Kinds whose rows bring what each message tells.
WITH_DATA: Final = frozenset({RunKind.NOTICE, RunKind.DIGEST})
#: Kinds whose messages count as ones that nobody had to send. A digest comes by no topic: it counts under budgets only.
CAPPED: Final = frozenset({RunKind.CAMPAIGN, RunKind.DIGEST})


#: The last column of a row whose kind brings no data.
NO_DATA: Final = (None,)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the window statement needs of a run; frozen with it, so read once."""

    run: int
    kind: str
    frozen: Mapping[str, Any]
    #: Ids of the organisation and of those above it: each may suppress an address.
    ancestors: list[int]
    #: Whether any content reads people's attributes: else they are not fetched.
    reads_attributes: bool = True
    #: What people may get at most.
    caps: KnownCaps = field(default_factory=KnownCaps)

    @property
    def statement(self) -> str:
        return STATEMENTS[self.kind]

    @property
    def params(self) -> dict[str, Any]:
        fixed = {"ancestors": self.ancestors, "reads_attributes": self.reads_attributes}
        if self.kind in WITH_DATA:
            return fixed
        if self.kind == RunKind.CAMPAIGN:
            return {**fixed, "topics": self.frozen["topics"]}
        people = named(self.frozen)
        return {
            **fixed,
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
    #: When the run ends, whatever is still open then.
    not_after: datetime | None = None
    rows: list[Row] = field(default_factory=list)
    #: Rows that are in hand with them and not handed over, but put off until the quiet hours of their people end.
    quiet: list[tuple[Row, datetime]] = field(default_factory=list)
    #: Whether any open row was there at all: none in a running run means that the batch is done.
    has_open: bool = False
    #: Seconds until the account's limits let rows through, where they have to wait for that.
    wait: float = 0.0
    #: Mail domains whose limits are reached, where the account's own are not.
    blocked: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows] + [row.id for row, _until in self.quiet]

    @property
    def is_done(self) -> bool:
        return self.run_state == CampaignState.RUNNING and not self.has_open


def choose_window(link: Link, lease: Lease, scope: Scope, *, limit: int, deltas: counters.Deltas) -> Window:
    """Choose the next rows; close those that are no longer allowed as `skipped`, and count them in `deltas`.

    Reads the run's state FOR SHARE: after a committed pause or cancel it finds nothing. A row that was in a dead
    worker's hands comes alone and last, so that a message which kills its worker takes no other with it.
    """
    window = _choose(link, lease, scope, limit=limit, deltas=deltas)
    if window.ids or not window.blocked or scope.kind != RunKind.CAMPAIGN:
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
        found = fetch_many(link, queries.WINDOW_BUT_DOMAINS, **given, blocked=list(blocked))
    else:
        found = fetch_many(link, scope.statement, **given)
    if not found:
        return Window()
    run_state, at, not_after = found[0][:3]
    rest = () if scope.kind in WITH_DATA else NO_DATA
    rows = [Row._make(record[3:] + rest) for record in found[1:]]
    allowed, quiet = _but_quiet(_but_hindered(rows, deltas), at)
    allowed = _alone_if_uncertain(allowed)
    # A notice has a batch of its own: there is no fuller window that it could wait for.
    least = 1 if scope.kind == RunKind.NOTICE else max(1, limit // 4)
    allowed, room = _but_capped(link, lease, scope, allowed, at=at, deltas=deltas)
    share = reserve(link, lease, [row.to for row in allowed], least=least)
    taken = [allowed[position] for position in share.positions]
    if room is not None:
        keep_counts(link, room, taken)
    return Window(
        run_state=run_state,
        at=at,
        not_after=not_after,
        rows=taken,
        quiet=quiet,
        has_open=bool(rows),
        wait=share.wait,
        blocked=share.blocked,
    )


def _but_hindered(rows: list[Row], deltas: counters.Deltas) -> list[Row]:
    """The rows that may leave; those that may not were closed by the statement, and are counted here."""
    allowed = [row for row in rows if not row.hindrance]
    if len(allowed) < len(rows):
        hindered = Tally((row.channel, row.language, row.state, row.reason, row.hindrance) for row in rows)
        for (channel, language, state, reason, hindrance), count in hindered.items():
            if hindrance:
                new = (DeliveryState.SKIPPED.value, hindrance)
                counters.moved(deltas, channel=channel, language=language, old=(state, reason), new=new, count=count)
    return allowed


def _but_quiet(rows: list[Row], at: datetime) -> tuple[list[Row], list[tuple[Row, datetime]]]:
    """The rows that may leave now, and those that would disturb, each with the end of its person's quiet hours."""
    quiet = [(row, until) for row in rows if row.quiet and (until := _end_of_quiet(row.quiet, at))]
    if not quiet:
        return rows, quiet
    later = {row.id for row, _until in quiet}
    return [row for row in rows if row.id not in later], quiet


def _end_of_quiet(hours: str, at: datetime) -> datetime | None:
    begins, ends, zone = hours.split(" ")
    return quiet_until(at, begins=int(begins), ends=int(ends), zone_name=zone)


def _but_capped(
    link: Link, lease: Lease, scope: Scope, rows: list[Row], *, at: datetime, deltas: counters.Deltas
) -> tuple[list[Row], Room | None]:
    """The rows for which there is room under the caps; the others are closed. No room where there is no cap."""
    if scope.kind not in CAPPED or not rows:
        return rows, None
    caps = scope.caps.read(link, topics=scope.frozen["topics"], organisation=scope.ancestors[-1])
    if not caps:
        return rows, None
    room = look_for_room(link, lease.run, rows, caps, now=at)
    fits = {row.id for row in rows if room.take(row.id)}
    if capped := [row for row in rows if row.id not in fits]:
        close_capped(link, lease.run, capped, deltas)
    return [row for row in rows if row.id in fits], room


def _alone_if_uncertain(rows: list[Row]) -> list[Row]:
    """All that are certain; where only uncertain ones are left, one of them."""
    return [row for row in rows if not row.uncertain] or rows[:1]
