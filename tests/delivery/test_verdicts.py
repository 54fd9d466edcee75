"""The pure rules: outcome to state, death to state, evidence to state, pauses between tries, windows and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from channels.base import Outcome, OutcomeKind
from outreach.delivery import pacing, retry
from outreach.delivery.handover import variant_for
from outreach.delivery.verdicts import Case, Refusals, Verdict, inherit, is_parked, judge

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def case(**changes: object) -> Case:
    values: dict[str, object] = {
        "uncertain": False,
        "attempts": 0,
        "policy": "resend",
        "now": NOW,
        "give_up_at": NOW + timedelta(hours=48),
        **changes,
    }
    return Case(**values)  # type: ignore[arg-type]  # values of a table


def outcome(kind: str, reason: str = "", retry_after: float | None = None, scope: str = "message") -> Outcome:
    return Outcome(id="1-1", kind=OutcomeKind(kind), reason=reason, retry_after=retry_after, scope=scope)


MINUTE = NOW + timedelta(minutes=1)
JUDGED = [
    (outcome("accepted"), case(), Verdict(state="accepted")),
    (outcome("accepted"), case(uncertain=True), Verdict(state="accepted", uncertain=True)),
    (outcome("temporary"), case(), Verdict(state="deferred", reason="temporary", retry_at=MINUTE)),
    (
        outcome("temporary", "rate_limited", 300.0),
        case(),
        Verdict(state="deferred", reason="rate_limited", retry_at=NOW + timedelta(minutes=5)),
    ),
    (
        outcome("temporary"),
        case(give_up_at=NOW + timedelta(seconds=30)),
        Verdict(state="rejected", reason="too_many_attempts"),
    ),
    (
        outcome("temporary"),
        case(give_up_at=NOW + timedelta(seconds=30), ends_with_run=True),
        Verdict(state="skipped", reason="expired"),
    ),
    (
        outcome("temporary", scope="account"),
        case(attempts=3, uncertain=True),
        Verdict(state="deferred", reason="temporary", uncertain=True, tried=False),
    ),
    (
        outcome("temporary", scope="account"),
        case(give_up_at=NOW),
        Verdict(state="rejected", reason="too_many_attempts", tried=True),
    ),
    (outcome("permanent", "unknown_recipient"), case(), Verdict(state="rejected", reason="unknown_recipient")),
    (outcome("permanent", "xyz"), case(uncertain=True), Verdict(state="rejected", reason="refused", uncertain=True)),
    (outcome("unsupported"), case(), Verdict(state="rejected", reason="unsupported")),
    (outcome("account"), case(), Verdict(state="deferred", reason="account_problem", tried=False)),
    (outcome("unknown"), case(), Verdict(state="deferred", reason="no_answer", uncertain=True)),
    (outcome("unknown"), case(uncertain=True), Verdict(state="unknown", reason="no_answer", uncertain=True)),
    (outcome("unknown"), case(policy="hold"), Verdict(state="unknown", reason="no_answer", uncertain=True)),
]


@pytest.mark.parametrize(("said", "known", "expected"), JUDGED)
def test_judge(said: Outcome, known: Case, expected: Verdict) -> None:
    assert judge(said, known) == expected


@pytest.mark.parametrize("uncertain", [True, False])
@pytest.mark.parametrize("policy", ["resend", "hold"])
@pytest.mark.parametrize("is_running", [True, False])
def test_inherit(*, uncertain: bool, policy: str, is_running: bool) -> None:
    is_tried_again = not uncertain and policy == "resend" and is_running
    state = "deferred" if is_tried_again else "unknown"
    assert inherit(uncertain=uncertain, policy=policy, is_running=is_running) == Verdict(
        state=state, reason="lost_in_hand", uncertain=True
    )


def test_parked_at_the_third_time() -> None:
    assert [is_parked(count) for count in range(5)] == [False, False, False, True, True]


def test_pauses_double_up_to_four_hours() -> None:
    pauses = [retry.delay(attempts, retry_after=None, jitter=0.5) for attempts in range(12)]
    assert pauses[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert pauses[8:] == [timedelta(hours=4)] * 4
    assert retry.delay(0, retry_after=None, jitter=0.0) == timedelta(seconds=45)
    assert retry.delay(0, retry_after=7200.0, jitter=0.0) == timedelta(hours=2)


def test_due_minute_is_never_early() -> None:
    assert retry.due_minute(NOW) == NOW
    assert retry.due_minute(NOW + timedelta(microseconds=1)) == MINUTE


def test_windows_follow_the_adapter_the_rate_and_what_was_seen() -> None:
    assert pacing.window_size(100, rate_per_minute=0, seen_per_second=0.0) == 100
    assert pacing.window_size(100, rate_per_minute=60, seen_per_second=0.0) == 15
    assert pacing.window_size(500, rate_per_minute=0, seen_per_second=0.0) == pacing.FIRST_WINDOW
    assert pacing.window_size(500, rate_per_minute=0, seen_per_second=900.0) == 500
    assert pacing.window_size(100, rate_per_minute=0, seen_per_second=2.0) == 30
    assert pacing.window_size(100, rate_per_minute=1, seen_per_second=0.0) == 1


def test_a_lease_is_four_times_a_call() -> None:
    assert (pacing.lease_seconds(10.0), pacing.lease_seconds(30.0)) == (60.0, 121.0)


def test_refusals_that_speak_against_us_stop_a_run() -> None:
    refusals = Refusals()
    for number in range(200):
        refused = number % 4 == 0
        refusals.add(Verdict(state="rejected" if refused else "accepted", reason="policy" if refused else ""))
        assert refusals.too_many() is (number >= 49)


def test_variants_share_the_draws_evenly() -> None:
    assert [variant_for(draw, ["a", "b"]) for draw in (0.0, 0.49, 0.5, 0.999999)] == ["a", "a", "b", "b"]
    assert variant_for(0.7, []) == ""
