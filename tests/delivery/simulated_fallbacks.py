"""The simulation with a choice of channels: what fails, comes back or stays silent goes on by the next one.

Beside workers, sweep and manager, receipts come late or never, addresses die, people say no to a channel, and the
sweep's own commit is lost or applied unknown to it. The rule of the next channel is SQL in the product; it stands here
in Python, and `test_fallback` holds the two against each other.

`python -m tests.delivery.simulated_fallbacks [SEED] [COUNT]` runs many, or one again.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.delivery.simulation import BIRTH, FIRST_OF_FALLBACKS, ROWS, Batch, Line, Row, Simulation, Violation, main

if TYPE_CHECKING:
    from channels.base import Outcome
    from outreach.delivery.verdicts import Verdict

ORDER: Final = ("email", "sms", "push")
#: Skipped for these reasons, a message is followed: its address died before its turn.
DEAD: Final = frozenset({"unreachable", "invalid_address"})
#: The same, for the rule: a test breaks it, and the laws keep theirs.
SKIPPED_AND_FOLLOWED: set[str] | frozenset[str] = DEAD


@dataclass
class Message(Row):
    """A row of a person, by one channel."""

    person: int = 0
    fallback_of: int | None = None
    choice: str = ""
    receipt: str = ""
    born_at: datetime = BIRTH
    settled_at: datetime = BIRTH
    #: The run's state when it was made.
    born_in: str = "running"
    #: Whether it was ever to be sent.
    is_planned: bool = True


class FallbackSimulation(Simulation):
    """One run that reaches each person by one channel, and falls back."""

    rows: dict[int, Message]  # type: ignore[assignment]  # of persons, by channels

    def __init__(self, seed: int) -> None:
        from outreach.delivery.fallback import Rule

        super().__init__(seed)
        self.rule = Rule(channels=list(ORDER), after=self.random.choice([0, 10, 60]), reporting=[1])
        self.wishes = {person: self.random.choice([*ORDER, "", ""]) for person in range(1, ROWS + 1)}
        #: (person, channel) of those who said no, and of addresses that died.
        self.withdrawn: set[tuple[int, str]] = set()
        self.dead: set[tuple[int, str]] = set()
        #: What is to come back of each message that was taken; '' for nothing.
        self.coming: dict[int, str] = {}
        self.looked_at: datetime | None = None
        self.seen = 0
        #: Rows that stand in for others, as counted when they were made.
        self.fallbacks: Tally[str] = Tally()
        self.counters.clear()
        self.rows = {}
        for id_, batch in ((row.id, row.batch) for row in Simulation(seed).rows.values()):
            self._write_row(Message(id=id_, batch=batch, person=id_, channel=self._next_channel(id_)))

    # --- transactions ---

    def sweep(self) -> None:
        """As the product's, whose fallbacks are a transaction of their own, and may break around its commit."""
        fate = "fine" if self.calm else self.random.choices(["fine", "lost", "applied"], [8, 1, 1])[0]
        if fate != "lost":
            self.fall_back()
        if fate == "fine":
            super().sweep()

    def fall_back(self, *, is_ending: bool = False) -> bool:
        """The real steps under the run's lock; whether the run goes on."""
        from outreach.delivery.fallback import is_due

        if not self._may_fall_back_now():
            return False
        look = self._look()
        made = False
        if is_due(self.rule, look) or (is_ending and look.failures != look.seen):
            made = self._write_followers()
            self.seen, self.looked_at = look.failures, self.now
        if made and self.state == "finished":
            self.state = "running"
        return is_ending and (made or any(self._is_waited_for(row) for row in self.rows.values()))

    def _goes_on(self) -> bool:
        return self.fall_back(is_ending=True)

    def withdraw(self) -> None:
        self.withdrawn.add((self.random.randint(1, ROWS), self.random.choice(ORDER)))

    def die(self) -> None:
        """An address is found not to exist."""
        self.dead.add((self.random.randint(1, ROWS), self.random.choice(ORDER)))

    def receive(self) -> None:
        """A receipt comes, however late, and perhaps before our own commit."""
        from channels.base import Outcome, OutcomeKind

        known = sorted(id_ for id_, receipt in self.coming.items() if receipt)
        if not known:
            return
        row = self.rows[self.random.choice(known)]
        self._evidence(row.id, Outcome(id="", kind=OutcomeKind.ACCEPTED))
        if row.state == "accepted":
            row.receipt = self.coming[row.id]

    # --- the parts of transactions ---

    def _next_channel(self, person: int) -> str:
        """As fan-out and `CHOOSE_NEXT` choose: a channel without a row that works, the wish before the order."""
        used = {row.channel for row in self.rows.values() if row.person == person}
        left = [channel for channel in ORDER if channel not in used]
        if not left:
            raise Violation(f"no channel is left for another message to {person}")
        return min(
            left,
            key=lambda channel: (
                bool(self._hindered(person, channel)),
                channel != self.wishes[person],
                ORDER.index(channel),
            ),
        )

    def _hindered(self, person: int, channel: str) -> str:
        if (person, channel) in self.withdrawn:
            return "unsubscribed"
        return "invalid_address" if (person, channel) in self.dead else ""

    def _hindrance(self, row: Row) -> str:
        return self._hindered(self.rows[row.id].person, row.channel)

    def _write_row(self, row: Message) -> None:
        self.rows[row.id] = row
        self.counters["state", row.channel, "bg", row.state, row.reason] += 1

    def _write_followers(self) -> bool:
        """One row for each failed message; whether any is to be sent."""
        failed = [(row, why) for row in list(self.rows.values()) if (why := self.why_it_failed(row))]
        made = [self._follow(row, why) for row, why in failed]
        planned = [row for row in made if row.is_planned]
        if planned:
            batch = Batch(id=FIRST_OF_FALLBACKS + len(self.batches), due_at=self.now)
            self.batches[batch.id] = batch
            for row in planned:
                row.batch = batch.id
        return bool(planned)

    def _follow(self, failed: Message, why: str) -> Message:
        channel = self._next_channel(failed.person)
        reason = self._hindered(failed.person, channel)
        row = Message(
            id=max(self.rows) + 1,
            batch=0,
            person=failed.person,
            channel=channel,
            fallback_of=failed.id,
            choice=why,
            born_at=self.now,
            born_in=self.state,
            is_planned=not reason,
            state="skipped" if reason else "planned",
            reason=reason,
        )
        self._write_row(row)
        self.fallbacks[channel] += 1
        return row

    # --- the rule, as FIND_FAILED has it ---

    def why_it_failed(self, row: Message) -> str:
        """What the message came to, where another channel follows it now; '' where none does."""
        if not self._may_be_followed(row):
            return ""
        if row.state == "rejected" or (row.state == "skipped" and row.reason in SKIPPED_AND_FOLLOWED):
            return f"{row.state}:{row.reason}"
        if row.state == "accepted" and row.receipt == "bounced":
            return "bounced"
        return f"silence:{self.rule.after}" if self._is_silent(row) and self._is_overdue(row) else ""

    def _may_be_followed(self, row: Message) -> bool:
        has_channel = sum(other.person == row.person for other in self.rows.values()) < len(self.rule.channels)
        is_young = row.born_at > self.now - timedelta(hours=self.rule.hours)
        return row.is_planned and self._is_certain(row) and has_channel and is_young and not self._is_followed(row)

    def _is_certain(self, row: Message) -> bool:
        return not row.uncertain

    def _is_followed(self, row: Message) -> bool:
        return any(other.fallback_of == row.id for other in self.rows.values())

    def _is_silent(self, row: Message) -> bool:
        return self.rule.after > 0 and row.state == "accepted" and not row.receipt

    def _is_overdue(self, row: Message) -> bool:
        return row.settled_at <= self.now - timedelta(minutes=self.rule.after)

    def _is_waited_for(self, row: Message) -> bool:
        return self._may_be_followed(row) and self._is_silent(row) and not self._is_overdue(row)

    def _may_fall_back_now(self) -> bool:
        return self.state in {"running", "finished"}

    def _look(self) -> Any:
        """What the counters say, which are the rows' (`_check_always`)."""
        from outreach.delivery.fallback import Look

        rows = self.rows.values()
        failed = sum(row.state == "rejected" or (row.state == "skipped" and row.reason in DEAD) for row in rows)
        return Look(
            failures=failed + sum(row.receipt == "bounced" for row in rows),
            seen=self.seen,
            silent=sum(row.state == "accepted" and not row.receipt for row in rows),
            audience=ROWS,
            since=None if self.looked_at is None else (self.now - self.looked_at).total_seconds(),
        )

    def _write(self, line: Line) -> None:
        super()._write(line)
        self._note_settled(line.id)

    def _apply(self, row: Row, verdict: Verdict) -> None:
        was = row.state
        super()._apply(row, verdict)
        if was != "accepted":
            self._note_settled(row.id)

    def _evidence(self, id_: int, outcome: Outcome) -> None:
        was = self.rows[id_].state
        super()._evidence(id_, outcome)
        if was != "accepted":
            self._note_settled(id_)

    def _note_settled(self, id_: int) -> None:
        row = self.rows[id_]
        if row.state == "accepted" and row.settled_at == BIRTH:
            row.settled_at = self.now

    # --- the scheduler, and the laws ---

    def _others(self) -> list[Callable[[], None]]:
        return [*super()._others(), self.receive, self.receive, self.die]

    def _let_calm_return(self) -> None:
        """A receipt that came last may have reopened the run: it ends when a sweep finds nothing any more."""
        for _ in range(3 * ROWS):
            super()._let_calm_return()
            self._pass(61)
            self.sweep()
            if self.state != "running":
                return
        raise Violation("the run is reopened for ever")

    def _hand_over(self, id_: int, lease: Any) -> Outcome:
        outcome = super()._hand_over(id_, lease)
        if self.peer.taken[id_] and id_ not in self.coming:
            self.coming[id_] = self.random.choice(["delivered", "delivered", "bounced", ""])
        self._check_not_twice(id_)
        return outcome

    def _check_not_twice(self, id_: int) -> None:
        """Nobody gets it by a second channel, unless the first refused, returned, or was silent long enough."""
        row = self.rows[id_]
        while row.fallback_of is not None:
            row = self.rows[row.fallback_of]
            is_told = row.receipt == "bounced"
            if self.peer.taken[row.id] and not is_told and not self._was_silent(row):
                raise Violation(f"{self.rows[id_]} goes to somebody who got {row}")

    def _was_silent(self, row: Message) -> bool:
        follower = next(other for other in self.rows.values() if other.fallback_of == row.id)
        waited = follower.born_at - row.settled_at
        return self.rule.after > 0 and row.state == "accepted" and waited >= timedelta(minutes=self.rule.after)

    def _check_always(self) -> None:
        super()._check_always()
        self._check_members()
        for row in self.rows.values():
            if row.fallback_of is not None:
                self._check_follower(row, self.rows[row.fallback_of])

    def _check_members(self) -> None:
        primary = Tally(row.person for row in self.rows.values() if row.fallback_of is None)
        if primary != Tally(range(1, ROWS + 1)):
            raise Violation(f"not one primary row for each member: {primary}")
        places = Tally((row.person, row.channel) for row in self.rows.values())
        followed = Tally(row.fallback_of for row in self.rows.values() if row.fallback_of is not None)
        if max(places.values()) > 1 or max(followed.values(), default=1) > 1:
            raise Violation(f"a message was followed twice: {places} {followed}")
        counted = Tally(row.channel for row in self.rows.values() if row.fallback_of is not None)
        if counted != self.fallbacks:
            raise Violation(f"fallbacks are counted as {self.fallbacks}, but there are {counted}")

    def _check_follower(self, row: Message, failed: Message) -> None:
        from outreach.delivery.choice import read_choice

        failure = read_choice(row.choice).failure
        if row.born_in not in {"running", "finished"}:
            raise Violation(f"{row} was made while the run was {row.born_in}")
        if failed.uncertain or failed.state in {"unknown", "cancelled", "planned", "deferred"}:
            raise Violation(f"{row} stands in for {failed}, which is in doubt")
        if failed.state == "skipped" and failed.reason not in DEAD:
            raise Violation(f"{row} goes to somebody who said no: {failed}")
        if failure == "silence" and not self._was_silent(failed):
            raise Violation(f"{row} did not wait for the receipt of {failed}")

    def _check_end(self) -> None:
        self._check_always()
        super()._check_end()
        late = [row for row in self.rows.values() if self.state == "finished" and self.why_it_failed(row)]
        if late:
            raise Violation(f"nothing followed {late}")


def replay(seed: int) -> FallbackSimulation:
    """Play one seed; a failure says which."""
    simulation = FallbackSimulation(seed)
    try:
        simulation.play()
    except Violation as err:
        again = f"python -m tests.delivery.simulated_fallbacks {seed} 1"
        raise Violation(f"seed {seed}: {err} (again: {again})") from err
    return simulation


def replay_all(seeds: Iterable[int]) -> set[str]:
    """Play many; the states that their runs ended in."""
    return {replay(seed).state for seed in seeds}


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
    django.setup()
    main(replay_all)
