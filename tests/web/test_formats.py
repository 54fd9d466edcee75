"""Numbers and times as the reader writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from outreach.web import formats

AT = datetime(2026, 4, 8, 7, 42, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("bg", ("12\u00a0403", "0,5", "62,7\u00a0%", "100\u00a0%", "–", "4,2\u00a0MB")),
        ("en", ("12,403", "0.5", "62.7%", "100%", "–", "4.2\u00a0MB")),
    ],
)
def test_numbers_are_written_in_the_readers_format(language: str, expected: tuple[str, ...]) -> None:
    with translation.override(language):
        written = (
            formats.number(12403),
            formats.number(0.5, 1),
            formats.percent(0.627),
            formats.percent(1, 0),
            formats.percent(None),
            formats.size(4_404_019),
        )

    assert written == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("bg", ("8\u00a0април\u00a02026\u00a0г.", "8\u00a0април", "10:42", "10:42:07")),
        ("en", ("8\u00a0April\u00a02026", "8\u00a0April", "10:42", "10:42:07")),
    ],
)
def test_times_are_written_in_the_readers_format_and_zone(language: str, expected: tuple[str, ...]) -> None:
    with translation.override(language), timezone.override(ZoneInfo("Europe/Sofia")):
        written = (
            formats.day(AT),
            formats.short_day(AT),
            formats.time_of_day(AT),
            formats.seconds_of_day(AT),
        )
        zoned = formats.zoned(AT)

    assert written == expected
    assert zoned == f"{expected[0]}, 10:42, Europe/Sofia"


def test_zones_begin_with_those_of_europe() -> None:
    found = formats.zones()

    assert ("Europe/Sofia" in found, found[0].startswith("Europe/")) == (True, True)
