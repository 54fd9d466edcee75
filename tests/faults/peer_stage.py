"""Where the peer's faults play: a run of 300 over a faulty peer, two worker processes at a time, time moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from outreach.campaigns.models import Run
from outreach.core.access import Actor
from outreach.core.models import Account
from outreach.core.vocabulary import Role
from outreach.delivery.accounts import change_account, resume_account
from tests.delivery.world import make_due
from tests.faults.armed import DONE
from tests.faults.compare import Comparison, compare
from tests.faults.faulty_peer import FaultyPeer
from tests.faults.stage import Stage

#: A run whose account rests, whose rows are put off and whose peer breaks off again and again ends within so many.
ROUNDS: Final = 60
PROCESSES: Final = 2


class PeerStage(Stage):
    """A Stage whose accounts can be led to another peer, and whose people mend nothing unless told to."""

    def lead_to(self, peer: FaultyPeer, policy: str, **settings: Any) -> Account:
        """Let the account of this policy send to another peer; the account, as good as new."""
        account = Account.objects.get(pk=self._accounts[policy].pk)
        plain = {"security": "none", "verify": "yes", "username": "", "password": ""}
        change_account(self.actor, account, settings={**plain, "port": peer.port, **settings})
        Account.objects.filter(pk=account.pk).update(state="active", trouble="", rests=0, rest_until=None)
        account.refresh_from_db()
        return account

    def mend(self, account: Account, **settings: Any) -> None:
        """What the operator does whom the alert called."""
        account.refresh_from_db()
        change_account(self.actor, account, settings=settings)
        resume_account(self.actor, account)

    @property
    def actor(self) -> Actor:
        return Actor(organisation=self.world.organisation, roles=frozenset({Role.ADMINISTRATOR}))

    # --- time, beat and the workers ---

    def start(self, run: Run, *, verb: str = "carry_on") -> list[int]:
        """Start worker processes; their ids."""
        return [self.workers.start(verb, run.pk) for _ in range(PROCESSES)]

    def play(self, run: Run, *, verb: str = "carry_on") -> str:
        """Let workers do all that can be done now; the run's state."""
        ends = [self.end_of(pid, seconds=60) for pid in self.start(run, verb=verb)]
        assert ends == [DONE] * PROCESSES
        run.refresh_from_db()
        return run.state

    def let_time_pass(self, run: Run) -> None:
        """Rests end, leases run out, and the minute of each retry comes."""
        Account.objects.exclude(rest_until=None).update(rest_until=datetime.now(UTC) - timedelta(seconds=1))
        self.let_leases_run_out()
        make_due(run)

    def play_to_the_end(self, run: Run, *, verb: str = "carry_on") -> None:
        """Time passes until the run ends; nobody mends anything."""
        for _ in range(ROUNDS):
            if self.play(run, verb=verb) == "finished":
                return
            self.let_time_pass(run)
        raise AssertionError(f"run {run.pk} never ended: {run.state} {list(run.batches.values())}")

    # --- what came of it ---

    def compare(self, scenario: str, run: Run, peer: FaultyPeer, *, policy: str) -> Comparison:
        """The peer's record against the ledger; only whom the peer left without an answer may be doubled."""
        fates = self.fates(run)
        id_of = {f"person{fate.target.removeprefix('s:')}@example.org": fate.id for fate in fates}
        return compare(
            scenario,
            seed=peer.seed,
            policy=policy,
            audience=run.audience_count,
            fates=fates,
            taken=peer.taken(run.pk),
            cut={id_of[recipient] for recipient in peer.left},
        )
