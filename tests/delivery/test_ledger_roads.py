"""The ledger against a model where rows have several roads: two accounts of a channel, and a next channel.

Random actions by a seed on a real PostgreSQL, as in `test_ledger_model`: accounts fail, are paused and mended, messages
come back after they were accepted, and all the invariants hold after each step. Nobody is lost, and nobody gets twice
what may have arrived.
"""

from __future__ import annotations

import os
from functools import partial

import pytest

from channels.base import Message, OutcomeUnknown
from outreach.campaigns.models import Run
from outreach.core.models import Account
from outreach.core.vocabulary import Receipt
from outreach.delivery.evidence import set_receipts
from outreach.delivery.models import Delivery
from tests.delivery.test_ledger_model import STEPS, Died, Model
from tests.delivery.world import World, campaign_of

#: More by OUTREACH_MODEL_SEEDS=50.
SEEDS = int(os.environ.get("OUTREACH_MODEL_SEEDS", "3"))


class Roads(Model):
    """A run of the mode `preferred` that falls back, over two accounts of e-mail and one of SMS."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world, seed)
        self.channel = "email"
        second = world.account("email", name="second", weight=self.random.choice([0, 1, 3]))
        self.accounts = [world.accounts["email"], second, world.accounts["sms"]]
        people = world.people(12, channels=("email", "sms"))
        self.people = [*self.people, *people]
        frozen = world.frozen(channels=("email", "sms"), mode="preferred", fallback={"after": None}, senders={})
        for content in frozen["contents"]:
            content["pooled"] = content["channel"] == "email"
        frozen["pools"] = {"email": [[account.pk, account.weight] for account in self.accounts[:2]]}
        self.run.delete()
        self.run = world.run(frozen=frozen)
        #: Delivery -> the account that may have got it: no other may be asked after that.
        self.doubted: dict[int, int] = {}
        self.bounced: set[int] = set()
        for account in self.accounts:
            world.memory.box(str(account.pk)).decide = partial(self.answer_of, account.pk)

    def answer_of(self, account: int, message: Message) -> BaseException | None:
        id_ = int(message.id.rpartition("-")[2])
        row = Delivery.objects.get(run=self.run, id=id_)
        assert row.account_id == account
        assert self.doubted.get(id_, account) == account, f"{id_} went to another account after an unknown outcome"
        if row.fallback_of:
            assert row.channel == "sms"
            assert row.fallback_of not in self.doubted
            assert self.taken[row.fallback_of] == 0 or row.fallback_of in self.bounced
        self.channel = row.channel
        error = self.answer(message)
        if isinstance(error, OutcomeUnknown | Died):
            self.doubted[id_] = account
        return error

    def come_back(self) -> None:
        """A message that was accepted is returned."""
        rows = Delivery.objects.filter(run=self.run, state="accepted", receipt="", uncertain=False)
        ids = sorted(rows.values_list("id", flat=True))
        if ids:
            chosen = self.random.choice(ids)
            self.bounced.add(chosen)
            set_receipts(self.run.pk, {chosen: Receipt.BOUNCED})

    def break_account(self) -> None:
        """Its provider is away, for a while or until somebody mends it."""
        account = self.random.choice(self.accounts).pk
        if self.random.random() < 0.5:
            Account.objects.filter(pk=account).update(state="paused", trouble="away")
            return
        self.link.execute(
            "UPDATE outreach_account SET rests = 3, rest_until = clock_timestamp() + interval '1 hour' WHERE id = %s",
            [account],
        )

    def mend_accounts(self) -> None:
        Account.objects.update(state="active", rests=0, rest_until=None)

    def sweep(self) -> None:
        Run.objects.filter(pk=self.run.pk).update(fallback_at=None)
        super().sweep()

    def step(self) -> None:
        more = [self.come_back, self.break_account, self.break_account, self.sweep, self.sweep]
        if self.random.random() < 0.4:
            self.random.choice(more)()
        else:
            super().step()

    def check_end(self) -> None:
        rows = list(Delivery.objects.filter(run=self.run))
        if self.run.state == "finished":
            first = sorted(row.subscriber_id or 0 for row in rows if row.fallback_of is None)
            assert first == sorted(person.pk for person in self.people)
        for row in rows:
            taken = self.taken[row.id]
            if row.state == "accepted":
                assert 1 <= taken <= (2 if row.uncertain else 1)
            elif row.state != "unknown":
                assert taken <= int(row.uncertain)
        followed = {row.fallback_of for row in rows if row.fallback_of}
        if self.run.state == "finished":  # whoever failed without doubt was followed, by a message or by its reason
            failed = {
                row.id for row in rows if row.state == "rejected" and not row.uncertain and row.channel == "email"
            }
            assert failed | (self.bounced & {row.id for row in rows if row.channel == "email"}) <= followed

    def finish(self) -> None:
        super().finish()
        self.sweep()
        super().finish()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_invariants_hold_on_every_road(world: World, seed: int) -> None:
    model = Roads(world, seed)
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
