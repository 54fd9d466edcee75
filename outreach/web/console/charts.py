"""Charts as SVG geometry: pure, drawn on the server, so that they work without JavaScript and under a strict CSP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from outreach.effectiveness.funnel import Stage
from outreach.effectiveness.report import Bar

#: The view box of the six stages.
FLOW_WIDTH: Final = 1200
FLOW_HEIGHT: Final = 240
#: The view box of the bars over time.
BARS_WIDTH: Final = 1200
BARS_HEIGHT: Final = 200


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The stages as one narrowing stream."""

    path: str
    #: For each measured stage: the interval as an SVG path.
    whiskers: list[str]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One bar of the over-time chart, in view-box units, from the ground up."""

    x: float
    width: float
    accepted: float
    opened: float
    clicked: float
    bar: Bar


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """Bars over time with their scale."""

    columns: list[Column]
    #: The highest value of a bar.
    top: int
    first: datetime
    last: datetime
    width: timedelta


def flow(stages: Sequence[Stage]) -> Flow:
    """The stream of the stages that are measured; its height is the share of those reached."""
    shares = [stage.share for stage in stages]
    step = FLOW_WIDTH / len(stages)
    heights = [FLOW_HEIGHT * (1 - (share.value if share else 0.0)) for share in shares]
    whiskers = [
        _whisker(step * index + step / 2, FLOW_HEIGHT * (1 - share.high), FLOW_HEIGHT * (1 - share.low))
        for index, share in enumerate(shares)
        if share and share.high > share.low
    ]
    return Flow(path=_stream(heights, step), whiskers=whiskers)


def _stream(heights: Sequence[float], step: float) -> str:
    """A plateau for each stage, joined by S-curves in the last third before the next."""
    parts = [f"M0 {heights[0]:.1f}"]
    for index, height in enumerate(heights):
        start, end = step * index, step * (index + 1)
        bend = start + step * 2 / 3
        following = heights[index + 1] if index + 1 < len(heights) else height
        middle = (bend + end) / 2
        parts.append(
            f"L{bend:.1f} {height:.1f} "
            f"C{middle:.1f} {height:.1f} {middle:.1f} {following:.1f} {end:.1f} {following:.1f}"
        )
    return " ".join([*parts, f"L{FLOW_WIDTH} {FLOW_HEIGHT} L0 {FLOW_HEIGHT} Z"])


def _whisker(x: float, top: float, bottom: float) -> str:
    return f"M{x:.1f} {top:.1f}V{bottom:.1f}M{x - 7:.1f} {top:.1f}h14M{x - 7:.1f} {bottom:.1f}h14"


def over_time(bars: Sequence[Bar]) -> OverTime | None:
    """The bars, scaled to the highest; None where nothing happened yet."""
    if not bars:
        return None
    top = max(1, *(max(bar.accepted, bar.opened, bar.clicked) for bar in bars))
    step = BARS_WIDTH / len(bars)
    scale = BARS_HEIGHT / top
    columns = [
        Column(
            x=index * step,
            width=step,
            accepted=bar.accepted * scale,
            opened=bar.opened * scale,
            clicked=bar.clicked * scale,
            bar=bar,
        )
        for index, bar in enumerate(bars)
    ]
    width = bars[1].at - bars[0].at if len(bars) > 1 else timedelta(minutes=1)
    return OverTime(columns=columns, top=top, first=bars[0].at, last=bars[-1].at + width, width=width)
