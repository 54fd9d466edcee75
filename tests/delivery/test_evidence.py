"""Late evidence resolves what is unknown and never takes an acceptance back; receipts stand beside the state."""

from __future__ import annotations

import pytest

from outreach.delivery.check import check_ledger
from outreach.delivery.evidence import append_evidence, set_receipt, set_receipts
from outreach.delivery.models import Attempt, Counter, Delivery
from tests.delivery.world import World, fates

#: (state, uncertain, evidence) -> state afterwards.
CASES = {
    ("unknown", True, "accepted"): "accepted",
    ("unknown", True, "rejected"): "rejected",
    ("unknown", True, "unknown"): "unknown",
    ("deferred", True, "accepted"): "accepted",
    ("planned", False, "accepted"): "planned",
    ("deferred", True, "rejected"): "deferred",
    ("accepted", False, "rejected"): "accepted",
    ("skipped", False, "accepted"): "skipped",
    ("cancelled", False, "accepted"): "cancelled",
}


@pytest.mark.parametrize(("case", "expected"), CASES.items())
def test_what_evidence_resolves(world: World, case: tuple[str, bool, str], expected: str) -> None:
    state, uncertain, kind = case
    world.people(1)
    run = world.fanned_out()
    Delivery.objects.filter(run=run).update(state=state, uncertain=uncertain)
    Counter.objects.filter(run=run, kind="state").update(name=state)
    [row] = Delivery.objects.filter(run=run)

    append_evidence(run.pk, row.id, kind=kind, detail="the provider found it", provider_id="p-1")

    assert fates(run) == {("email", expected, ""): 1}
    assert list(Attempt.objects.values_list("delivery", "detail", "provider_id")) == [
        (row.id, "the provider found it", "p-1")
    ]
    if state != "accepted":  # an acceptance that was only painted here has no minute
        assert check_ledger(run.campaign).counters_equal


def test_evidence_of_something_unknown_to_us_is_kept(world: World) -> None:
    run = world.fanned_out()
    assert append_evidence(run.pk, 12345, kind="accepted") is None
    assert Attempt.objects.count() == 1


def test_a_receipt_is_replaced_only_by_one_that_says_more(world: World) -> None:
    world.people(2)
    run = world.fanned_out()
    world.send_all()
    first, second = Delivery.objects.filter(run=run).order_by("id").values_list("id", flat=True)

    assert set_receipt(run.pk, first, "delivered") is True
    assert set_receipt(run.pk, first, "delivered") is False
    assert set_receipts(run.pk, {first: "bounced", second: "delivered", 999: "read"}) == 2
    assert set_receipt(run.pk, first, "delivered") is False

    receipts = dict(Delivery.objects.filter(run=run).values_list("id", "receipt"))
    assert receipts == {first: "bounced", second: "delivered"}
    assert fates(run) == {("email", "accepted", ""): 2}
    assert check_ledger(run.campaign).problems == []
