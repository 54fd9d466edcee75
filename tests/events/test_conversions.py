from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Sum

from outreach.campaigns.models import Run, Service
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Role
from outreach.delivery import tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.conversions import record_conversion
from outreach.events.models import Conversion, Event
from outreach.events.stages import StageEvidence

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor(sent: Any) -> Actor:
    Service.objects.create(organisation=sent.organisation, slug="pay-tax", name={"bg": "Плащане"}, url="https://x.bg")
    return product_itself(sent.organisation)


def click_token(sent: Any, delivery: int) -> str:
    return tokens.make(Token(kind=TokenKind.CLICK, run=sent.run.pk, delivery=delivery, channel="email", language="bg"))


def kept() -> list[tuple[Any, ...]]:
    return list(Conversion.objects.order_by("pk").values_list("name", "run", "delivery", "subscriber"))


def test_a_conversion_is_counted_for_its_message_and_person(sent: Any, actor: Actor) -> None:
    record_conversion(actor, service="pay-tax", name="used", delivery=f"{sent.run.pk}-{sent.delivery}")
    record_conversion(actor, service="pay-tax", name="satisfied", click_token=click_token(sent, sent.delivery))
    record_conversion(actor, service="pay-tax", name="recommended", subscriber=str(sent.subscriber.pk))
    assert kept() == [
        ("used", sent.run.pk, sent.delivery, sent.subscriber.pk),
        ("satisfied", sent.run.pk, sent.delivery, sent.subscriber.pk),
        ("recommended", None, None, sent.subscriber.pk),
    ]
    assert sorted(Event.objects.values_list("kind", "reason")) == [("converted", "satisfied"), ("converted", "used")]


def test_what_follows_a_test_send_is_nobodys_use(sent: Any, actor: Actor) -> None:
    Run.objects.filter(pk=sent.run.pk).update(kind="test")
    record_conversion(actor, service="pay-tax", name="used", delivery=f"{sent.run.pk}-{sent.delivery}")
    assert (Conversion.objects.get().run, StageEvidence.objects.count()) == (sent.run, 0)


def test_in_aggregate_a_conversion_names_nobody(sent: Any, actor: Actor) -> None:
    record_conversion(actor, service="pay-tax", name="used", click_token=click_token(sent, 0))
    assert kept() == [("used", sent.run.pk, None, None)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "delivery"),
        ({"delivery": "1-1", "subscriber": "1"}, "delivery"),
        ({"delivery": "nonsense"}, "delivery"),
        ({"subscriber": "999999999"}, "subscriber"),
        ({"click_token": "nonsense"}, "click_token"),
        ({"subscriber": "1", "service": "other"}, "service"),
        ({"subscriber": "1", "value": float("nan")}, "value"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(sent: Any, actor: Actor, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        record_conversion(actor, **{"service": "pay-tax", "name": "used", **given})
    assert field in caught.value.fields
    assert kept() == []


def test_a_stranger_s_delivery_is_not_found(sent: Any, actor: Actor) -> None:
    varna = Organisation.objects.create(slug="varna", name={"bg": "Варна"})
    Service.objects.create(organisation=varna, slug="theirs", name={}, url="https://x.bg")
    with pytest.raises(Invalid):
        record_conversion(
            product_itself(varna), service="theirs", name="used", delivery=f"{sent.run.pk}-{sent.delivery}"
        )
    with pytest.raises(Forbidden):
        record_conversion(
            Actor(organisation=sent.organisation, roles=frozenset({Role.ANALYST})), service="pay-tax", name="used"
        )


@pytest.mark.django_db(transaction=True)
def test_what_is_told_of_a_person_at_once_is_taken_in_turn(sent: Any, actor: Actor) -> None:
    def tell() -> None:
        record_conversion(actor, service="pay-tax", name="used", subscriber=str(sent.subscriber.pk))

    def tell_beside() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            tell()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic():
            tell()
            with pytest.raises(OperationalError, match="lock timeout"):
                beside.submit(tell_beside).result()
        beside.submit(tell_beside).result()
    assert list(Conversion.objects.order_by("pk").values_list("is_repeated", flat=True)) == [False, True]
    assert StageEvidence.objects.aggregate(people=Sum("people")) == {"people": 1}
