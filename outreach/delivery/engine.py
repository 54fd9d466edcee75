"""A worker's life: take a batch, and window by window commit the ids in hand, hand over, commit what became of them.

Everything it decides is decided by pure rules elsewhere; this file only keeps the order of the steps.
"""

from __future__ import annotations

import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Self

import django.db
import psycopg
from django.db import close_old_connections

from channels.base import Capabilities, ChannelError, Message, Outcome, OutcomeKind, Session
from outreach.core import failpoints
from outreach.core.vocabulary import RunKind, Tracking
from outreach.delivery import pacing, queries, retry
from outreach.delivery.balance import for_account
from outreach.delivery.connection import Link, change, fetch
from outreach.delivery.evidence import append_late
from outreach.delivery.hand import Lease, Row
from outreach.delivery.handover import HandOver, Renderer, hand_over, reads_attributes, recipient_of
from outreach.delivery.lease import SERVES, take_batch
from outreach.delivery.runs import advance_run, pause_for_refusals
from outreach.delivery.settle import PUT_OFF, FenceLost, Settlement, Want, is_settled, settle
from outreach.delivery.steady import Patience, SteadyLink
from outreach.delivery.verdicts import GIVE_UP_AFTER, Case, Refusals, is_plain, judge, put_off
from outreach.delivery.window import Scope, Window

logger = logging.getLogger(__name__)

#: Pause of a batch whose adapter broke, or whose account's trouble could not be written down.
COME_LATER: Final = 60.0
#: Compiled runs that a worker keeps, each as one account sends it.
RUNS_KEPT: Final = 8


@dataclass(frozen=True, kw_only=True)
class Door:
    """What the engine needs of the world outside the ledger; `delivery.door` opens the real one, tests their own."""

    #: Account id -> a session, not yet entered.
    open_session: Callable[[int], Session]
    #: Adapter's name -> what it can.
    capabilities: Callable[[str], Capabilities]
    #: (frozen, run id) -> the run's messages.
    compile_run: Callable[[Mapping[str, Any], int], Renderer]
    #: (account id, trouble in words): stops the account and tells people.
    pause_account: Callable[[int, str], None]
    is_stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class Work:
    """A run as this worker holds it."""

    scope: Scope
    renderer: Renderer
    #: (channel, language) -> variants in order.
    variants: Mapping[tuple[str, str], list[str]]
    is_individual: bool
    #: Whether many refusals pause the run: not where each message is another call's.
    may_pause: bool = True
    refusals: Refusals = field(default_factory=Refusals)


class OpenSession(NamedTuple):
    """An account's session, and what closes it."""

    session: Session
    stack: ExitStack


