"""An organisation's look in one content: from the frozen plan to what the frame draws, in the content's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from outreach.core.models import in_language

#: Pixels that a logo takes at most; on screens with two dots a pixel it is drawn from twice as many.
HIGHEST_LOGO: Final = 48
WIDEST_LOGO: Final = 220
#: Languages that are written from right to left.
RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur", "yi"})


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the frame draws; hashable, as part of what compiling is remembered by."""

    #: In the head; '' for the organisation's own name.
    name: str = ""
    logo_url: str = ""
    logo_width: int = 0
    logo_height: int = 0
    colour: str = ""
    link_colour: str = ""
    #: Lines.
    footer: tuple[str, ...] = ()


def look_in(language: str, frozen: Mapping[str, Any]) -> Look:
    """The look of a frozen plan, if it has one."""
    facts = frozen.get("look") or {}
    logo = facts.get("logo") or {}
    width, height = _shown_size(logo.get("width", 0), logo.get("height", 0))
    footer = in_language(facts.get("footer") or {}, language)
    return Look(
        name=in_language(facts.get("name") or {}, language),
        logo_url=logo.get("url", ""),
        logo_width=width,
        logo_height=height,
        colour=facts.get("colour", ""),
        link_colour=facts.get("link_colour", ""),
        footer=tuple(line.strip() for line in footer.splitlines() if line.strip()),
    )


def direction(language: str) -> str:
    """The value of a `dir` attribute."""
    return "rtl" if language[:2] in RIGHT_TO_LEFT else "ltr"


def _shown_size(width: int, height: int) -> tuple[int, int]:
    if not width or not height:
        return 0, 0
    scale = min(1.0, WIDEST_LOGO / width, HIGHEST_LOGO / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
