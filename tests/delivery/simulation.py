"""A deterministic simulation of the ledger: seeded scheduler, virtual clock, the real decision code, tables in memory.

Workers, the sweep, a manager, readers and providers take turns by a seeded draw between every two steps. Workers die,
stall, and lose their connection before or after a commit was applied. After every hand-over and at the end the
invariants of docs/explanation/ledger.md are checked; a failure names its seed, which replays it exactly.

`python -m tests.delivery.simulation [SEED] [COUNT]` runs many, or one again.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter as Tally
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from channels.base import Outcome
    from outreach.delivery.verdicts import Verdict

BIRTH: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPEN: Final = ("planned", "deferred")
STEPS: Final = 220
ROWS: Final = 10
BATCH: Final = 4
#: Ids of batches from here on hold fallbacks; below, from 100 on, retries.
FIRST_OF_FALLBACKS: Final = 10_000


class Violation(AssertionError):
    """An invariant does not hold."""


class Broken(Exception):
    """The connection was lost around a commit."""


@dataclass
class Row:
    id: int
    batch: int
    state: str = "planned"
    reason: str = ""
    uncertain: bool = False
    attempts: int = 0
    consents: bool = True
    channel: str = "email"


@dataclass
class Batch:
    id: int
    due_at: datetime
    state: str = "ready"
    lease_until: datetime = BIRTH
    fence: int = 0
    in_hand: tuple[int, ...] = ()
    inherited: int = 0


@dataclass
class Lease:
    batch: int
    fence: int
    #: Of the account, when the batch was taken.
    rests: int = 0


@dataclass
class Line:
    """An outcome in a worker's memory, with what the row was when it was taken in hand."""

    id: int
    old: tuple[str, str]
    verdict: Verdict
    outcome: Outcome


@dataclass
class Peer:
    """The provider: what it took, and how it answers."""

    taken: Tally[int] = field(default_factory=Tally)
    #: Hand-overs after which it said that it did not take the message.
    refused: Tally[int] = field(default_factory=Tally)


@dataclass
class Account:
    """How the one account stands."""

    state: str = "active"
    rests: int = 0
    rest_until: datetime = BIRTH

    def is_usable(self, now: datetime) -> bool:
        return self.state == "active" and self.rest_until <= now


