"""A use counts for the last message about the service, within the days that its campaign declared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from outreach.campaigns.models import Campaign, Service
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.delivery import tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.effectiveness.funnel import Uses, uses_of
from outreach.effectiveness.report import as_json, report
from outreach.events.conversions import record_conversion
from outreach.events.models import Conversion
from outreach.events.registers import take_register
from outreach.events.stages import StageEvidence

DAY = timedelta(days=1)


@pytest.fixture
def actor(sent: Any) -> Actor:
    """The message left 20 days ago, and its campaign declared seven."""
    service = Service.objects.create(organisation=sent.organisation, slug="pay", name={}, url="https://x.bg")
    sent.run.campaign.services.add(service)
    sent.run.frozen |= {"attribution_days": 7}
    sent.run.occurrence = sent.run.started_at = clock.now() - 20 * DAY
    sent.run.save()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE outreach_delivery SET settled_at = %s", [sent.run.occurrence])
    return product_itself(sent.organisation)


def kept() -> list[tuple[Any, ...]]:
    return list(Conversion.objects.order_by("at").values_list("run", "delivery", "is_late", "is_repeated"))


def test_a_person_s_use_counts_for_the_last_message_within_its_days(sent: Any, actor: Actor) -> None:
    for days in (-1, 3, 5, 9):
        record_conversion(
            actor, service="pay", name="used", subscriber=str(sent.subscriber.pk), at=sent.run.occurrence + days * DAY
        )

    assert kept() == [
        (None, None, False, False),
        (sent.run.pk, sent.delivery, False, True),
        (sent.run.pk, sent.delivery, False, True),
        (None, None, False, True),
    ]
    found = as_json(report(sent.run.campaign))
    assert (found["uses"], found["attribution_days"]) == ({"first": 0, "repeated": 2, "nobodys": 0, "late": 0}, 7)
    assert [(piece.run_id, piece.people) for piece in StageEvidence.objects.order_by("at")] == [
        (None, 1), (sent.run.pk, 1), (sent.run.pk, 0), (None, 0),
    ]  # fmt: skip


def test_what_comes_later_is_kept_and_not_counted(sent: Any, actor: Actor) -> None:
    message = f"{sent.run.pk}-{sent.delivery}"
    record_conversion(actor, service="pay", name="used", delivery=message, at=sent.run.occurrence + 8 * DAY)
    record_conversion(actor, service="pay", name="used", delivery=message, at=sent.run.occurrence + 7 * DAY)

    assert uses_of([sent.run.pk]) == Uses(repeated=1, late=1)
    assert report(sent.run.campaign).conversions == {"used": 1}
    assert [(piece.run_id, piece.people) for piece in StageEvidence.objects.order_by("at")] == [
        (sent.run.pk, 1), (None, 1),
    ]  # fmt: skip


def test_a_click_of_nobody_s_counts_until_the_days_after_the_last_message(sent: Any, actor: Actor) -> None:
    sent.run.finished_at = sent.run.occurrence + DAY
    sent.run.save()
    click = tokens.make(Token(kind=TokenKind.CLICK, run=sent.run.pk, channel="email", language="bg"))
    for days in (7.5, 8.5):
        record_conversion(actor, service="pay", name="used", click_token=click, at=sent.run.occurrence + days * DAY)
    assert uses_of([sent.run.pk]) == Uses(nobodys=1, late=1)


def test_a_register_that_is_taken_in_again_is_known_though_a_message_was_found(sent: Any, actor: Actor) -> None:
    lines = ["email,at", f"ivana@example.bg,{(sent.run.occurrence + DAY).isoformat()}"]
    taken = [take_register(actor, lines, service="pay") for _time in range(2)]

    assert [(one.first, one.known, one.rejected) for one in taken] == [(1, 0, []), (0, 1, [])]
    assert kept() == [(sent.run.pk, sent.delivery, False, False)]


def test_the_days_are_thirty_unless_they_are_declared() -> None:
    assert Campaign().attribution_days == 30
