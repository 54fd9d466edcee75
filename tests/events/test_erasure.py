from __future__ import annotations

from outreach.audience.erasure import erase_subscriber
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.delivery.models import Attempt, Delivery
from outreach.events.models import HookCall, Reply
from tests.events.conftest import Sent


def test_erasing_a_person_empties_what_came_back_from_them_alone(sent: Sent) -> None:
    mine = sent.address.normalised
    for number, sender in enumerate((mine, "other@example.org")):
        Reply.objects.create(
            organisation=sent.organisation, account=sent.account, external_id=str(number), channel="email",
            kind="reply", sender=sender, subject="Въпрос", text="Кога?", received_at=clock.now(),
        )  # fmt: skip
        HookCall.objects.create(account=sent.account, event_id=str(number), event={"address": sender})
    other = Delivery.objects.create(
        run=sent.run, id=sent.delivery + 1000, target="s:0", channel="email", created_at=clock.now()
    )
    for delivery in (sent.delivery, other.id):
        Attempt.objects.create(run=sent.run, delivery=delivery, kind="permanent", detail=f"550 <{mine}> unknown")

    erase_subscriber(product_itself(sent.organisation), sent.subscriber)

    assert list(Reply.objects.order_by("external_id").values_list("sender", "subject", "text")) == [
        ("", "", ""),
        ("other@example.org", "Въпрос", "Кога?"),
    ]
    assert list(HookCall.objects.order_by("event_id").values_list("event", flat=True)) == [
        {},
        {"address": "other@example.org"},
    ]
    assert list(Attempt.objects.order_by("delivery").values_list("detail", flat=True)) == ["", f"550 <{mine}> unknown"]