class Simulation:
    """One run of one campaign under one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        #: The database's clock, which may jump, and the hosts', which only measure.
        self.now = BIRTH
        self.monotonic = 0.0
        self.policy = self.random.choice(["resend", "hold"])
        self.rate = self.random.choice([0, 0, 30])
        #: Like the real one, with the database's time in seconds.
        self.bucket: Any = None
        self.state = "running"
        self.peer = Peer()
        self.account = Account()
        self.counters: Tally[tuple[str, str, str, str, str]] = Tally()
        self.rows = {id_: Row(id=id_, batch=1 + (id_ - 1) // BATCH) for id_ in range(1, ROWS + 1)}
        self.batches = {id_: Batch(id=id_, due_at=BIRTH) for id_ in {row.batch for row in self.rows.values()}}
        self.counters["state", "email", "bg", "planned", ""] = ROWS
        #: Every (id, fence) that a commit put into a hand: nothing else may ever be handed over.
        self.committed: set[tuple[int, int]] = set()
        self.calm = False
        self.trace: list[str] = []

    # --- transactions: each method is one, and takes effect as a whole or not at all ---

    def take_batch(self) -> Lease | None:
        from outreach.delivery import pacing, verdicts

        if self.state != "running" or not self.account.is_usable(self.now):
            return None
        due = [batch for batch in self.batches.values() if self._is_free(batch) and batch.due_at <= self.now]
        if not due:
            return None
        batch = self.random.choice(sorted(due, key=lambda each: each.id))
        lost = batch.in_hand
        self._lease(batch, pacing.LEASE)
        if lost:
            self._inherit(batch, lost, is_running=True)
            if verdicts.is_parked(batch.inherited):
                batch.state = "parked"
                return None
        return Lease(batch=batch.id, fence=batch.fence, rests=self.account.rests)

    def settle(self, lease: Lease, done: list[Line], *, limit: int, wait: float = 0.0, rest: float = 0.0) -> list[Row]:
        """The real settle's steps, in its order."""
        from outreach.delivery import pacing

        batch = self.batches[lease.batch]
        if batch.fence != lease.fence:
            raise LookupError("the fence was lost")
        for line in done:
            self._write(line)
        found = self._choose(batch, limit)
        allowed = [row for row in found if not self._hindrance(row)]
        wanted = [row for row in allowed if not row.uncertain] or allowed[:1]
        share = self._reserve(len(wanted), least=max(1, limit // 4))
        window = [wanted[position] for position in share.positions]
        batch.in_hand = tuple(row.id for row in window)
        self.committed |= {(id_, lease.fence) for id_ in batch.in_hand}
        if window:
            batch.lease_until = self.now + timedelta(seconds=pacing.LEASE)
        elif limit and self.state == "running" and not found:
            batch.state = "done"
        else:
            batch.state = "ready"
            batch.due_at = max(batch.due_at, self.now + timedelta(seconds=wait or share.wait))
        self._rest(rest, ends=bool(lease.rests) and any(line.verdict.state == "accepted" for line in done))
        return window

    def _rest(self, seconds: float, *, ends: bool) -> None:
        if seconds and self.account.rest_until <= self.now:
            self.account.rests += 1
            self.account.rest_until = self.now + timedelta(seconds=seconds)
        elif ends and not seconds:
            self.account.rests, self.account.rest_until = 0, BIRTH

    def _reserve(self, count: int, *, least: int) -> Any:
        """The real reservation's steps over one bucket."""
        from outreach.delivery import pacing

        if not self.rate or not count:
            return pacing.Share(positions=list(range(count)))
        now = self.now.timestamp()
        bucket = self.bucket or pacing.Bucket(tokens=1.0, now=now, written_at=now)
        bucket = replace(bucket, now=now)
        room = pacing.minute_room(bucket, None, rate=self.rate, is_notice=False, least=least)
        share = pacing.share_out([""] * count, {pacing.ACCOUNT: room}, least=least)
        taken = share.spent.get(pacing.ACCOUNT, 0)
        self.bucket = pacing.paid(bucket, pacing.ACCOUNT, taken, rate=self.rate) if taken else bucket
        return share

    def append_late(self, done: list[Line]) -> None:
        for line in done:
            self._evidence(line.id, line.outcome)

    def sweep(self) -> None:
        from outreach.delivery import pacing

        for batch in list(self.batches.values()):
            if self.state != "running" and batch.state == "leased" and self._has_run_out(batch):
                lost = batch.in_hand
                self._lease(batch, pacing.LEASE)
                self._inherit(batch, lost, is_running=False)
                batch.state = "ready"
        if self.state == "cancelling":
            self._close_cancelled()
        self.advance()

    def advance(self) -> None:
        from outreach.delivery.runs import settled_state

        unfinished = [batch for batch in self.batches.values() if batch.state != "done"]
        new = settled_state(
            self.state,
            is_fanned_out=True,
            unfinished=len(unfinished),
            in_hand=sum(bool(batch.in_hand) for batch in unfinished),
        )
        if new == "finished" and self._goes_on():
            return
        self.state = new or self.state

    def _goes_on(self) -> bool:
        """Whether a run without open rows goes on all the same."""
        return False

    def manage(self) -> None:
        """Somebody presses a button."""
        choices = {
            "running": ["pausing", "running", "running", "cancelling"],
            "pausing": ["running"],
            "paused": ["running", "running", "cancelling"],
        }
        self.state = self.random.choice(choices.get(self.state, [self.state]))
        self.advance()

    def pause_account(self) -> None:
        """In a transaction of its own, before the outcomes are settled."""
        self.account.state = "paused"

    def mend_account(self) -> None:
        """People heard the alert."""
        self.account = Account()

    def jump(self) -> None:
        """The database's clock is set right."""
        self.now += timedelta(minutes=self.random.choice([-90, -5, 5, 90]))

    def withdraw(self) -> None:
        self.rows[self.random.randint(1, ROWS)].consents = False

    def learn(self) -> None:
        """A provider's call-back or a reader's click tells that a message was taken; it never lies."""
        from channels.base import Outcome, OutcomeKind

        taken = sorted(id_ for id_, count in self.peer.taken.items() if count)
        if taken:
            self._evidence(self.random.choice(taken), Outcome(id="", kind=OutcomeKind.ACCEPTED))

    # --- the parts of transactions ---

    def _is_free(self, batch: Batch) -> bool:
        return batch.state == "ready" or (batch.state == "leased" and self._has_run_out(batch))

    def _has_run_out(self, batch: Batch) -> bool:
        from outreach.delivery import pacing

        is_jumped = batch.lease_until > self.now + timedelta(seconds=pacing.jumped_lease())
        return batch.lease_until < self.now or is_jumped

    def _lease(self, batch: Batch, seconds: float) -> None:
        batch.state, batch.fence = "leased", batch.fence + 1
        batch.lease_until = self.now + timedelta(seconds=seconds)

    def _inherit(self, batch: Batch, lost: tuple[int, ...], *, is_running: bool) -> None:
        from outreach.delivery import verdicts

        for id_ in lost:
            row = self.rows[id_]
            if row.state in OPEN:
                self._apply(row, verdicts.inherit(uncertain=row.uncertain, policy=self.policy, is_running=is_running))
        batch.in_hand = ()
        batch.inherited += bool(lost)

    def _choose(self, batch: Batch, limit: int) -> list[Row]:
        from outreach.delivery.verdicts import Verdict

        if self.state != "running" or not limit:
            return []
        while True:
            found = [row for row in self.rows.values() if row.batch == batch.id and row.state in OPEN][:limit]
            for row in found:
                if reason := self._hindrance(row):
                    self._apply(row, Verdict(state="skipped", reason=reason, uncertain=row.uncertain, tried=False))
            if not found or not all(self._hindrance(row) for row in found):
                return found

    def _hindrance(self, row: Row) -> str:
        """Why its person is not written to; '' where nothing keeps us from it."""
        return "" if row.consents else "unsubscribed"

    def _write(self, line: Line) -> None:
        from outreach.delivery import retry

        row = self.rows[line.id]
        if (row.state, row.reason) != line.old:
            return
        self._apply(row, line.verdict)
        if line.verdict.retry_at is not None:
            minute = retry.due_minute(line.verdict.retry_at)
            row.batch = self._retry_batch(minute).id

    def _retry_batch(self, minute: datetime) -> Batch:
        for batch in self.batches.values():
            if 100 <= batch.id < FIRST_OF_FALLBACKS and batch.due_at == minute and batch.state != "done":
                return batch
        made = Batch(id=100 + len(self.batches), due_at=minute)
        self.batches[made.id] = made
        return made

    def _apply(self, row: Row, verdict: Verdict) -> None:
        from outreach.delivery import counters

        old = (row.state, row.reason)
        row.state, row.reason, row.uncertain = str(verdict.state), str(verdict.reason), verdict.uncertain
        row.attempts += verdict.tried
        counters.moved(self.counters, channel=row.channel, language="bg", old=old, new=(row.state, row.reason))

    def _evidence(self, id_: int, outcome: Outcome) -> None:
        from outreach.delivery import counters, verdicts

        row = self.rows[id_]
        new = verdicts.resolved_by_evidence(outcome.kind, state=row.state, uncertain=row.uncertain)
        if new is not None:
            old = (row.state, row.reason)
            row.state, row.reason = str(new), ""
            counters.moved(self.counters, channel=row.channel, language="bg", old=old, new=(row.state, ""))

    def _close_cancelled(self) -> None:
        from outreach.delivery.verdicts import Verdict

        for batch in self.batches.values():
            for row in self.rows.values():
                if row.batch == batch.id and row.state in OPEN and row.id not in batch.in_hand:
                    self._apply(row, Verdict(state="cancelled", reason="run_cancelled", uncertain=row.uncertain))
            if not batch.in_hand:
                batch.state = "done"

    # --- workers ---

    def worker(self) -> Iterator[None]:
        """A worker's life, with a yield wherever another process may come in between, or death."""
        while True:
            yield
            lease = self.take_batch()
            if lease is None:
                continue
            yield
            try:
                yield from self._serve(lease)
            except LookupError:
                continue
            self.advance()

    def _serve(self, lease: Lease) -> Iterator[None]:
        from outreach.delivery import pacing, retry

        size = pacing.window_size(3, rate_per_minute=self.rate, seen_per_second=0.0)
        window = yield from self._settle_surely(lease, [], limit=size)
        while window:
            began = self.monotonic
            held = [(row.id, (row.state, row.reason), row.uncertain, row.attempts) for row in window]
            done: list[Line] = []
            trouble, rest = False, 0.0
            for id_, old, uncertain, attempts in held:
                if trouble or self.monotonic - began > pacing.LEASE / 2:
                    break
                yield  # pulled: it may stall or die here, with the message on its way
                outcome = self._hand_over(id_, lease)
                yield
                if outcome.scope == "account" and outcome.kind == "temporary":
                    trouble, rest = True, retry.rest(lease.rests, retry_after=None, jitter=self.random.random())
                elif outcome.kind == "account":
                    trouble = True
                done.append(Line(id_, old, self._judge(outcome, uncertain=uncertain, attempts=attempts), outcome))
            yield
            if trouble and not rest:
                self.pause_account()
                yield
            window = yield from self._settle_surely(lease, done, limit=0 if trouble else size, rest=rest)

    def _settle_surely(
        self, lease: Lease, done: list[Line], *, limit: int, rest: float = 0.0
    ) -> Generator[None, None, list[Row]]:
        """As the engine does: through broken connections, with the outcomes in memory. Returns the next window."""
        before = self.batches[lease.batch].in_hand
        while True:
            fate = "fine" if self.calm else self.random.choices(["fine", "lost", "applied"], [20, 1, 1])[0]
            try:
                if fate == "lost":
                    raise Broken
                window = self.settle(lease, done, limit=limit, rest=rest)
                if fate == "applied":
                    raise Broken
            except Broken:
                yield
                batch = self.batches[lease.batch]
                if batch.fence == lease.fence and done and batch.in_hand != before:
                    done = []
            except LookupError:
                self.append_late(done)
                raise
            else:
                return window

    def _hand_over(self, id_: int, lease: Lease) -> Outcome:
        from channels.base import Outcome, OutcomeKind

        if (id_, lease.fence) not in self.committed:
            raise Violation(f"{id_} was handed over before a commit put it in hand")
        kinds = (
            ["accepted"] if self.calm else ["accepted"] * 12 + ["temporary", "away", "permanent", "unknown", "account"]
        )
        drawn = self.random.choice(kinds)
        kind = OutcomeKind("temporary" if drawn == "away" else drawn)
        is_taken = kind is OutcomeKind.ACCEPTED or (kind is OutcomeKind.UNKNOWN and self.random.random() < 0.5)
        self.peer.taken[id_] += is_taken
        self.peer.refused[id_] += not is_taken
        most = 1 if self.policy == "hold" else 2
        if self.peer.taken[id_] > most:
            raise Violation(f"{id_} was taken {self.peer.taken[id_]} times under {self.policy}")
        return Outcome(id=str(id_), kind=kind, scope="account" if drawn == "away" else "message")

    def _judge(self, outcome: Outcome, *, uncertain: bool, attempts: int) -> Verdict:
        from outreach.delivery import verdicts

        case = verdicts.Case(
            uncertain=uncertain,
            attempts=attempts,
            policy=self.policy,
            now=self.now,
            give_up_at=BIRTH + verdicts.GIVE_UP_AFTER,
            jitter=self.random.random(),
        )
        return verdicts.judge(outcome, case)

    # --- the scheduler ---

    def play(self) -> None:
        """Let everybody take turns, then let calm return, and check what came of it."""
        workers = [self.worker() for _ in range(3)]
        others = self._others()
        for _ in range(STEPS):
            self._pass(self.random.choice([0, 0, 1, 1, 5, 20, 70]))
            turn = self.random.random()
            if turn < 0.04:
                workers[self.random.randrange(3)] = self.worker()  # killed; its successor knows nothing
            elif turn < 0.045:
                self.jump()
            elif turn < 0.18:
                self.random.choice(others)()
            else:
                next(self.random.choice(workers))
            self._check_always()
        self._let_calm_return()
        self._check_end()

    def _others(self) -> list[Callable[[], None]]:
        """Whose turns come beside the workers'."""
        usual = [self.sweep, self.sweep, self.manage, self.withdraw, self.learn]
        return [*usual, self.mend_account, self.mend_account]

    def _pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.monotonic += seconds

    def _let_calm_return(self) -> None:
        self.calm = True
        self.now = max(self.now, BIRTH) + timedelta(hours=2)  # clocks are right again
        self.mend_account()
        worker = self.worker()  # all others died
        for _ in range(4000):
            if self.state in {"finished", "cancelled"}:
                return
            self._pass(30 if self.state == "running" else 61)
            if self.state == "paused":
                self.state = "running"
            for batch in self.batches.values():
                if batch.state == "parked":
                    batch.state, batch.inherited = "ready", 0  # people looked at it
            next(worker)
            self.sweep()
        raise Violation(f"the run never ended: {self.state}, {list(self.batches.values())}")

    def _check_always(self) -> None:
        rows: Tally[tuple[str, str, str, str, str]] = Tally(
            ("state", row.channel, "bg", row.state, row.reason) for row in self.rows.values()
        )
        if rows != +self.counters:
            raise Violation(f"counters {+self.counters} differ from the rows {rows}")
        for row in self.rows.values():
            if row.state in OPEN and self.batches[row.batch].state == "done":
                raise Violation(f"{row} is open in a batch that is done")

    def _check_end(self) -> None:
        """No row is open, and what each says is what the peer knows."""
        for row in self.rows.values():
            taken = self.peer.taken[row.id]
            expected = {
                "accepted": {1, 2} if row.uncertain else {1},
                "rejected": {0, 1} if row.uncertain else {0},
                "skipped": {0, 1} if row.uncertain else {0},
                "cancelled": {0, 1} if row.uncertain else {0},
                "unknown": {0, 1, 2},
            }
            if taken not in expected.get(row.state, set()):
                raise Violation(f"{row} at the end, but the peer took it {taken} times")


def replay(seed: int) -> Simulation:
    """Play one seed; a failure says which."""
    simulation = Simulation(seed)
    try:
        simulation.play()
    except Violation as err:
        raise Violation(f"seed {seed}: {err} (again: python -m tests.delivery.simulation {seed} 1)") from err
    return simulation


def replay_all(seeds: Iterable[int]) -> set[str]:
    """Play many; the states that their runs ended in."""
    return {replay(seed).state for seed in seeds}


def main(play_all: Callable[[Iterable[int]], object] = replay_all) -> None:
    first, count = (int(text) for text in [*sys.argv[1:], "0", "1000"][:2])
    began = time.monotonic()
    play_all(range(first, first + count))
    seconds = time.monotonic() - began
    sys.stdout.write(f"{count} seeds hold, {count / seconds * 60:.0f} a minute\n")


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
    django.setup()
    main()
