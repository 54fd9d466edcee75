"""A whole campaign through SendGrid: the real engine and database, the official SDK, the peer's record, its webhook."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.test import Client

from outreach.audience.models import Subscriber
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Run
from outreach.campaigns.planning import create_run
from outreach.core import clock
from outreach.core.access import Actor
from outreach.core.models import Account
from outreach.core.secrets import seal
from outreach.core.vocabulary import Lane, Role
from outreach.delivery.check import check_ledger
from outreach.delivery.door import real_door
from outreach.delivery.engine import work
from outreach.delivery.fanout import Size, fan_out
from outreach.delivery.models import Delivery
from tests.channels.case_sendgrid import API_KEY, PUBLIC_KEY, as_received, sign
from tests.channels.scripted import DROP, Http, Request, ScriptedPeer, running
from tests.faults.compare import Comparison, Fate, compare

if TYPE_CHECKING:
    from tests.delivery.world import World

#: The first content prints variables and nothing else; the second asks more of a person, so it has no form.
PLAIN: Final = "Здравей, {{ subscriber.name }}! [Виж](https://gov.example/card)\n"
PERSONAL: Final = "Hello, {{ subscriber.name | upper }}! [See](https://gov.example/card)\n"
#: How many read each of them.
ALIKE: Final = 23
EACH_BY_ITSELF: Final = 6
WINDOW: Final = 10


@dataclass
class SendGridRecord:
    """What the peer took, and which request it let hang: read to its last byte, and never answered."""

    #: Whoever is named in the request to be cut off, once.
    cut_for: str = ""
    peer: ScriptedPeer = field(init=False)
    #: Delivery -> recipient, text as it would arrive, and the id of each request that named it.
    taken: dict[str, list[tuple[str, str, str, str, str]]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> object:
        body = json.loads(request.body)
        people = body["personalizations"]
        self.sizes.append(len(people))
        request_id = f"request-{len(self.sizes)}"
        for person, (to, _, subject, text, html) in zip(people, as_received(body), strict=True):
            self.taken.setdefault(person["custom_args"]["delivery"], []).append((to, subject, text, html, request_id))
        if self.cut_for in [person["to"][0]["email"] for person in people]:
            self.cut_for, self.cut = "", [person["custom_args"]["delivery"] for person in people]
            return DROP
        return Http(202, b"", {"X-Message-Id": request_id})


@contextmanager
def sendgrid(record: SendGridRecord) -> Iterator[SendGridRecord]:
    """The peer; every request that it took has to be one that SendGrid documents."""

    def recipients(request: Request) -> list[str]:
        return [str(one["to"][0]["email"]) for one in json.loads(request.body)["personalizations"]]

    with running(ScriptedPeer(record.answer, recipient=recipients, provider="sendgrid")) as peer:
        record.peer = peer
        yield record


def account_at(world: World, record: SendGridRecord, policy: str) -> Account:
    settings = {
        "sender": "Town <news@town.example>",
        "base_url": record.peer.url,
        "event_public_key": PUBLIC_KEY,
        "category": "outreach",
    }
    sealed = seal({"api_key": API_KEY})
    facts = {"settings": settings, "sealed": sealed, "unknown_policy": policy, "hook_key": "hook-key-of-sendgrid"}
    return world.account("email", adapter="sendgrid", name="SendGrid", **facts)


def people_of(world: World) -> dict[str, Subscriber]:
    """Address -> person; each has a name of their own, with what HTML and SendGrid's tags could stumble over."""
    people = world.people(ALIKE, language="bg") + world.people(EACH_BY_ITSELF, language="en")
    for number, person in enumerate(people):
        person.name = f"Ана & Ко <{number}> -{number}-"
    Subscriber.objects.bulk_update(people, ["name"])
    return {f"person{person.pk}@example.org": person for person in people}


def start(world: World, account: Account) -> Run:
    actor = Actor(organisation=world.organisation, roles=frozenset({Role.ADMINISTRATOR}))
    shared = {"channel": "email", "account": str(account.pk)}
    contents = [
        {**shared, "language": "bg", "subject": "За {{ subscriber.name }}", "body": PLAIN},
        {**shared, "language": "en", "subject": "News", "body": PERSONAL},
    ]
    audience = {"topics": [world.topic.slug]}
    campaign = create_campaign(actor, {"name": "All", "goal": "knows", "audience": audience, "contents": contents})
    run = create_run(campaign, occurrence=clock.now(), actor=actor)
    assert fan_out(run.pk, size=Size(chunk=100, batch=100))
    return run


def play(run: Run) -> Run:
    """Let the worker do all there is to do, and again when the time of what was put off has come."""
    from tests.delivery.world import make_due

    for _ in range(5):
        work(Lane.CAMPAIGNS.value, door=real_door())
        run.refresh_from_db()
        if run.state == "finished":
            return run
        make_due(run)
    raise AssertionError(f"run {run.pk} never ended: {run.state}")