class Engine:
    """One worker: its connection, its sessions, and the runs it has compiled. A context manager."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._steady = SteadyLink()
        self._sessions: dict[int, OpenSession] = {}
        #: Of accounts in trouble; closed when what they did is settled, since that may take its time.
        self._forgotten: list[OpenSession] = []
        self._works: OrderedDict[tuple[int, int], Work] = OrderedDict()
        #: Account id -> messages a second in its last window.
        self._speeds: dict[int, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forgotten += self._sessions.values()
        self._close_forgotten()
        self._steady.close()

    @property
    def _link(self) -> Link:
        return self._steady.link

    def serve_next(self, lane: str) -> bool:
        """Take a batch and serve it as far as it goes; False where none waits."""
        lease = self._steady.surely(lambda link: take_batch(link, lane, here=self._steady.here))
        if lease is None:
            return False
        self.serve(lease)
        return True

    def wait_for_next(self, lane: str) -> bool:
        """Wait a moment for a batch that is due soon; False where none is."""
        soon = self._steady.surely(lambda link: fetch(link, queries.NEXT_DUE, lanes=SERVES[lane]))[0][0]
        if soon is None or soon > pacing.SOON:
            return False
        time.sleep(max(0.0, min(soon, pacing.MOMENT)))
        return True

    def serve(self, lease: Lease) -> None:
        """Serve a leased batch window by window, until it is done or has to be given back."""
        can = self._door.capabilities(lease.adapter)
        lease = replace(lease, seconds=pacing.lease_seconds(can.timeout))
        work = self._work(lease)
        session = self._session(lease)
        try:
            if session is not None:
                self._serve_windows(lease, work, session, most=can.window)
        except FenceLost:
            logger.warning("Batch %s was taken over", lease.batch, extra={"action": "fence_lost", "run": lease.run})
        self._close_forgotten()
        self._steady.surely(lambda link: advance_run(link, lease.run))

    def _serve_windows(self, lease: Lease, work: Work, session: Session, *, most: int) -> None:
        size = self._window_size(lease, most)
        began = time.monotonic()
        window = self._settle(lease, work.scope, Settlement(), want=Want(limit=size), before=[])
        while window.ids:
            result = self._hand_over(lease, work, session, window, began=began)
            elapsed = max(time.monotonic() - began, 0.001)
            done = self._judge(lease, work, window, result, elapsed=elapsed)
            if window.rows:
                self._speeds[lease.account] = len(result.outcomes) / elapsed
            want = self._what_next(lease, work, result, size=self._window_size(lease, most))
            before, began = window.ids, time.monotonic()
            window = self._settle(lease, work.scope, done, want=want, before=before)

    def _window_size(self, lease: Lease, most: int) -> int:
        speed = self._speeds.get(lease.account, 0.0)
        return pacing.window_size(
            most, rate_per_minute=lease.limits.per_minute, seen_per_second=speed, lease=lease.seconds
        )

    def _hand_over(self, lease: Lease, work: Work, session: Session, window: Window, *, began: float) -> HandOver:
        """Hand one window over; stop pulling at half the lease, on this host's own clock."""

        def make(row: Row) -> Message:
            return work.renderer.render(recipient_of(row, variants=work.variants, is_individual=work.is_individual))

        if not window.rows:
            return HandOver()
        return hand_over(session, window.rows, make, is_time_up=lambda: time.monotonic() - began > lease.seconds / 2)

    def _judge(self, lease: Lease, work: Work, window: Window, result: HandOver, *, elapsed: float) -> Settlement:
        """Decide what becomes of each row that has an outcome or was put off; the others were never handed over."""
        assert window.at is not None  # noqa: S101 -- a window with rows has a time
        now = window.at + timedelta(seconds=elapsed)
        done = Settlement()
        for row in window.rows:
            outcome = result.outcomes.get(row.id)
            if outcome is None:
                continue
            if is_plain(outcome, row.state):
                done.accept(row, outcome)
                continue
            verdict = judge(outcome, case_of(row, policy=lease.policy, now=now, not_after=window.not_after))
            work.refusals.add(verdict)
            done.add_outcome(row, verdict, outcome)
        work.refusals.add_accepted(len(done.accepted))
        for row, until in window.quiet:
            verdict = put_off(row.id, until=until, not_after=window.not_after, uncertain=row.uncertain)
            done.add(row, verdict, evidence=PUT_OFF)
        return done

    def _what_next(self, lease: Lease, work: Work, result: HandOver, *, size: int) -> Want:
        """Go on, or give the batch back: for a broken account, a refusing provider, a stop."""
        trouble = result.trouble
        if trouble is not None and trouble.kind is OutcomeKind.ACCOUNT:
            return Want(limit=0, wait=self._stop(lambda: self._pause_account(lease, trouble)))
        if trouble is not None:
            self._forget_session(lease.account)
            return Want(limit=0, rest=rest_of(lease, trouble))
        if result.broken:
            self._forget_session(lease.account)
            return Want(limit=0, wait=COME_LATER)
        if work.may_pause and work.refusals.too_many():
            return Want(limit=0, wait=self._stop(lambda: pause_for_refusals(lease.run)))
        return Want(limit=0 if self._door.is_stopping() else size)

    # --- the database may go away at any moment ---

    def _settle(self, lease: Lease, scope: Scope, done: Settlement, *, want: Want, before: list[int]) -> Window:
        """Settle, through broken connections if need be: outcomes stay in memory until they are written.

        Raises:
            FenceLost: the outcomes were appended as late evidence.
        """
        patience = Patience()
        while True:
            try:
                return settle(self._link, lease, scope, done=done, want=want)
            except psycopg.OperationalError as err:
                self._steady.mend(patience, err)
                done = self._still_to_write(lease, done, before=before)
            except FenceLost:
                self._append_late(lease, done)
                raise

    def _still_to_write(self, lease: Lease, done: Settlement, *, before: list[int]) -> Settlement:
        """What is left to write after a break: nothing, where the commit had come through all the same."""
        if not before:
            return done
        try:
            is_written = self._steady.surely(lambda link: is_settled(link, lease, in_hand_before=before))
        except FenceLost:
            self._append_late(lease, done)
            raise
        return Settlement() if is_written else done

    def _append_late(self, lease: Lease, done: Settlement) -> None:
        self._steady.surely(lambda link: append_late(link, lease, done))

    # --- what is kept between batches ---

    def _work(self, lease: Lease) -> Work:
        run, key = lease.run, (lease.run, lease.account)
        if key not in self._works:
            kind, frozen, path = self._steady.surely(lambda link: fetch(link, queries.READ_SCOPE, run=run))[0]
            frozen = for_account(frozen, lease.account)
            ancestors = [int(part) for part in path.rstrip("/").split("/")]
            scope = Scope(
                run=run, kind=kind, frozen=frozen, ancestors=ancestors, reads_attributes=reads_attributes(frozen)
            )
            self._works[key] = Work(
                scope=scope,
                renderer=self._door.compile_run(frozen, run),
                variants=_variants(frozen),
                is_individual=frozen.get("tracking") == Tracking.INDIVIDUAL,
                may_pause=kind != RunKind.NOTICE,
            )
        self._works.move_to_end(key)
        if len(self._works) > RUNS_KEPT:
            self._works.popitem(last=False)
        return self._works[key]

    def _session(self, lease: Lease) -> Session | None:
        """The account's session; None where it cannot be opened: the batch is given back, nothing was in hand."""
        if lease.account not in self._sessions:
            stack = ExitStack()
            try:
                session = stack.enter_context(self._door.open_session(lease.account))
            except ChannelError as err:
                self._give_back(lease, err.outcome(""))
                return None
            self._sessions[lease.account] = OpenSession(session, stack)
        return self._sessions[lease.account].session

    def _give_back(self, lease: Lease, trouble: Outcome) -> None:
        wait = 0.0
        if trouble.kind is OutcomeKind.TEMPORARY:
            rest = rest_of(lease, trouble)
            self._steady.surely(lambda link: change(link, queries.REST, account=lease.account, rest=rest))
        else:
            wait = self._stop(lambda: self._pause_account(lease, trouble))
        given = {"batch": lease.batch, "fence": lease.fence, "state": "ready", "wait": wait}
        failpoints.hit("release.before", drop=self._link.close)
        self._steady.surely(lambda link: change(link, queries.RELEASE, **given))
        failpoints.hit("release.after", drop=self._link.close)

    def _pause_account(self, lease: Lease, trouble: Outcome) -> None:
        self._forget_session(lease.account)
        self._door.pause_account(lease.account, trouble.detail or trouble.reason)

    def _stop(self, pause: Callable[[], None]) -> float:
        """Stop an account or a run; seconds that the batch waits: only where that could not be written down.

        It goes over Django's connection, which may be broken, while outcomes wait in memory to be settled.
        """
        try:
            pause()
        except (django.db.Error, psycopg.Error):
            logger.exception("What should stop could not be stopped", extra={"action": "stop"})
            close_old_connections()
            return COME_LATER
        return 0.0

    def _forget_session(self, account: int) -> None:
        if account in self._sessions:
            self._forgotten.append(self._sessions.pop(account))

    def _close_forgotten(self) -> None:
        while self._forgotten:
            try:
                self._forgotten.pop().stack.close()
            except Exception:  # foreign code on a connection that is broken already: nothing hangs on it
                logger.warning("A session could not be closed", extra={"action": "close_session"}, exc_info=True)


