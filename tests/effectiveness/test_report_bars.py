from __future__ import annotations

from datetime import timedelta

import pytest

from outreach.effectiveness.report import bar_width


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(minutes=60), timedelta(minutes=1)),
        (timedelta(minutes=61), timedelta(minutes=5)),
        (timedelta(hours=24), timedelta(hours=1)),
        (timedelta(days=30), timedelta(days=1)),
        (timedelta(days=4000), timedelta(days=7)),
    ],
)
def test_bars_are_as_narrow_as_sixty_allow(span: timedelta, width: timedelta) -> None:
    assert bar_width(span) == width
