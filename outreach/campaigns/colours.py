"""Colours that can be read: contrast as WCAG 2.2 reckons it, and what an e-mail makes of one or two colours.

Formulas: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance and #dfn-contrast-ratio.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: WCAG 1.4.3 (AA): text of usual size against what is behind it.
LEAST_CONTRAST: Final = 4.5
#: WCAG 1.4.11 (AA): what shows that there is a button.
LEAST_SHAPE_CONTRAST: Final = 3.0
WHITE: Final = "#ffffff"
BLACK: Final = "#000000"
#: What a message's text stands on, by day and by night.
CARD: Final = WHITE
DARK_CARD: Final = "#1a202c"
USUAL: Final = "#12397f"
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_STEPS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The colours of an e-mail's head, buttons and links, by day and by night; each text readable on what is behind."""

    head: str
    on_head: str
    link: str
    dark_head: str
    on_dark_head: str
    dark_link: str
    dark_button: str
    on_dark_button: str


def is_colour(text: str) -> bool:
    return _COLOUR.fullmatch(text) is not None


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black and white)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(background: str) -> str:
    """White or black: one of them is readable on any colour, and white is what brands are drawn for."""
    return WHITE if contrast(WHITE, background) >= LEAST_CONTRAST else BLACK


def readable(colour: str, background: str, least: float = LEAST_CONTRAST) -> str:
    """The colour, moved away from the background no more than it takes to be readable on it."""
    towards = max((WHITE, BLACK), key=lambda end: contrast(end, background))
    tries = (_mixed(colour, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next((tried for tried in tries if contrast(tried, background) >= least), towards)


def palette(colour: str, link: str = "") -> Palette:
    """What an e-mail makes of an organisation's colour; '' is the usual one."""
    head = colour or USUAL
    dark_head = _mixed(head, BLACK, 0.2)
    dark_button = readable(head, DARK_CARD, LEAST_SHAPE_CONTRAST)
    day_link = link or readable(head, CARD)
    return Palette(
        head=head,
        on_head=text_on(head),
        link=day_link,
        dark_head=dark_head,
        on_dark_head=text_on(dark_head),
        dark_link=readable(day_link, DARK_CARD),
        dark_button=dark_button,
        on_dark_button=text_on(dark_button),
    )


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)


def _mixed(one: str, other: str, share: float) -> str:
    parts = (round(a + (b - a) * share) for a, b in zip(_parts(one), _parts(other), strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