def rows_of(run: Run) -> list[Delivery]:
    return list(Delivery.objects.filter(run=run).order_by("id"))


def compared(run: Run, record: SendGridRecord, policy: str) -> Comparison:
    fates = [
        Fate(id=row.public_id, target=row.target, state=row.state, reason=row.reason, uncertain=row.uncertain)
        for row in rows_of(run)
    ]
    taken = [delivery for delivery, copies in record.taken.items() for _ in copies]
    members = run.audience_count
    return compare("SendGrid", seed=0, policy=policy, audience=members, fates=fates, taken=taken, cut=record.cut)


def ledger_of(run: Run) -> dict[str, tuple[str, str]]:
    """Delivery -> whom it was for, and what the provider calls it."""
    return {row.public_id: (f"person{row.subscriber_id}@example.org", row.provider_id) for row in rows_of(run)}


def call_back(told: dict[str, str], record: SendGridRecord) -> tuple[int, int]:
    """SendGrid's signed webhook: an event about each delivery; the answers to it and to a forged one."""
    events = [
        {
            "email": record.taken[delivery][-1][0],
            "timestamp": 1_795_000_000,
            "event": word,
            "sg_event_id": f"{word}-{delivery}",
            "sg_message_id": f"{record.taken[delivery][-1][4]}.recvd-0",
            "delivery": delivery,
            **({"type": "bounce", "status": "5.1.1", "reason": "550 no such user"} if word == "bounce" else {}),
        }
        for delivery, word in told.items()
    ]
    body = json.dumps(events).encode()
    forged = _post(body.replace(b"delivered", b"spamreport"), sign(body))
    return _post(body, sign(body)), forged


def _post(body: bytes, headers: dict[str, str]) -> int:
    answer: Any = Client(headers=headers).post(
        "/hooks/hook-key-of-sendgrid/events", body, content_type="application/json"
    )
    return int(answer.status_code)


def receipts_of(run: Run) -> dict[str, str]:
    return {row.public_id: row.receipt for row in rows_of(run)}


def test_a_campaign_goes_by_personalisations_and_by_single_requests_and_its_receipts_come_back(world: World) -> None:
    people = people_of(world)
    with sendgrid(SendGridRecord()) as record:
        run = play(start(world, account_at(world, record, "resend")))

        assert Counter(record.sizes) == {10: 2, 3: 1, 1: EACH_BY_ITSELF}
        comparison = compared(run, record, "resend")
        assert (comparison.problems, comparison.doubled, comparison.flagged) == ([], [], [])
        assert comparison.accepted == len(people)
        assert ledger_of(run) == {id_: (copy[0], copy[4]) for id_, (copy,) in record.taken.items()}
        for to, subject, text, html, _ in (copy for copies in record.taken.values() for copy in copies):
            _assert_is_for(people[to], subject, text, html)

        told = dict.fromkeys(record.taken, "delivered")
        bounced = min(told)
        told[bounced] = "bounce"
        assert call_back(told, record) == (200, 400)
    assert receipts_of(run) == {**dict.fromkeys(told, "delivered"), bounced: "bounced"}
    assert check_ledger(run.campaign).problems == []


def _assert_is_for(person: Subscriber, subject: str, text: str, html: str) -> None:
    name = person.name if person.language == "bg" else person.name.upper()
    assert subject == (f"За {name}" if person.language == "bg" else "News")
    assert f", {name}!" in text
    assert f", {escape(name)}!" in html


@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_a_request_without_an_answer_leaves_only_its_own_deliveries_in_doubt(world: World, policy: str) -> None:
    first, *_ = people_of(world)  # of those who share requests
    with sendgrid(SendGridRecord(cut_for=first)) as record:
        run = play(start(world, account_at(world, record, policy)))
        in_doubt = set(record.cut)

        assert 1 < len(in_doubt) <= WINDOW
        comparison = compared(run, record, policy)
        assert (comparison.problems, set(comparison.flagged)) == ([], in_doubt)
        assert set(comparison.doubled) == (in_doubt if policy == "resend" else set())
        state = "accepted" if policy == "resend" else "unknown"
        fates = {row.public_id: (row.state, row.uncertain) for row in rows_of(run)}
        assert fates == {id_: (state, True) if id_ in in_doubt else ("accepted", False) for id_ in record.taken}
        assert {id_: to for id_, (to, _) in ledger_of(run).items()} == {
            id_: copies[0][0] for id_, copies in record.taken.items()
        }
        assert max(record.sizes) <= WINDOW

        told = dict.fromkeys(record.taken, "delivered")
        assert call_back(told, record) == (200, 400)
    assert receipts_of(run) == told
    assert {row.state for row in rows_of(run)} == {"accepted"}
    assert check_ledger(run.campaign).problems == []
