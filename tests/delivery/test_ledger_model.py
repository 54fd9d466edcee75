"""The ledger against a model, on a real PostgreSQL: random actions by a seed, all invariants after each of them."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable

import pytest

from channels.base import (
    AccountProblem,
    ChannelError,
    Message,
    OutcomeUnknown,
    PermanentFailure,
    TemporaryFailure,
)
from outreach.audience.models import Subscription
from outreach.campaigns.models import Run
from outreach.core.errors import StateConflict
from outreach.core.models import Account
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.evidence import append_evidence
from outreach.delivery.fanout import Size, fan_out
from outreach.delivery.models import Batch, Delivery
from outreach.delivery.runs import cancel_run, hold_run, pause_run, resume_run
from outreach.delivery.sweep import sweep
from tests.delivery.world import World, campaign_of, let_leases_run_out, make_due

PEOPLE = 24
STEPS = 25


class Died(BaseException):
    """The worker's process ends here."""


class Model:
    """What the peer knows, beside what the ledger says."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.channel = self.random.choice(["email", "sms"])
        self.people = world.people(PEOPLE, channels=[self.channel])
        world.window = self.random.choice([1, 3, 7])
        self.run = world.run(channels=[self.channel])
        self.taken: Counter[int] = Counter()
        self.withdrawn_before: set[int] = set()
        self.may_die = True
        world.box(self.channel).decide = self.answer
        self.link = connect()

    def answer(self, message: Message) -> BaseException | None:
        """The peer's answer; it looks first whether a commit put the message in hand."""
        id_ = int(message.id.rpartition("-")[2])
        hand = self.link.execute("SELECT 1 FROM outreach_batch WHERE %s = ANY (in_hand)", [id_]).fetchone()
        assert hand, f"{id_} was handed over and is in no hand"
        person = Delivery.objects.get(run=self.run, id=id_).subscriber_id
        assert person not in self.withdrawn_before, f"{person} had withdrawn before the window"
        error = self._draw()
        self.taken[id_] += error is None or isinstance(error, OutcomeUnknown | Died)
        assert self.taken[id_] <= (2 if self.channel == "email" else 1)
        return error

    def _draw(self) -> BaseException | None:
        if not self.may_die:
            return None
        odds: list[tuple[ChannelError | Died | None, int]] = [
            (None, 30),
            (Died(), 2),
            (OutcomeUnknown("cut"), 2),
            (TemporaryFailure("later"), 3),
            (PermanentFailure("no", reason="unknown_recipient"), 2),
            (AccountProblem("quota"), 1),
        ]
        return self.random.choices([answer for answer, _ in odds], [weight for _, weight in odds])[0]

    # --- actions ---

    def serve(self) -> None:
        self.withdrawn_before = set(
            Subscription.objects.filter(state="unsubscribed").values_list("subscriber_id", flat=True)
        )
        with contextlib.suppress(Died), self.world.engine() as engine:
            engine.serve_next("campaigns")

    def fan_out(self) -> None:
        fan_out(self.run.pk, size=Size(chunk=10, batch=5))

    def withdraw(self) -> None:
        person = self.random.choice(self.people)
        Subscription.objects.filter(subscriber=person).update(state="unsubscribed")

    def press(self) -> None:
        verbs: list[Callable[[int], object]] = [pause_run, resume_run, resume_run, lambda run: hold_run(run, {})]
        if self.random.random() < 0.1:
            verbs = [cancel_run]
        with contextlib.suppress(StateConflict):
            self.random.choice(verbs)(self.run.pk)

    def wait(self) -> None:
        let_leases_run_out()
        make_due(self.run)

    def mend_accounts(self) -> None:
        Account.objects.update(state="active")

    def learn(self) -> None:
        known = sorted(id_ for id_, count in self.taken.items() if count)
        if known:
            append_evidence(self.run.pk, self.random.choice(known), kind="accepted")

    def sweep(self) -> None:
        sweep()

    def step(self) -> None:
        actions = [self.serve] * 6 + [
            self.fan_out,
            self.withdraw,
            self.press,
            self.wait,
            self.wait,
            self.mend_accounts,
            self.learn,
            self.sweep,
        ]
        self.random.choice(actions)()

    # --- what must hold ---

    def check(self) -> None:
        found = check_ledger(self.run.campaign)
        assert (found.problems, found.counters_equal) == ([], True)
        self.run.refresh_from_db()
        assert self.run.state == campaign_of(self.run).state

    def finish(self) -> None:
        """Calm returns: nobody dies, everything is due, people press go."""
        self.may_die = False
        for _ in range(60):
            if self.run.state in {"finished", "cancelled"}:
                break
            self.mend_accounts()
            self.wait()
            Batch.objects.filter(state="parked").update(state="ready", inherited=0)
            if self.run.state in {"paused", "held"}:
                resume_run(self.run.pk)
            self.fan_out()
            self.serve()
            sweep()
            self.check()
        assert self.run.state in {"finished", "cancelled"}

    def check_end(self) -> None:
        rows = list(Delivery.objects.filter(run=self.run))
        if self.run.state == "finished":
            assert sorted(row.subscriber_id or 0 for row in rows) == sorted(person.pk for person in self.people)
        for row in rows:
            taken = self.taken[row.id]
            if row.state == "accepted":
                assert 1 <= taken <= (2 if row.uncertain else 1)
            elif row.state != "unknown":
                assert taken <= int(row.uncertain)


@pytest.mark.parametrize("seed", range(6))
def test_the_invariants_hold_after_every_action(world: World, seed: int) -> None:
    model = Model(world, seed)
    model.fan_out()
    try:
        for _ in range(STEPS):
            model.step()
            model.check()
        model.finish()
        model.check_end()
    finally:
        model.link.close()
    assert campaign_of(Run.objects.get(pk=model.run.pk)).state in {"finished", "cancelled"}