def case_of(row: Row, *, policy: str, now: datetime, not_after: datetime | None) -> Case:
    """What the verdict's rules need of a row; `not_after` is the run's."""
    end = (row.created_at or now) + GIVE_UP_AFTER
    ends_with_run = not_after is not None and not_after < end
    return Case(
        uncertain=row.uncertain,
        attempts=row.attempts,
        policy=policy,
        now=now,
        give_up_at=not_after if ends_with_run and not_after else end,
        ends_with_run=ends_with_run,
        jitter=random.random(),  # noqa: S311 -- spreads retries, keeps no secret
    )


def rest_of(lease: Lease, trouble: Outcome) -> float:
    """Seconds that the account rests for this trouble."""
    jitter = random.random()  # noqa: S311 -- spreads tries, keeps no secret
    return retry.rest(lease.rests, retry_after=trouble.retry_after, jitter=jitter)


def _variants(frozen: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for content in frozen["contents"]:
        found.setdefault((content["channel"], content["language"]), set()).add(content.get("variant", ""))
    return {key: sorted(variants) for key, variants in found.items()}


def work(lane: str, *, door: Door, seconds: float = 60.0) -> int:
    """Serve batches of a lane until none waits, the time is up or the worker has to stop; how many were served.

    A batch that is due in a moment, such as one whose limit lets the next messages through, is waited for: without a
    lease, so that anything else that comes meanwhile is served within that moment.
    """
    with Engine(door) as engine:
        return serve_all(engine, lane, is_stopping=door.is_stopping, seconds=seconds)


def serve_all(engine: Engine, lane: str, *, is_stopping: Callable[[], bool], seconds: float) -> int:
    """What `work` does, with an engine that is open already and stays so."""
    served = 0
    until = time.monotonic() + seconds
    while not is_stopping() and time.monotonic() < until:
        if engine.serve_next(lane):
            failpoints.hit("engine.after_batch")
            served += 1
        elif not engine.wait_for_next(lane):
            break
    return served
