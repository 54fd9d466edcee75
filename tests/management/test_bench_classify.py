from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.core.errors import Invalid
from outreach.management.bench_classify import LEAST_TOLD, MOST_BLAMED, classify, measure, read_mix
from outreach.management.simulated_readers import MACHINES, PEOPLE, USUAL, make_world

#: A few kinds or all of them, in any proportion.
MIXES = st.dictionaries(st.sampled_from(list(USUAL)), st.floats(0.01, 100), min_size=1)


def alone(*kinds: str) -> dict[str, float]:
    return dict.fromkeys(kinds, 1.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), mix=MIXES)
def test_the_bounds_hold_at_any_mix(seed: int, mix: dict[str, float]) -> None:
    together, _ = classify(make_world(seed=seed, messages=200, mix=mix))
    assert together.holds, together.verdicts


@pytest.mark.parametrize("kind", MACHINES)
def test_each_kind_of_machine_is_told_where_nothing_else_is(kind: str) -> None:
    together, _ = classify(make_world(seed=7, messages=300, mix=alone(kind)))
    assert together.told >= LEAST_TOLD, together.verdicts


@pytest.mark.parametrize("kind", PEOPLE)
def test_no_kind_of_person_is_taken_for_a_machine(kind: str) -> None:
    together, _ = classify(make_world(seed=7, messages=300, mix=alone(kind)))
    assert together.blamed <= MOST_BLAMED, together.verdicts


def test_people_are_not_merely_doubted() -> None:
    together, aggregate = classify(make_world(seed=3, messages=1000))
    assert (together.kept > 0.9, aggregate.kept > 0.95, aggregate.blamed) == (True, True, 0.0)
    assert aggregate.told < together.told


def test_a_seed_makes_the_same_world_and_the_bench_says_what_it_found() -> None:
    told = [measure(Namespace(messages=200, seed=5, mix="phone=0"), "") for _ in range(2)]
    fixed: list[dict[str, Any]] = [{name: one[name] for name in ("items", "accuracy", "settings")} for one in told]
    assert fixed[0] == fixed[1]
    assert "phone" not in fixed[0]["settings"]["kinds"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("nobody=1", "There is no nobody"), ("phone=-1", "write a weight"), ("phone", "write a weight")],
)
def test_a_mix_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_mix(text)
    assert problem in str(caught.value.fields)


def test_a_mix_changes_the_usual_or_replaces_it() -> None:
    assert read_mix("phone=0") == {**USUAL, "phone": 0.0}
    assert read_mix("*=0,gateway=2") == {**dict.fromkeys(USUAL, 0.0), "gateway": 2.0}
