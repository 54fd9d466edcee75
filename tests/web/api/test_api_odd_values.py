"""What a caller's slip of the pen must not do: stay in the database and break what is read later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from outreach.audience.models import Consent, Subscriber, Subscription, Topic
from outreach.campaigns.models import Campaign, Service
from outreach.core import clock
from outreach.core.models import IdempotencyKey
from outreach.core.vocabulary import Role, SubscriptionState

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

#: PostgreSQL takes the first for a day before Christ, which Python cannot read; the second has no moment in UTC.
ENDS_OF_THE_CALENDAR = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
ANA = {"addresses": [{"channel": "email", "value": "ana@example.org"}]}


@pytest.mark.parametrize("at", ENDS_OF_THE_CALENDAR)
def test_times_at_the_calendars_ends_are_refused_where_they_stand(api: Api, topic: Topic, at: str) -> None:
    Service.objects.create(organisation=api.organisation, slug="card", name={"bg": "Карта"}, url="https://card.bg/")
    calls: list[tuple[str, Any, str]] = [
        ("/subscribers", {**ANA, "topics": ["health"], "consent": {"source": "form", "at": at}}, "/consent/at"),
        ("/campaigns", {"name": "x", "schedule": {"at": at}}, "/schedule/at"),
        ("/campaigns", {"name": "x", "schedule": {"not_after": at}}, "/schedule/not_after"),
        ("/conversions", {"service": "card", "subscriber": "1", "name": "used", "at": at}, "/at"),
    ]

    found = [(status, [one["pointer"] for one in told["errors"]]) for status, told in (api.post(*c[:2]) for c in calls)]

    assert found == [(422, [pointer]) for _path, _body, pointer in calls]
    assert (Subscriber.objects.count(), Consent.objects.count(), Campaign.objects.count()) == (0, 0, 0)


def consent_at(api: Api, at: datetime) -> tuple[int, Any]:
    return api.post("/subscribers", {**ANA, "topics": ["health"], "consent": {"source": "form", "at": at.isoformat()}})


def test_a_consent_of_the_future_brings_nobody_back(api: Api, topic: Topic) -> None:
    consent_at(api, clock.now() - timedelta(days=2))
    Subscription.objects.update(state=SubscriptionState.UNSUBSCRIBED, changed_at=clock.now() - timedelta(days=1))

    status, problem = consent_at(api, clock.now() + timedelta(days=365))

    assert (status, [one["pointer"] for one in problem["errors"]]) == (422, ["/consent/at"])
    assert Subscription.objects.get().state == SubscriptionState.UNSUBSCRIBED


def test_a_clock_that_is_a_little_ahead_gives_a_consent_of_now(api: Api, topic: Topic) -> None:
    status, _person = consent_at(api, clock.now() + timedelta(minutes=2))

    assert (status, Consent.objects.get().at <= clock.now()) == (201, True)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_that_is_none_is_refused(api: Api, number: float) -> None:
    status, problem = api.post("/subscribers", {**ANA, "attributes": {"income": number}})

    assert (status, [one["pointer"] for one in problem["errors"]]) == (422, ["/attributes"])
    assert not Subscriber.objects.exists()


def test_a_body_that_is_too_large_is_told_so(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    status, problem = api.post("/topics", {"slug": "health", "name": {"bg": "з" * 200}})

    assert (status, problem["code"]) == (413, "invalid")


def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    headers = {"authorization": f"bearer {api.token}", "idempotency-key": "k1"}
    body = {"slug": "health", "name": {"bg": "Здраве"}}

    first, second = (api.post("/topics", body, **headers) for _time in range(2))

    assert (first, IdempotencyKey.objects.count()) == (second, 1)


def test_whoever_only_looks_does_not_log_in_at_a_provider(api: Api) -> None:
    account = {"adapter": "smtp", "name": "Post", "settings": {"host": "127.0.0.1", "port": "9", "sender": "a@b.bg"}}
    _status, made = api.post("/accounts", account)

    assert make_api(api.organisation, Role.ANALYST).post(f"/accounts/{made['id']}/check")[0] == 403
