"""A small world for the ledger's tests: an organisation, people, a frozen plan, and a peer that keeps what it got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.base import Account as PlainAccount
from channels.base import Capabilities, Message, Session
from channels.memory import Box, Memory
from outreach.audience.models import Address, Subscriber, Subscription, Topic
from outreach.campaigns.models import Campaign, Run
from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import CampaignState, Channel, RunKind
from outreach.delivery.connection import connect, identity
from outreach.delivery.engine import Door, Engine
from outreach.delivery.fanout import Size, fan_out
from outreach.delivery.models import Delivery
from outreach.delivery.render import Recipient, RenderingFailed

SALT = b"sixteen bytes ok"


@dataclass
class PlainRenderer:
    """Renders nothing but who and what, and fails for those it is told to."""

    run: int
    fails_for: set[str] = field(default_factory=set)

    def render(self, recipient: Recipient) -> Message:
        if recipient.to in self.fails_for:
            raise RenderingFailed
        public_id = f"{self.run}-{recipient.delivery}"
        return Message(id=public_id, to=recipient.to, text=f"{recipient.language} {recipient.variant}".strip())


class World:
    """What a test of the ledger needs; everything goes through the real code and a real PostgreSQL."""

    def __init__(self) -> None:
        self.council = Organisation.objects.create(slug="council")
        self.organisation = Organisation.objects.create(slug="ministry", parent=self.council)
        self.topic = Topic.objects.create(organisation=self.organisation, slug="services")
        self.accounts = {channel: self.account(channel) for channel in ("email", "sms", "social", "feed")}
        self.memory = Memory()
        self.fails_for: set[str] = set()
        self.window = 100
        self.timeout = 10.0
        self.paused: list[tuple[int, str]] = []

    # --- people ---

    def account(self, channel: str, **fields: Any) -> Account:
        policy = "resend" if channel == "email" else "hold"
        key = f"key-{channel}-{len(fields)}"
        values = {"name": channel, "adapter": "memory", "unknown_policy": policy, "hook_key": key, **fields}
        return Account.objects.create(organisation=self.council, channel=channel, **values)

    def people(
        self, count: int, *, channels: Iterable[str] = (Channel.EMAIL,), topic: Topic | None = None, **fields: Any
    ) -> list[Subscriber]:
        """People with an active address and a subscription on each of the channels."""
        made = Subscriber.objects.bulk_create(
            [Subscriber(organisation=self.organisation, name="Person", **fields) for _ in range(count)]
        )
        for channel in channels:
            Address.objects.bulk_create([self._address(person, channel) for person in made])
            self.subscribe(made, channel, topic=topic)
        return made

    def subscribe(self, people: Iterable[Subscriber], channel: str, *, topic: Topic | None = None) -> None:
        Subscription.objects.bulk_create(
            [Subscription(subscriber=person, topic=topic or self.topic, channel=channel) for person in people]
        )

    def add_address(self, person: Subscriber, channel: str, **fields: Any) -> Address:
        address = self._address(person, channel, **fields)
        address.save()
        return address

    def _address(self, person: Subscriber, channel: str, **fields: Any) -> Address:
        value = f"person{person.pk}@example.org" if channel == Channel.EMAIL else f"+35988{person.pk:07d}"
        return Address(
            organisation=self.organisation,
            subscriber=person,
            channel=channel,
            value=value,
            normalised=value,
            digest=address_digest(channel, value),
            **fields,
        )

    # --- runs ---

    def frozen(self, *, channels: Iterable[str] = (Channel.EMAIL,), **changes: Any) -> dict[str, Any]:
        chosen = list(channels)
        accounts = {channel: self.accounts[channel].pk for channel in chosen}
        contents = [
            {"channel": channel, "language": language, "variant": "", "account": accounts[channel]}
            for channel in chosen
            for language in ("bg", "en")
        ]
        return {
            "campaign": {"id": 0, "name": "Campaign", "goal": "knows"},
            "topics": [self.topic.pk],
            "excluded_topics": [],
            "kinds": [],
            "mode": "all",
            "channels": chosen,
            "accounts": accounts,
            "contents": contents,
            "fallback_language": "bg",
            "tracking": "aggregate",
            "holdout": 0.0,
            **changes,
        }

    def run(
        self,
        *,
        kind: str = RunKind.CAMPAIGN,
        frozen: Mapping[str, Any] | None = None,
        not_after: Any = None,
        salt: bytes = SALT,
        **changes: Any,
    ) -> Run:
        """A run that waits for its fan-out."""
        campaign = Campaign.objects.create(organisation=self.organisation, name="Campaign", state=CampaignState.RUNNING)
        with connect() as link:
            here = identity(link)
        plan = dict(frozen or self.frozen(**changes))
        return Run.objects.create(
            organisation=self.organisation,
            campaign=campaign,
            kind=kind,
            occurrence=clock.now(),
            as_of=clock.now(),
            salt=salt,
            frozen=plan,
            falls_back=bool(plan.get("fallback")),
            not_after=not_after,
            system_identifier=here.system,
            timeline=here.timeline,
        )

    def fanned_out(self, *, size: Size | None = None, **changes: Any) -> Run:
        run = self.run(**changes)
        assert fan_out(run.pk, size=size)
        run.refresh_from_db()
        return run

    # --- sending ---

    def box(self, channel: str = Channel.EMAIL) -> Box:
        return self.memory.box(str(self.accounts[channel].pk))

    def door(self, **changes: Any) -> Door:
        values: dict[str, Any] = {
            "open_session": self._open,
            "capabilities": lambda _: Capabilities(window=self.window, unknown_policy="resend", timeout=self.timeout),
            "compile_run": lambda _, run: PlainRenderer(run=run, fails_for=self.fails_for),
            "pause_account": self._pause,
            **changes,
        }
        return Door(**values)

    def engine(self, **changes: Any) -> Engine:
        return Engine(self.door(**changes))

    def send_all(self, lane: str = "campaigns", **changes: Any) -> int:
        """Serve batches until none waits; how many there were."""
        served = 0
        with self.engine(**changes) as engine:
            while engine.serve_next(lane):
                served += 1
        return served

    def _open(self, account: int) -> Session:
        return self.memory.open(PlainAccount(id=str(account), adapter="memory", name="memory"))

    def _pause(self, account: int, trouble: str) -> None:
        self.paused.append((account, trouble))
        Account.objects.filter(pk=account).update(state="paused", trouble=trouble)


def campaign_of(run: Run) -> Campaign:
    """The campaign that every run but those of notices has."""
    assert run.campaign is not None
    return run.campaign


def fates(run: Run) -> dict[tuple[str, str, str], int]:
    """(channel, state, reason) -> rows, counted from the rows."""
    found: dict[tuple[str, str, str], int] = {}
    for key in Delivery.objects.filter(run=run).values_list("channel", "state", "reason"):
        found[key] = found.get(key, 0) + 1
    return found


def make_due(run: Run) -> None:
    """Let the time of every waiting batch have come."""
    with connect() as link:
        link.execute(
            "UPDATE outreach_batch SET due_at = clock_timestamp() - interval '1 day' - id * interval '1 second'"
            " WHERE run_id = %s",
            [run.pk],
        )


def let_leases_run_out() -> None:
    """What a minute of silence does."""
    with connect() as link:
        link.execute("UPDATE outreach_batch SET lease_until = clock_timestamp() - interval '1 second'")
