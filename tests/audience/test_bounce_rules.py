from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience.bounce_rules import (
    BounceCount,
    Thresholds,
    counted,
    forget_thresholds,
    is_enough,
    set_thresholds,
    thresholds_of,
)
from outreach.audience.suppression import suppress
from outreach.audience.suppression_list import Wanted, newest_entries, take_off
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import Role

DAY = 86_400
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOLD = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 90 * DAY)), unique_by=lambda one: one[0])


def came_back(organisation: Organisation, identity: str, *, is_hard: bool = False, day: int = 0) -> bool:
    at = NOON + timedelta(days=day)
    return is_enough(organisation, "email", "ana@example.org", is_hard=is_hard, identity=identity, at=at)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(told=TOLD, days=st.integers(1, 60))
def test_what_is_counted_is_told_once_and_lies_close_to_the_newest(told: list[tuple[str, float]], days: int) -> None:
    seen: dict[str, float] = {}
    for key, at in [*told, *told]:
        seen = counted(seen, key, at, days=days)
    newest = max((at for _, at in told), default=0.0)

    assert seen == {key: at for key, at in told if at >= newest - days * DAY}


def test_first_hard_bounce_decides_and_soft_ones_never_do_unless_set(ministry: Organisation) -> None:
    decided = [came_back(ministry, "h", is_hard=True), *(came_back(ministry, str(number)) for number in range(9))]

    assert (decided, BounceCount.objects.count()) == ([True, *[False] * 9], 0)


def test_soft_bounces_decide_by_their_number_and_days(actor: Actor, ministry: Organisation) -> None:
    set_thresholds(actor, soft_after=3, within_days=10)

    told = [("a", 0), ("a", 0), ("b", 20), ("c", 25), ("c", 25), ("d", 29), ("e", 30)]

    assert [came_back(ministry, key, day=day) for key, day in told] == [False, False, False, False, False, True, True]


def test_hard_bounces_are_counted_by_themselves(actor: Actor, ministry: Organisation) -> None:
    set_thresholds(actor, hard_after=2, soft_after=2)

    decided = [came_back(ministry, "a"), came_back(ministry, "b", is_hard=True), came_back(ministry, "c", is_hard=True)]

    assert decided == [False, False, True]


def test_setting_holds_below_until_one_is_set_there(actor: Actor, ministry: Organisation) -> None:
    town = Organisation.objects.create(slug="town", parent=ministry)
    set_thresholds(actor, soft_after=5)
    set_thresholds(product_itself(town), hard_after=2)
    both = [thresholds_of(ministry), thresholds_of(town)]
    forget_thresholds(product_itself(town))

    assert both == [Thresholds(soft_after=5), Thresholds(hard_after=2, soft_after=5)]
    assert thresholds_of(town) == Thresholds(soft_after=5)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["bounce_rule.changed", "bounce_rule.changed", "bounce_rule.removed"]


@pytest.mark.parametrize("given", [{"hard_after": 0}, {"soft_after": 21}, {"within_days": 0}, {"soft_after": -1}])
def test_bad_threshold_says_so_at_its_field(actor: Actor, given: dict[str, int]) -> None:
    with pytest.raises(Invalid) as refused:
        set_thresholds(actor, **given)

    assert (list(refused.value.fields), thresholds_of(actor.organisation)) == (list(given), Thresholds())


def test_thresholds_are_an_administrators(ministry: Organisation) -> None:
    with pytest.raises(Forbidden):
        set_thresholds(Actor(organisation=ministry, roles=frozenset({Role.PUBLISHER})), soft_after=3)


def test_address_that_is_taken_off_is_counted_anew(actor: Actor, ministry: Organisation) -> None:
    set_thresholds(actor, soft_after=2)
    came_back(ministry, "a")
    suppress(ministry, "email", "ana@example.org", "soft_bounces")
    take_off(actor, newest_entries(ministry, Wanted())[0], why="A new mailbox")

    assert (came_back(ministry, "b"), BounceCount.objects.count()) == (False, 1)
