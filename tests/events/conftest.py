"""A run with one delivery to a person, and what was written down about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from outreach.audience.models import Address, Subscriber, Topic
    from outreach.campaigns.models import Run
    from outreach.core.models import Account, Organisation
    from tests.channels.mail_server import MailExchange


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One message on its way to Ivana."""

    organisation: Organisation
    topic: Topic
    other_topic: Topic
    account: Account
    run: Run
    subscriber: Subscriber
    address: Address
    delivery: int


@pytest.fixture
def sent(db: None) -> Sent:
    return make_sent()


def make_sent(*, is_measured: bool = True, state: str = "accepted", channel: str = "email") -> Sent:
    """A message of the channel to Ivana, who subscribes to two topics; the message is about the first."""
    from django.db import connection

    from outreach.audience.models import Address, Subscriber, Topic
    from outreach.campaigns.models import Campaign, Run
    from outreach.core import clock
    from outreach.core.models import Account, Organisation
    from outreach.core.secrets import address_digest

    organisation = Organisation.objects.create(slug="plovdiv", name={"bg": "Община Пловдив", "en": "City of Plovdiv"})
    topic, other_topic = (
        Topic.objects.create(organisation=organisation, slug=slug, name={"bg": bg, "en": en})
        for slug, bg, en in (("taxes", "Местни данъци", "Local taxes"), ("schools", "Детски градини", "Kindergartens"))
    )
    account = Account.objects.create(
        organisation=organisation,
        adapter={"email": "sendgrid", "sms": "twilio", "social": "x"}[channel],
        channel=channel,
        name="Account",
        unknown_policy="resend",
        hook_key="hook-key-of-plovdiv",
    )
    campaign = Campaign.objects.create(organisation=organisation, name="Данъци 2026", channels=[channel])
    run = Run.objects.create(
        organisation=organisation,
        campaign=campaign,
        occurrence=clock.now(),
        as_of=clock.now() - timedelta(minutes=5),
        salt=b"salt",
        frozen={"topics": [topic.pk], "contents": [], "channels": [channel], "tracking": "individual"},
    )
    subscriber = Subscriber.objects.create(
        organisation=organisation, name="Ивана Петрова", language="bg", is_measured=is_measured
    )
    value = {"email": "ivana@example.bg", "sms": "+359888123456", "social": "@ivana"}[channel]
    address = Address.objects.create(
        organisation=organisation,
        subscriber=subscriber,
        channel=channel,
        value=value,
        normalised=value,
        digest=address_digest(channel, value),
    )
    for each in (topic, other_topic):
        subscriber.subscriptions.create(topic=each, channel=channel)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outreach_delivery (run_id, target, channel, subscriber_id, address_id, account_id, language,"
            " state, provider_id) VALUES (%s, %s, %s, %s, %s, %s, 'bg', %s, 'provider-1') RETURNING id",
            [run.pk, f"s:{subscriber.pk}", channel, subscriber.pk, address.pk, account.pk, state],
        )
        delivery = int(cursor.fetchone()[0])
    return Sent(
        organisation=organisation,
        topic=topic,
        other_topic=other_topic,
        account=account,
        run=run,
        subscriber=subscriber,
        address=address,
        delivery=delivery,
    )


@pytest.fixture
def sending(sent: Sent, exchange: MailExchange) -> Account:
    """The account of the message to Ivana: it sends by Postfix, and reads its mailbox at Dovecot."""
    from outreach.core.secrets import seal
    from tests.channels.mail_server import PASSWORD

    mailbox = exchange.mailbox("bounces", trusted=exchange.trusted)
    kept = {f"imap_{name}": value for name, value in mailbox.items() if name != "password"}
    own = exchange.settings(bounce_address="bounces@mail.test", sender="Община Пловдив <news@mail.test>")
    own.pop("password")
    account = sent.account
    account.adapter, account.settings = "smtp", own | kept
    account.sealed = seal({"password": PASSWORD, "imap_password": PASSWORD})
    account.save()
    return account
