from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.effectiveness.intervals import wilson


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # statsmodels 0.14: proportion_confint(part, whole, method="wilson")
        (0, 10, 0.0, 0.2775327998628892),
        (5, 10, 0.2365930905125640, 0.7634069094874360),
        (10, 10, 0.7224672001371107, 1.0),
        (876, 18240, 0.0450155, 0.0512297),
    ],
)
def test_wilson_agrees_with_the_reference(part: int, whole: int, low: float, high: float) -> None:
    share = wilson(part, whole)

    assert share is not None
    assert (share.low, share.value, share.high) == pytest.approx((low, part / whole, high), abs=1e-5)


def test_wilson_of_nothing_is_not_known() -> None:
    assert wilson(0, 0) is None


@given(st.integers(0, 10**7), st.integers(1, 10**7))
def test_wilson_holds_the_share_and_stays_a_share(part: int, whole: int) -> None:
    share = wilson(min(part, whole), whole)

    assert share is not None
    assert 0 <= share.low <= share.value <= share.high <= 1
