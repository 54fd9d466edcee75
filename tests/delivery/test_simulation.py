"""The simulation holds for many seeds, replays exactly, and notices when a rule of the ledger is broken."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from outreach.delivery import fallback, pacing, verdicts
from outreach.delivery.verdicts import Case, Verdict
from tests.delivery import simulated_fallbacks
from tests.delivery.simulated_fallbacks import FallbackSimulation
from tests.delivery.simulation import Violation, replay, replay_all

#: More in CI's nightly: OUTREACH_SIMULATION_SEEDS=100000.
SEEDS = int(os.environ.get("OUTREACH_SIMULATION_SEEDS", "300"))
#: Those with a choice of channels take three times as long.
FALLBACK_SEEDS = SEEDS // 2


def test_the_invariants_hold_in_every_interleaving() -> None:
    assert replay_all(range(SEEDS)) == {"finished", "cancelled"}


def test_a_seed_replays_exactly() -> None:
    first, second = replay(7), replay(7)
    assert (first.rows, first.peer, first.counters) == (second.rows, second.peer, second.counters)


def _reopen_always(**_: Any) -> Verdict:
    return Verdict(state="deferred", reason="lost_in_hand", uncertain=True)


def _forget_doubt(**_: Any) -> Verdict:
    return Verdict(state="deferred", reason="lost_in_hand", uncertain=False)


def _drop(**_: Any) -> Verdict:
    return Verdict(state="rejected", reason="lost_in_hand", uncertain=False)


@pytest.mark.parametrize("wrong", [_reopen_always, _forget_doubt, _drop])
def test_a_wrong_inheritance_is_noticed(monkeypatch: pytest.MonkeyPatch, wrong: Any) -> None:
    monkeypatch.setattr(verdicts, "inherit", wrong)
    with pytest.raises(Violation, match="seed"):
        replay_all(range(400))


def test_a_retry_of_what_was_accepted_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = verdicts.judge

    def wrong(outcome: Any, case: Case) -> Verdict:
        verdict = right(outcome, case)
        return replace(verdict, state="deferred") if verdict.state == "accepted" and case.jitter < 0.1 else verdict

    monkeypatch.setattr(verdicts, "judge", wrong)
    with pytest.raises(Violation, match="seed"):
        replay_all(range(100))


def test_a_lease_that_never_ends_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "LEASE", 10.0**8)
    with pytest.raises(Violation, match="never ended"):
        replay_all(range(50))


def test_the_next_channel_keeps_its_laws_in_every_interleaving() -> None:
    played = [simulated_fallbacks.replay(seed) for seed in range(FALLBACK_SEEDS)]
    words = {row.choice.partition(":")[0] for each in played for row in each.rows.values()}
    assert {each.state for each in played} == {"finished", "cancelled"}
    assert words == {"", "bounced", "rejected", "skipped", "silence"}
    assert max(sum(each.fallbacks.values()) for each in played) > len(played[0].wishes) / 2


def test_a_seed_with_fallbacks_replays_exactly() -> None:
    first, second = simulated_fallbacks.replay(7), simulated_fallbacks.replay(7)
    assert (first.rows, first.peer, first.counters) == (second.rows, second.peer, second.counters)


@pytest.mark.parametrize(
    ("rule", "broken", "told"),
    [
        ("_is_certain", True, "in doubt|who got"),
        ("_is_followed", False, "followed twice|no channel is left"),
        ("_is_overdue", True, "who got|did not wait"),
        ("_may_fall_back_now", True, "was made while the run was"),
    ],
)
def test_a_broken_rule_of_the_next_channel_is_noticed(
    monkeypatch: pytest.MonkeyPatch, rule: str, broken: object, told: str
) -> None:
    monkeypatch.setattr(FallbackSimulation, rule, lambda *_: broken)
    with pytest.raises(Violation, match=told):
        simulated_fallbacks.replay_all(range(200))


def test_a_message_after_a_no_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_fallbacks, "SKIPPED_AND_FOLLOWED", {"invalid_address", "unsubscribed"})
    with pytest.raises(Violation, match="who said no"):
        simulated_fallbacks.replay_all(range(200))


def test_failures_that_nobody_looks_for_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "is_due", lambda *_: False)
    with pytest.raises(Violation, match="nothing followed"):
        simulated_fallbacks.replay_all(range(200))


def test_a_refusal_that_was_none_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is no refusal: who did not answer may have taken it."""
    right = verdicts.judge

    def wrong(outcome: Any, case: Case) -> Verdict:
        return Verdict(state="rejected", reason="refused") if outcome.kind == "unknown" else right(outcome, case)

    monkeypatch.setattr(verdicts, "judge", wrong)
    with pytest.raises(Violation, match="seed"):
        simulated_fallbacks.replay_all(range(100))
