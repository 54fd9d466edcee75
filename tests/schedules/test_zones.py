from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from schedules.zones import Decision, Moment, UnknownZone, local_time, moment_of


@pytest.mark.parametrize(
    ("local", "zone", "at", "decision"),
    [
        ("2026-04-14T09:30", "Europe/Sofia", "2026-04-14T06:30", Decision.EXACT),
        ("2026-01-14T09:30", "Europe/Sofia", "2026-01-14T07:30", Decision.EXACT),
        ("2026-03-29T03:30", "Europe/Sofia", "2026-03-29T01:30", Decision.SKIPPED),
        ("2026-10-25T03:30", "Europe/Sofia", "2026-10-25T00:30", Decision.TWICE),
        ("2026-10-25T04:00", "Europe/Sofia", "2026-10-25T02:00", Decision.EXACT),
        ("2026-04-05T02:15", "Australia/Lord_Howe", "2026-04-04T15:45", Decision.EXACT),
        ("2026-06-01T12:00", "UTC", "2026-06-01T12:00", Decision.EXACT),
    ],
)
def test_moment_of(local: str, zone: str, at: str, decision: Decision) -> None:
    expected = Moment(at=datetime.fromisoformat(at).replace(tzinfo=UTC), decision=decision)
    assert moment_of(datetime.fromisoformat(local), zone) == expected


def test_skipped_time_moves_on_by_the_hour() -> None:
    moment = moment_of(datetime.fromisoformat("2026-03-29T03:30"), "Europe/Sofia")
    assert local_time(moment.at, "Europe/Sofia").isoformat() == "2026-03-29T04:30:00+03:00"


@pytest.mark.parametrize(
    ("name", "suggestion"), [("Europe/Sofija", "Europe/Sofia"), ("", ""), ("../etc/passwd", ""), ("Nowhere at all", "")]
)
def test_unknown_zone(name: str, suggestion: str) -> None:
    with pytest.raises(UnknownZone) as caught:
        moment_of(datetime.fromisoformat("2026-01-01T00:00"), name)
    assert pickle.loads(pickle.dumps(caught.value)).suggestion == suggestion  # noqa: S301 -- our own bytes
