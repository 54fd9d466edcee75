"""The demonstration: a council, its ministries and municipalities, their people, and campaigns in every state.

The same at every installation. People come through the real import, campaigns through the same verbs as anybody's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from outreach.audience.import_intake import receive_import
from outreach.audience.imports import run_import
from outreach.audience.models import Consent, Subscriber, Topic
from outreach.audience.subscribers import AddressData, ConsentData, SubscriberData, upsert_subscriber
from outreach.audience.topics import create_topic
from outreach.campaigns.approval import approve, submit
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Campaign, Run, Service
from outreach.campaigns.services import create_service
from outreach.campaigns.surveys import create_survey
from outreach.core import clock
from outreach.core.access import Actor, actor_of_user, product_itself
from outreach.core.models import Account, Installation, Membership, Organisation, User
from outreach.core.vocabulary import (
    ApprovalPolicy,
    CampaignState,
    Channel,
    ConsentAction,
    ConsentPurpose,
    SubscriberKind,
)
from outreach.delivery.accounts import create_account
from outreach.delivery.launch import schedule, start
from outreach.delivery.prices import replace_prices
from outreach.management import demonstration_campaigns as campaigns
from outreach.management.demonstration_catalogue import (
    BRANCHES,
    ELENA,
    GERGANA,
    MARIA,
    ORGANISATIONS,
    PRICES,
    SERVICES,
    TOPICS,
    USERS,
    senders,
)
from outreach.management.demonstration_past import play_past
from outreach.management.demonstration_people import make_files
from outreach.management.demonstration_reports import receive_reports
from outreach.management.demonstration_segments import declare_attributes, write_reminder

#: Everybody's, in the demonstration alone: it is printed at each start.
PASSWORD: Final = "e-government-2026"  # noqa: S105 -- a secret of nobody
LOG_IN: Final = (
    f"Log in as {MARIA} (writes and starts campaigns), {ELENA} (approves) or admin@demo.egov.example"
    f" (administers); password: {PASSWORD}"
)
#: Partners who read our feeds: (name, address, attributes).
PARTNERS: Final = (
    ("Мрежа България (доставчик на интернет)", "portal@mreja.example", {"kind": "isp"}),
    ("Вестник „Утро“", "redakcia@utro.example", {"kind": "medium"}),
)
#: One citizen in so many agreed to be measured.
MEASURED: Final = 3


def load(*, subscribers: int = 2000) -> None:
    """Load the demonstration into an installation without organisations, and start its campaign that moves.

    Doing it twice does nothing the second time; an installation that is somebody's own is left alone.
    """
    if not lay_out(subscribers=subscribers):
        return
    play_past(find_campaign(campaigns.TRAINING))
    _slow_down()
    main = find_campaign(campaigns.MAIN)
    if main.state == CampaignState.APPROVED:
        start(_actor(MARIA, main.organisation), main)


@transaction.atomic
def lay_out(*, subscribers: int) -> bool:
    """Write everything but what was sent; all or nothing. Say whether this installation is a demonstration."""
    installation = Installation.objects.select_for_update().get(pk=1)
    if installation.demonstration_at is not None:
        return True
    if Organisation.objects.exists():
        return False
    _make_organisations()
    _make_people_who_log_in()
    _make_accounts()
    _make_topics_and_services()
    _make_survey()
    declare_attributes(_product("council"))
    _take_people_in(subscribers)
    _agree_to_measurement()
    _write_campaigns()
    installation.demonstration_at = clock.now()
    installation.save(update_fields=["demonstration_at"])
    return True


def find_campaign(data: Mapping[str, Any]) -> Campaign:
    """The demonstration's campaign that was written from `data`."""
    return Campaign.objects.select_related("organisation").filter(name=data["name"]).earliest("pk")


def _make_organisations() -> None:
    made: dict[str, Organisation] = {}
    for node in ORGANISATIONS:
        made[node.slug] = Organisation.objects.create(
            slug=node.slug,
            parent=made.get(node.parent),
            kind=node.kind,
            name={"bg": node.bg, "en": node.en},
            approval=ApprovalPolicy.FOUR_EYES,
        )


def _make_survey() -> None:
    service = Service.objects.select_related("organisation").get(slug=campaigns.SURVEYED)
    create_survey(product_itself(service.organisation), service, campaigns.SURVEY)


def _make_people_who_log_in() -> None:
    # Hashed once: it is slow by design, and the demonstration's password is printed anyway.
    password = make_password(PASSWORD)
    for email, name, language, roles in USERS:
        user = User.objects.create(email=email, password=password, name=name, language=language)
        for slug, held in roles.items():
            owner = Organisation.objects.get(slug=slug)
            Membership.objects.bulk_create(Membership(user=user, organisation=owner, role=role) for role in held)


