from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.campaigns.colours import (
    CARD,
    DARK_CARD,
    LEAST_CONTRAST,
    LEAST_SHAPE_CONTRAST,
    contrast,
    is_colour,
    palette,
    readable,
    text_on,
)

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    # From the examples of WCAG and https://webaim.org/resources/contrastchecker/.
    [
        ("#000000", "#ffffff", 21),
        ("#ffffff", "#ffffff", 1),
        ("#777777", "#ffffff", 4.48),
        ("#12397f", "#ffffff", 10.95),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == contrast(other, one)
    assert contrast(one, other) == pytest.approx(expected, abs=0.05)


@given(colours)
def test_whatever_the_colour_every_text_of_the_palette_can_be_read(colour: str) -> None:
    made = palette(colour)
    pairs = (
        (made.on_head, made.head),
        (made.on_dark_head, made.dark_head),
        (made.on_dark_button, made.dark_button),
        (made.link, CARD),
        (made.dark_link, DARK_CARD),
    )
    assert [pair for pair in pairs if contrast(*pair) < LEAST_CONTRAST] == []
    assert contrast(made.dark_button, DARK_CARD) >= LEAST_SHAPE_CONTRAST


def test_a_colour_that_is_readable_stays_as_it_is() -> None:
    assert (readable("#12397f", "#ffffff"), text_on("#12397f"), text_on("#ffe000")) == ("#12397f", "#ffffff", "#000000")
    assert palette("#ffe000", "#7a5c00").link == "#7a5c00"


@pytest.mark.parametrize(("text", "expected"), [("#12397f", True), ("#123", False), ("red", False), ("#12397G", False)])
def test_a_colour_is_six_digits(text: str, expected: bool) -> None:
    assert is_colour(text) is expected
