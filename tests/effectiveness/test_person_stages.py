"""How far one person came: what stands of each stage, and every piece that names them, until they are erased."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.audience.erasure import erase_subscriber
from outreach.campaigns.models import Service
from outreach.core.access import product_itself
from outreach.core.vocabulary import EventKind, EvidenceSource, Goal
from outreach.effectiveness import person_stages
from outreach.effectiveness.gathering import gather_lately
from outreach.effectiveness.person_stages import standing_of, whole_evidence
from outreach.events.bursts import judge_bursts
from outreach.events.conversions import record_conversion
from outreach.events.record import Happening, record
from outreach.events.stage_answers import add_answer
from outreach.events.stages import add_evidence
from tests.events.conftest import Sent, make_sent


@pytest.fixture
def sent(db: None) -> Sent:
    return make_sent()


def whose(sent: Sent) -> dict[str, Any]:
    return {"organisation": sent.organisation.pk, "run": sent.run, "subscriber": sent.subscriber}


def stands(sent: Sent) -> list[tuple[str, str, str]]:
    return [(stage, one.bearing, one.source) for stage, one in standing_of(sent.subscriber).items()]


def use(sent: Sent) -> Service:
    service = Service.objects.create(organisation=sent.organisation, slug="pay", name={"en": "Pay"}, url="https://x.bg")
    record_conversion(
        product_itself(sent.organisation), service="pay", name="used", delivery=f"{sent.run.pk}-{sent.delivery}"
    )
    return service


def test_each_piece_names_what_it_is_about(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_stages, "CHUNK", 1)
    service = use(sent)
    add_answer("satisfied", 2, service=service, **whose(sent))

    common = {"campaign": "Данъци 2026", "services": ["pay"], "takes_back": False}
    assert [
        {name: value for name, value in one.items() if name != "at"} for one in whole_evidence(sent.subscriber)
    ] == [
        {"stage": "satisfied", "source": "answer", "bearing": "against", "confidence": 0.8, "channel": "", **common},
        {"stage": "uses", "source": "service", "bearing": "for", "confidence": 1.0, "channel": "email", **common},
    ]
    assert stands(sent) == [("uses", "for", "service"), ("satisfied", "against", "answer")]


def test_what_was_taken_back_does_not_stand(sent: Sent) -> None:
    for link in range(4):
        happening = Happening(
            kind=EventKind.CLICKED, run=sent.run.pk, delivery=sent.delivery, channel="email", language="bg", link=link
        )
        record(happening)
    add_evidence(Goal.SATISFIED, EvidenceSource.SERVICE, **whose(sent))
    add_answer("satisfied", 5, **whose(sent))
    gather_lately()
    before = stands(sent)
    judge_bursts()
    gather_lately()
    add_answer("satisfied", 1, before=5, **whose(sent))

    assert before == [("interested", "for", "click"), ("satisfied", "for", "answer")]
    assert stands(sent) == [("satisfied", "against", "answer")]
    assert [(one["source"], one["bearing"]) for one in whole_evidence(sent.subscriber) if one["takes_back"]] == [
        ("answer", "for"),
        ("click", "for"),
    ]


@pytest.mark.django_db
def test_nobody_is_named_who_is_not_measured_or_was_erased() -> None:
    sent = make_sent(is_measured=False)
    use(sent)
    assert (stands(sent), list(whole_evidence(sent.subscriber))) == ([], [])
    sent.subscriber.is_measured = True
    sent.subscriber.save()
    add_evidence(Goal.USES, EvidenceSource.SERVICE, **whose(sent))
    assert stands(sent) == [("uses", "for", "service")]
    erase_subscriber(product_itself(sent.organisation), sent.subscriber)
    assert (stands(sent), list(whole_evidence(sent.subscriber))) == ([], [])