def _make_accounts() -> None:
    for sender in senders(settings.SANDBOX_PORTS):
        account = create_account(
            _product(sender.organisation),
            adapter=sender.adapter,
            name=sender.name,
            settings=sender.settings,
            is_default=sender.is_default,
            is_sandbox=True,
        )
        if account.channel == Channel.SMS:
            replace_prices(_product(sender.organisation), account, PRICES)
    receive_reports()


def _make_topics_and_services() -> None:
    for slug, owner, bg, en, about_bg, about_en in TOPICS:
        create_topic(
            _product(owner),
            slug=slug,
            name={"bg": bg, "en": en},
            description={"bg": about_bg, "en": about_en},
            parent=Topic.objects.get(slug=BRANCHES[slug]) if slug in BRANCHES else None,
        )
    for slug, owner, bg, en, path, steps_bg, steps_en, kinds, topics in SERVICES:
        create_service(
            _product(owner),
            {
                "slug": slug,
                "name": {"bg": bg, "en": en},
                "url": f"https://egov.example/{path}",
                "steps": {"bg": steps_bg, "en": steps_en},
                "kinds": kinds,
                "topics": topics,
            },
        )


def _take_people_in(subscribers: int) -> None:
    council = _product("council")
    for file in make_files(max(0, subscribers - len(PARTNERS))):
        topic = Topic.objects.select_related("organisation").get(slug=file.topic)
        job = receive_import(_product(file.owner), topic, io.BytesIO(file.content), file.name)
        run_import(job.pk)
    for name, address, attributes in PARTNERS:
        upsert_subscriber(
            council,
            SubscriberData(
                addresses=[AddressData(channel="email", value=address)],
                name=name,
                kind=SubscriberKind.PARTNER,
                attributes=attributes,
                topics=["press"],
                consent=ConsentData(source="agreement"),
            ),
        )


def _agree_to_measurement() -> None:
    """Some people agreed to be measured one by one; the others are counted in aggregate."""
    keys = list(Subscriber.objects.order_by("pk").values_list("pk", flat=True))[::MEASURED]
    Subscriber.objects.filter(pk__in=keys).update(is_measured=True)
    Consent.objects.bulk_create(
        Consent(
            subscriber_id=key,
            purpose=ConsentPurpose.MEASUREMENT,
            action=ConsentAction.GIVEN,
            source="form",
            text_version="2025-01",
            at=clock.now(),
        )
        for key in keys
    )


def _write_campaigns() -> None:
    create_campaign(_actor_at(MARIA, "coordination"), campaigns.IDENTIFICATION)
    _write(MARIA, campaigns.REPORTS, is_approved=False)
    taxes = _write(GERGANA, campaigns.TAXES)
    # Its time was written before the approval, which another time would void.
    schedule(_actor(GERGANA, taxes.organisation), taxes)
    write_reminder(_actor_at(MARIA, "coordination"), _write(MARIA, campaigns.TRAINING))
    _write(MARIA, campaigns.MAIN)


def _write(author: str, data: Mapping[str, Any], *, is_approved: bool = True) -> Campaign:
    actor = _actor_at(author, data["organisation"])
    campaign = create_campaign(actor, {**data, **_times(data)})
    submit(actor, campaign)
    if is_approved:
        approve(_actor(ELENA, campaign.organisation), campaign, note="Проверено.")
    return campaign


def _times(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["name"] != campaigns.TAXES["name"]:
        return {}
    at = (clock.now() + timedelta(days=3)).replace(hour=7, minute=30, second=0, microsecond=0)
    return {"schedule": {"at": at.isoformat(), "timezone": "Europe/Sofia"}}


def _slow_down() -> None:
    """Let the campaign of `make run` take the minute or two in which people look at it."""
    if Run.objects.filter(campaign=find_campaign(campaigns.MAIN)).exists():
        return
    for sender in senders(settings.SANDBOX_PORTS):
        Account.objects.filter(name=sender.name, is_sandbox=True).update(rate_per_minute=sender.shown_rate)


def _product(slug: str) -> Actor:
    return product_itself(Organisation.objects.get(slug=slug))


def _actor_at(email: str, slug: str) -> Actor:
    return _actor(email, Organisation.objects.get(slug=slug))


def _actor(email: str, organisation: Organisation) -> Actor:
    return actor_of_user(User.objects.get(email=email), organisation)
