from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.core.vocabulary import Question
from outreach.effectiveness.opinions import Opinion, opinion_json

COUNTS = st.dictionaries(st.integers(0, 10), st.integers(1, 10_000), min_size=1)


@given(COUNTS)
def test_the_balance_lies_in_its_interval_and_the_shares_sum_to_one(counts: dict[int, int]) -> None:
    opinion = Opinion(Question.RECOMMENDS, counts)
    share, net = opinion.share, opinion.net
    assert share is not None
    assert net is not None
    assert -1 <= net.low <= net.value <= net.high <= 1
    assert share.low <= opinion.good / opinion.answered <= share.high
    assert sum(step.share.value for step in opinion.steps) == pytest.approx(1)
    assert sum(step.count for step in opinion.steps) == opinion.answered


def test_the_answers_as_the_api_gives_them() -> None:
    found = opinion_json(Opinion(Question.SATISFIED, {5: 6, 4: 2, 1: 2}))
    share, net = found.pop("share"), found.pop("net")
    assert found == {
        "question": "satisfied",
        "answered": 10,
        "values": {"1": 2, "2": 0, "3": 0, "4": 2, "5": 6},
        "average": 4.0,
        "good": 8,
        "poor": 2,
    }
    assert share == {"value": 0.8, "low": pytest.approx(0.4902, abs=1e-4), "high": pytest.approx(0.9433, abs=1e-4)}
    assert net["value"] == pytest.approx(0.6)
