"""A small organisation that writes campaigns: its people, topics, accounts and a campaign that may go."""

from __future__ import annotations

from typing import Any

from outreach.audience.models import Address, Subscriber, Subscription, Topic
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Campaign, Service
from outreach.core.access import Actor
from outreach.core.models import Account, Membership, Organisation, User
from outreach.core.secrets import address_digest, seal
from outreach.core.vocabulary import ApprovalPolicy, Role

BODY = "# Здравейте, {{ subscriber.name }}\n\nНовата услуга: [вижте я]({{ service.url }}).\n"


class Studio:
    """Call the parts that a test needs."""

    def __init__(self, *, approval: str = ApprovalPolicy.NONE) -> None:
        self.council = Organisation.objects.create(slug="council", name={"bg": "Съвет", "en": "Council"})
        self.town = Organisation.objects.create(
            slug="town", name={"bg": "Община", "en": "Town"}, parent=self.council, approval=approval
        )
        self.author = self.member("author@example.bg", Role.AUTHOR)
        self.publisher = self.member("publisher@example.bg", Role.PUBLISHER)
        self.approver = self.member("approver@example.bg", Role.APPROVER)
        self.administrator = self.member("admin@example.bg", Role.ADMINISTRATOR)
        self.topic = Topic.objects.create(
            organisation=self.council, slug="e-services", name={"bg": "е-Услуги", "en": "e-Services"}
        )
        self.service = Service.objects.create(
            organisation=self.council,
            slug="card",
            name={"bg": "Карта", "en": "Card"},
            url="https://card.example.bg/?a=1&b=2",
            steps={"bg": "Влезте", "en": "Log in"},
        )

    def member(self, email: str, role: str) -> Actor:
        user = User.objects.create(email=email, name=email.partition("@")[0])
        Membership.objects.create(user=user, organisation=self.town, role=role)
        return Actor(organisation=self.town, user=user, roles=frozenset({role}))

    def account(self, channel: str = "email", **columns: Any) -> Account:
        adapter, settings, hidden = ADAPTERS[channel]
        defaults = {
            "organisation": self.council,
            "adapter": adapter,
            "channel": channel,
            "name": f"{channel} {Account.objects.count()}",
            "settings": settings,
            "sealed": seal(hidden) if hidden else b"",
            "unknown_policy": "resend",
            "hook_key": f"key-{Account.objects.count()}",
        }
        return Account.objects.create(**{**defaults, **columns})

    def person(self, name: str = "Анна", *, language: str = "bg", channel: str = "email", **columns: Any) -> Subscriber:
        person = Subscriber.objects.create(organisation=self.town, name=name, language=language, **columns)
        value = f"p{person.pk}@example.org" if channel == "email" else f"+35988{person.pk:07d}"
        Address.objects.create(
            organisation=self.town,
            subscriber=person,
            channel=channel,
            value=value,
            normalised=value,
            digest=address_digest(channel, value),
        )
        Subscription.objects.create(subscriber=person, topic=self.topic, channel=channel)
        return person

    def campaign(self, **changes: Any) -> Campaign:
        return create_campaign(self.author, {**self.data(), **changes})

    def data(self) -> dict[str, Any]:
        return {
            "name": "Карта",
            "goal": "uses",
            "audience": {"topics": ["e-services"]},
            "channels": {"mode": "all", "order": ["email"]},
            "contents": [
                {"channel": "email", "language": "bg", "format": "markdown", "subject": "Карта", "body": BODY}
            ],
            "services": ["card"],
        }


ADAPTERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "email": ("sendgrid", {"sender": "Новини <news@example.bg>"}, {"api_key": "SG.secret"}),
    "sms": ("twilio", {"account_sid": "AC1", "sender": "+359880000000"}, {"auth_token": "secret"}),
    "social": (
        "x",
        {},
        {"consumer_key": "a", "consumer_secret": "b", "access_token": "c", "access_token_secret": "d"},
    ),
    "feed": ("feed", {}, {}),
}
