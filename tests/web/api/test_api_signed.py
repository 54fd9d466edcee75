"""Signed calls of a service: counted once, whatever is repeated; forged, old and withdrawn ones change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Service
from outreach.core import clock
from outreach.core.call_signatures import TOLERANCE, make_secret, sign
from outreach.core.models import AuditEntry, IdempotencyKey
from outreach.core.secrets import unseal
from outreach.core.vocabulary import Role
from outreach.events import call_secrets, signed_calls
from outreach.events.call_secrets import CallSecret
from outreach.events.models import Conversion
from outreach.events.stages import StageEvidence

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

Tell = Callable[..., tuple[int, Any]]
NOW = timedelta(0)


@pytest.fixture
def service(api: Api) -> Service:
    return Service.objects.create(organisation=api.organisation, slug="permit", name={}, url="https://p.example")


@pytest.fixture
def person(api: Api) -> Subscriber:
    return Subscriber.objects.create(organisation=api.organisation)


@pytest.fixture
def secret(api: Api, service: Service) -> str:
    return str(api.post(f"/services/{service.pk}/secrets")[1]["secret"])


@pytest.fixture
def tell(service: Service, person: Subscriber) -> Tell:
    def call(secret: str, *, to: Any = service.pk, id: str = "visit-1", ago: timedelta = NOW, **body: Any) -> Any:
        sent = json.dumps({"name": "used", "subscriber": str(person.pk)} | body).encode()
        timestamp = str(int((clock.now() - ago).timestamp()))
        headers = {
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(secret, id=id, timestamp=timestamp, body=sent),
        }
        answer = Client().generic(
            "POST", f"/api/v1/services/{to}/conversions", sent, content_type="application/json", headers=headers
        )
        return answer.status_code, json.loads(answer.content)

    return call


def test_a_signed_call_counts_once(service: Service, secret: str, tell: Tell) -> None:
    first = tell(secret)
    with clock.frozen(clock.now() + timedelta(days=8)):
        assert tell(secret) == first
    assert (first[0], first[1]["name"]) == (201, "used")
    assert list(Conversion.objects.values_list("service", "name")) == [(service.pk, "used")]
    assert StageEvidence.objects.count() == 1
    assert tell(secret, name="satisfied")[1]["code"] == "idempotency_mismatch"
    assert (tell(secret, id="visit-2")[0], Conversion.objects.count()) == (201, 2)
    assert CallSecret.objects.get().last_used_at is not None


def test_the_same_call_twice_at_once_counts_once(secret: str, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tell(secret)
    known, asked = signed_calls._known, []

    def is_late(key: bytes, digest: bytes) -> Any:
        asked.append(key)
        return known(key, digest) if len(asked) > 1 else None  # the other call had not committed yet

    monkeypatch.setattr(signed_calls, "_known", is_late)
    assert (tell(secret), Conversion.objects.count(), len(asked)) == (first, 1, 2)


def test_what_is_not_signed_by_the_service_changes_nothing(api: Api, service: Service, secret: str, tell: Tell) -> None:
    other = Service.objects.create(organisation=api.organisation, slug="other", name={}, url="https://o.example")
    refused = [
        tell(make_secret()),
        tell(secret, to=other.pk),
        tell(secret, to=10**18),
        tell(secret, to="x"),
        tell(secret, ago=TOLERANCE * 2),
        tell(secret, ago=-TOLERANCE * 2),
    ]
    assert [(status, problem["code"]) for status, problem in refused] == [(401, "unauthenticated")] * 6
    assert [tell(secret, id=bad)[0] for bad in ("", "ж", "a" * 201)] == [422] * 3
    wrong: list[dict[str, Any]] = [{"subscriber": "999"}, {"service": "permit"}, {"name": "a" * 20_000}]
    assert [tell(secret, **body)[0] for body in wrong] == [422, 422, 413]
    assert (Conversion.objects.count(), AuditEntry.objects.filter(action="conversion.recorded").count()) == (0, 0)


def test_a_secret_is_shown_once_kept_sealed_and_withdrawn(api: Api, service: Service, secret: str, tell: Tell) -> None:
    path = f"/services/{service.pk}/secrets"
    row = CallSecret.objects.get()
    status, second = api.post(path, **{"idempotency-key": "k"})
    listed = api.get(path)[1]["items"]

    assert (unseal(row.sealed), row.ending) == ({"secret": secret}, secret.rstrip("=")[-6:])
    assert secret.encode() not in bytes(row.sealed)
    assert (status, second["secret"] == secret, IdempotencyKey.objects.count()) == (201, False, 0)
    assert [("secret" in one, one["ending"]) for one in listed] == [(False, second["ending"]), (False, row.ending)]
    assert [api.call("DELETE", f"{path}/{row.pk}")[0] for _time in range(2)] == [204, 204]
    assert (tell(secret)[0], tell(second["secret"])[0]) == (401, 201)
    row.refresh_from_db()
    assert bytes(row.sealed) == b""
    assert list(AuditEntry.objects.filter(noun="service").order_by("pk").values_list("action", "facts")) == [
        ("service.secret_made", {"secret": row.pk}),
        ("service.secret_made", {"secret": int(second["id"])}),
        ("service.secret_withdrawn", {"secret": row.pk}),
    ]


def test_secrets_are_few_and_belong_to_who_cares_for_the_service(
    api: Api, stranger: Api, service: Service, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_secrets, "MOST", 1)
    path = f"/services/{service.pk}/secrets"
    analyst = make_api(api.organisation, Role.ANALYST)
    assert [who.post(path)[0] for who in (api, analyst, stranger)] == [409, 403, 404]
    one = f"{path}/{CallSecret.objects.get().pk}"
    assert [who.call("DELETE", one)[0] for who in (analyst, stranger)] == [403, 404]
    assert CallSecret.objects.filter(withdrawn_at=None).count() == 1


def test_a_secret_that_no_key_opens_signs_nothing(secret: str, tell: Tell) -> None:
    CallSecret.objects.update(sealed=b"of another installation")
    assert tell(secret)[0] == 401


def test_another_failure_to_write_is_told(secret: str, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_facts: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(signed_calls, "record_conversion", fail)
    assert tell(secret)[0] == 500
