from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from outreach.effectiveness.funnel import funnel
from outreach.effectiveness.intervals import wilson
from outreach.effectiveness.tallies import Tallies


def counter(kind: str, name: str, reason: str, count: int, **dimensions: Any) -> dict[str, Any]:
    return {"run_id": 1, "kind": kind, "channel": "email", "language": "bg", "name": name, "reason": reason} | {
        "count": count,
        **dimensions,
    }


def tallies(accepted: int, bounced: int, opened: int, clicked: int, **told: int) -> Tallies:
    """`told`: `STAGE_SOURCE` -> people of whom evidence is written down."""
    return Tallies(
        [
            *(counter("stage", name.replace("_", ":"), "for", people) for name, people in told.items()),
            counter("state", "accepted", "", accepted),
            counter("state", "skipped", "no_consent", 7),
            counter("receipt", "bounced", "", bounced),
            counter("event", "opened", "human", opened),
            counter("event", "opened", "machine", 900),
            counter("event", "clicked", "human", clicked),
        ]
    )


def people(stages: list[Any]) -> dict[str, int | None]:
    return {stage.goal: stage.people for stage in stages}


def test_each_stage_has_its_own_evidence() -> None:
    stages = funnel(tallies(100, 10, 40, 15, interested_reply=5, uses_service=8, satisfied_service=3))

    assert people(stages) == {
        "knows": 90,
        "understands": 40,
        "interested": 20,
        "uses": 8,
        "satisfied": 3,
        "recommends": None,
    }


def test_who_reached_a_later_stage_has_reached_the_earlier_ones() -> None:
    stages = funnel(tallies(100, 0, 4, 15, uses_service=30))

    assert people(stages)["understands"] == people(stages)["interested"] == people(stages)["uses"] == 30


def test_a_stage_that_nobody_reports_on_is_unknown_not_zero() -> None:
    stages = funnel(tallies(10, 0, 1, 0))

    assert [stage.people for stage in stages][3:] == [None, None, None]
    assert [stage.share for stage in stages][3:] == [None, None, None]


def test_an_answer_speaks_for_or_against_and_whoever_is_silent_is_unknown() -> None:
    asked = [
        counter("stage", "satisfied:answer", "for", 30),
        counter("stage", "satisfied:answer", "against", 10),
        counter("stage", "satisfied:answer", "uncertain", 5),
        counter("stage", "satisfied:service", "for", 2),
    ]
    stage = funnel(Tallies([counter("state", "accepted", "", 100), *asked]))[4]

    assert (stage.people, stage.against, stage.uncertain, stage.unknown) == (32, 10, 5, 58)
    assert (stage.of_answers, stage.share) == (wilson(30, 40), wilson(32, 100))
    assert stage.sources == {"answer": 30, "service": 2}


def test_what_is_not_tracked_is_unknown_until_somebody_tells() -> None:
    assert people(funnel(tallies(10, 0, 0, 0), is_tracked=False))["interested"] is None
    assert people(funnel(tallies(10, 0, 0, 0, interested_reply=2), is_tracked=False))["understands"] == 2


@given(*[st.integers(0, 1000)] * 5)
def test_the_funnel_never_widens(accepted: int, bounced: int, opened: int, clicked: int, used: int) -> None:
    counts = [
        stage.people
        for stage in funnel(tallies(accepted, bounced, opened, clicked, uses_service=used))
        if stage.people is not None
    ]

    assert counts == sorted(counts, reverse=True)
    assert max(counts) <= accepted


def test_tallies_cut_by_channel_and_reason() -> None:
    both = Tallies(
        [
            counter("state", "accepted", "", 5),
            counter("state", "accepted", "", 3, channel="sms", run_id=2),
            counter("state", "skipped", "suppressed", 2, channel="sms"),
            counter("minute", "2026-11-22T10:05", "", 3),
            counter("minute", "2026-11-22T10:04", "", 2),
        ]
    )

    assert (both.audience, both.accepted, both.values("channel")) == (10, 8, ["email", "sms"])
    assert (both.only(channel="sms").accepted, both.of_runs([2]).audience) == (3, 3)
    assert both.reasons("skipped") == {"suppressed": 2}
    assert list(both.minutes().items()) == [("2026-11-22T10:04", 2), ("2026-11-22T10:05", 3)]


def test_openings_and_clicks_count_up_to_the_messages_of_their_own_group() -> None:
    email = [counter("state", "accepted", "", 99), counter("event", "opened", "human", 3)]
    sms = [
        counter("state", "accepted", "", 1, channel="sms"),
        counter("event", "clicked", "human", 40, channel="sms"),
        counter("event", "clicked", "uncertain", 40, channel="sms"),
    ]
    understands, interested = funnel(Tallies([*email, *sms]))[1:3]

    assert (understands.people, understands.share, understands.sources) == (3, wilson(3, 100), {"open": 3})
    assert (interested.people, interested.share, interested.sources) == (1, wilson(1, 100), {"click": 1})
    assert (interested.uncertain, interested.unknown) == (1, 99)
