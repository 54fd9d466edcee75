"""Who withdraws during a blast is written to no more: doors of readers, the real engine, and an SMTP peer's record.

Whoever the peer has just got a message for, somebody else withdraws: while a window is in hand, and the next one's
statement has not begun. So the law is exact: a message reaches its recipient if and only if it had by then, or was in
hand.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import cycle
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from channels.smtp import Smtp
from outreach.audience.models import Address, Consent
from outreach.campaigns.models import Run
from outreach.core.models import Account
from outreach.delivery import tokens
from outreach.delivery.check import check_ledger
from outreach.delivery.letters import signature_of
from outreach.delivery.models import Delivery
from outreach.delivery.render import compile_run
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.replies import take_mail
from tests.channels.smtp_peer import MailServer, mail_server
from tests.delivery.world import World, fates

PEOPLE, WINDOW = 120, 15


class Heard(list[tuple[str, bytes]]):
    """The peer's record, which says when something is added: in the peer's thread, before it answers."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear

    def append(self, message: tuple[str, bytes]) -> None:
        super().append(message)
        self._hear(message[0])


@dataclass
class Withdrawals:
    """Withdraws somebody at every second message that arrives, by each door in its turn."""

    run: Run
    account: Account
    chance: random.Random = field(default_factory=lambda: random.Random(9))
    #: Address -> whether the message had arrived, or was in hand, when its person withdrew.
    expected: dict[str, bool] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)
    doors: Iterator[Callable[[Delivery, str], None]] = field(init=False)

    def __post_init__(self) -> None:
        self.doors = cycle([self._one_click, self._page, self._preferences, self._reply, self._mailto])
        people = Delivery.objects.filter(run=self.run).select_related("address")
        self.waiting = {row.address.value: row for row in people if row.address}

    def hear(self, recipient: str) -> None:
        self.arrived.add(recipient)
        if len(self.arrived) % 2:
            return
        address = self.chance.choice(sorted(self.waiting))
        delivery = self.waiting.pop(address)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM outreach_batch WHERE %s = ANY (in_hand)", [delivery.id])
            in_hand = cursor.fetchone()[0] == 1
        self.expected[address] = address in self.arrived or in_hand
        next(self.doors)(delivery, address)
        connection.close()  # this thread's own

    def _token(self, delivery: Delivery) -> str:
        return tokens.make(
            Token(kind=TokenKind.PERSON, run=self.run.pk, delivery=delivery.id, channel="email", language="bg")
        )

    def _one_click(self, delivery: Delivery, address: str) -> None:
        self._post(f"/u/{self._token(delivery)}", {"List-Unsubscribe": "One-Click"})

    def _page(self, delivery: Delivery, address: str) -> None:
        self._post(f"/u/{self._token(delivery)}", {"scope": "all"})

    def _preferences(self, delivery: Delivery, address: str) -> None:
        self._post(f"/p/{self._token(delivery)}", {"language": "bg"})

    def _post(self, path: str, form: dict[str, str]) -> None:
        assert Client().post(path, form).status_code == 200

    def _reply(self, delivery: Delivery, address: str) -> None:
        self._write(address, "Re: Новини", "unsubscribe\n")

    def _mailto(self, delivery: Delivery, address: str) -> None:
        """What a mail program writes from another of the person's addresses; the header is that of a message's own."""
        public_id = f"{self.run.pk}-{delivery.id}"
        self._write("other@reader.example", f"unsubscribe:{public_id}.{signature_of(public_id)}@example.org", "")

    def _write(self, sender: str, subject: str, text: str) -> None:
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = sender, "news@example.org", subject
        letter["Message-ID"] = f"<{len(self.expected)}@reader.example>"
        letter.set_content(text)
        assert take_mail(self.account, letter.as_bytes()) is not None


@pytest.fixture
def peer() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def contents(world: World) -> list[dict[str, Any]]:
    text = {"channel": "email", "language": "bg", "variant": "", "format": "markdown", "subject": "Новини", "body": "Х"}
    return [{**text, "account": world.accounts["email"].pk}]


def test_a_withdrawal_holds_from_the_next_window_on(world: World, peer: MailServer) -> None:
    world.people(PEOPLE)
    world.window = WINDOW
    organisation = {"id": 1, "slug": "ministry", "name": {"en": "Ministry"}}
    run = world.fanned_out(contents=contents(world), organisation=organisation, senders={}, topic_names={})
    withdrawals = Withdrawals(run=run, account=world.accounts["email"])
    peer.messages = Heard(withdrawals.hear)

    world.send_all(
        open_session=lambda _account: Smtp().open(peer.account),
        compile_run=lambda frozen, key: compile_run(frozen, run_id=key, base_url=settings.BASE_URL),
    )

    received = [recipient for recipient, _content in peer.messages]
    withdrew = withdrawals.expected
    assert {address: address in received for address in withdrew} == withdrew
    everybody = set(Address.objects.values_list("value", flat=True))
    assert sorted(received) == sorted(everybody - {address for address, got in withdrew.items() if not got})
    kept_out = sum(not got for got in withdrew.values())
    assert fates(run) == {("email", "accepted", ""): len(received), ("email", "skipped", "unsubscribed"): kept_out}
    assert min(kept_out, sum(withdrew.values())) > 10
    sources = set(Consent.objects.filter(action="withdrawn").values_list("source", flat=True))
    assert sources == {"one_click", "page", "preferences", "stop"}
    assert check_ledger().problems == []
