"""The simulation holds for many seeds, replays exactly, and notices when a rule of the ledger is broken."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from outreach.delivery import pacing, verdicts
from outreach.delivery.verdicts import Case, Verdict
from tests.delivery.simulation import Violation, replay, replay_all

#: More in CI's nightly: OUTREACH_SIMULATION_SEEDS=100000.
SEEDS = int(os.environ.get("OUTREACH_SIMULATION_SEEDS", "300"))


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
