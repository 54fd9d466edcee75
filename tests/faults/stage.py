"""Where the failpoints' cases play: the tests' database, a real SMTP peer, and worker processes with a failpoint armed.

Time is moved by hand: a lease runs out when a case says so, a batch's minute comes when it is asked for.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from outreach.audience.models import Subscription
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Run
from outreach.campaigns.planning import create_run
from outreach.core import clock
from outreach.core.access import Actor
from outreach.core.models import Account
from outreach.core.vocabulary import Role
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.fanout import Size, fan_out
from outreach.delivery.models import Batch, Delivery, DigestItem
from outreach.delivery.runs import resume_run
from tests.channels.smtp_peer import MailServer
from tests.delivery.world import World, make_due
from tests.faults.armed import DONE, Workers
from tests.faults.compare import Fate
from tests.road.installation import wait_until

PEOPLE: Final = 300
#: A batch holds two windows.
BATCH: Final = 100
#: Seconds that a second worker gets while the first one is stopped; it may have to wait for the first one's locks.
MEANWHILE: Final = 0.7
DELIVERY: Final = re.compile(rb"^X-Outreach-Delivery: *(\d+-\d+)", re.MULTILINE | re.IGNORECASE)
BODY: Final = "# Hello, {{ subscriber.name }}\n\n[See how](https://gov.example/card).\n"


@dataclass
class Stage:
    """What the cases share."""

    peer: MailServer
    workers: Workers
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.world.people(PEOPLE, language="en")
        self._accounts = {policy: self._account(policy) for policy in ("resend", "hold")}

    def _account(self, policy: str) -> Account:
        settings = {
            "host": "127.0.0.1",
            "port": self.peer.port,
            "security": "none",
            "sender": "Town <news@town.example>",
        }
        return self.world.account(
            "email", adapter="smtp", name=f"peer {policy}", settings=settings, unknown_policy=policy, hook_key=policy
        )

    # --- a run, and what is done to it ---

    def run(self, policy: str) -> Run:
        """A campaign to everybody that was started and not fanned out; nothing of another case is in its way."""
        self.rest()
        self.peer.messages.clear()
        Batch.objects.exclude(state="done").update(state="done")
        actor = Actor(organisation=self.world.organisation, roles=frozenset({Role.ADMINISTRATOR}))
        account = str(self._accounts[policy].pk)
        content = {"channel": "email", "language": "en", "subject": "News", "body": BODY, "account": account}
        audience = {"topics": [self.world.topic.slug]}
        campaign = create_campaign(
            actor, {"name": "Faults", "goal": "knows", "audience": audience, "contents": [content]}
        )
        return create_run(campaign, occurrence=clock.now(), actor=actor)

    def fanned_out(self, policy: str) -> Run:
        run = self.run(policy)
        assert fan_out(run.pk, size=Size(chunk=BATCH, batch=BATCH))
        return run

    def kept_for_digests(self) -> Run:
        """A campaign to everybody that is kept for each of them, whose digests' time has come."""
        chosen = Subscription.objects.filter(topic=self.world.topic)
        chosen.update(frequency=1)
        run = self.fanned_out("resend")
        chosen.update(frequency=None)  # it holds for what is sent from then on
        DigestItem.objects.filter(run=run).update(due_at=clock.now())
        Account.objects.exclude(pk=self._accounts["resend"].pk).update(is_default=False)
        run.refresh_from_db()
        return run

    def do(self, verb: str, run: Run, failpoint: str = "") -> tuple[int, str | int]:
        """Let a worker process do a verb; its id, and what became of it."""
        pid = self.workers.start(verb, run.pk, failpoint)
        return pid, self.end_of(pid)

    def end_of(self, pid: int, *, seconds: float = 30) -> str | int:
        """What becomes of a worker process: "stopped", "killed" or its exit code."""
        return wait_until(self._looks_at(pid), seconds=seconds, what=f"worker {pid} ends")[0]

    def go_on(self, pid: int, run: Run) -> None:
        """Let the stopped worker go on, past its lease and after a second worker had its chance."""
        self.let_leases_run_out()
        second = self.workers.start("carry_on", run.pk)
        looks = self._looks_at(second)
        try:
            wait_until(looks, seconds=MEANWHILE)
            is_waiting = False
        except AssertionError:  # it waits for a lock of the stopped one
            is_waiting = True
        os.kill(pid, signal.SIGCONT)
        assert self.end_of(pid) == DONE
        if is_waiting:
            assert self.end_of(second) == DONE

    def _looks_at(self, pid: int) -> Callable[[], tuple[str | int, ...]]:
        def look() -> tuple[str | int, ...]:
            found = self.workers.poll(pid)
            return () if found is None else (found,)

        return look

    def let_leases_run_out(self) -> None:
        """What a minute of silence does; a batch that a transaction works on just now is left alone."""
        with connect() as link:
            link.execute(
                "UPDATE outreach_batch SET lease_until = clock_timestamp() - interval '1 second' WHERE id IN"
                " (SELECT id FROM outreach_batch WHERE lease_until IS NOT NULL FOR UPDATE SKIP LOCKED)"
            )

    def rest(self) -> None:
        """What hours and people do for accounts in trouble."""
        Account.objects.update(state="active", trouble="", rests=0, rest_until=None)

    def recover(self, run: Run) -> None:
        """What time, beat, workers and people do, until the run ends."""
        for _ in range(20):
            run.refresh_from_db()
            if run.state in {"finished", "cancelled"}:
                return
            if run.state == "paused":
                resume_run(run.pk)
            self.rest()
            Batch.objects.filter(state="parked").update(state="ready", inherited=0)
            self.let_leases_run_out()
            make_due(run)
            assert self.do("carry_on", run)[1] == DONE
        raise AssertionError(f"run {run.pk} never ended: {run.state} {list(run.batches.values())}")

    # --- what came of it ---

    def digests_of(self, run: Run) -> list[Run]:
        """The runs of digests that tell what this campaign said."""
        return list(Run.objects.filter(digests__items__run=run).distinct().order_by("pk"))

    def in_hand(self, run: Run) -> set[str]:
        hands = Batch.objects.filter(run=run).values_list("in_hand", flat=True)
        return {f"{run.pk}-{id_}" for hand in hands for id_ in hand}

    def taken(self, run: Run) -> list[str]:
        """`RUN-ID` of each message that the peer took of this run."""
        found = [DELIVERY.search(content) for _, content in list(self.peer.messages)]
        ids = [match[1].decode() for match in found if match is not None]
        return [id_ for id_ in ids if id_.startswith(f"{run.pk}-")]

    def fates(self, run: Run) -> list[Fate]:
        return [
            Fate(id=row.public_id, target=row.target, state=row.state, reason=row.reason, uncertain=row.uncertain)
            for row in Delivery.objects.filter(run=run)
        ]

    def ledger_problems(self, run: Run) -> list[str]:
        return [f"{problem.code}: {problem.message}" for problem in check_ledger(run.campaign).problems]
