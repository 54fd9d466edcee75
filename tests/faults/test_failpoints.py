"""Every failpoint x every action that can happen at it, once: a real worker process, a real SMTP peer.

The table of points is the product's own, so a point without a case fails here. OUTREACH_FAULT_SEED repeats a run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from outreach.core.failpoints import POINTS
from tests.faults.armed import DONE, Workers
from tests.faults.compare import compare
from tests.faults.report import again, note
from tests.faults.sockets import POINTS as SOCKET_POINTS

if TYPE_CHECKING:
    from outreach.campaigns.models import Run
    from tests.faults.stage import Stage


@pytest.fixture(scope="module")
def stage(db: None) -> Iterator[Stage]:
    """One for all cases of this process."""
    from django.db import connection

    from outreach.core import queue
    from tests.channels.smtp_peer import mail_server
    from tests.faults.stage import Stage

    name = str(connection.settings_dict["NAME"])
    with mail_server() as peer, Workers(name) as workers, pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "_publish", lambda *_: None)
        yield Stage(peer=peer, workers=workers)


# --- how each point is reached ---


def begin(stage: Stage, policy: str) -> Run:
    return stage.run(policy)


def fan_out(stage: Stage, policy: str) -> Run:
    return stage.fanned_out(policy)


def lose_a_worker(stage: Stage, policy: str) -> Run:
    """A worker died with a window in hand, half of it handed over; its lease ran out."""
    run = stage.fanned_out(policy)
    assert stage.do("work", run, "handover.after:kill:nth=75")[1] == "killed"
    stage.let_leases_run_out()
    return run


def lose_a_worker_and_pause(stage: Stage, policy: str) -> Run:
    from outreach.delivery.runs import pause_run

    run = lose_a_worker(stage, policy)
    pause_run(run.pk)
    return run


def cancel_midway(stage: Stage, policy: str) -> Run:
    from outreach.delivery.runs import cancel_run

    run = lose_a_worker(stage, policy)
    cancel_run(run.pk)
    return run


def know_nothing_of_a_window(stage: Stage, policy: str) -> Run:
    """Under `hold` a whole window became unknown, which the peer took."""
    run = stage.fanned_out(policy)
    assert stage.do("work", run, "handover.end:kill:nth=2")[1] == "killed"
    stage.let_leases_run_out()
    assert stage.do("carry_on", run)[1] == DONE
    return run


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a worker process comes to a point."""

    prepare: Callable[[Stage, str], Run]
    #: What the process does; see armed.VERBS.
    verb: str
    #: It comes by at least so often.
    most: int = 1
    policies: tuple[str, ...] = ("resend", "hold")


#: 300 messages in 3 batches of 2 windows.
WAYS: Final = {
    "fanout": Way(prepare=begin, verb="fan_out", most=3),
    "lease": Way(prepare=fan_out, verb="work", most=3),
    "inherit": Way(prepare=lose_a_worker, verb="work"),
    "lost": Way(prepare=lose_a_worker_and_pause, verb="sweep"),
    "settle": Way(prepare=fan_out, verb="work", most=9),
    "window": Way(prepare=fan_out, verb="work", most=9),
    "handover.begin": Way(prepare=fan_out, verb="work", most=6),
    "handover.end": Way(prepare=fan_out, verb="work", most=6),
    "handover": Way(prepare=fan_out, verb="work", most=300),
    "release": Way(prepare=fan_out, verb="work_shut_out"),
    "advance": Way(prepare=fan_out, verb="work"),
    "cancel": Way(prepare=cancel_midway, verb="sweep", most=3),
    "steer": Way(prepare=lose_a_worker, verb="pause"),
    "evidence": Way(prepare=know_nothing_of_a_window, verb="learn", most=50, policies=("hold",)),
    "engine": Way(prepare=fan_out, verb="work", most=3),
    "socket": Way(prepare=fan_out, verb="work", most=150),
}
#: Where a worker is killed that makes digests, or has them in hand; what it does; it comes by at least so often.
DIGEST_WAYS: Final = (
    ("digests.written", "tell", 3),
    ("digests.after_commit", "tell", 3),
    ("handover.after", "work", 120),
)
ALL: Final = {**POINTS, **SOCKET_POINTS}
#: Action -> what is done, in words.
ACTIONS: Final = {
    "kill": "a worker is killed at",
    "stall": "a worker stands still past its lease, and a second one takes over, at",
    "drop": "the database's connection breaks at",
    "ambiguous": "the COMMIT is sent, and its answer never heard, at",
}
#: Action -> what becomes of the worker.
ENDS: Final = {"kill": "killed", "stall": "stopped", "drop": DONE, "ambiguous": DONE}


def way_to(point: str) -> Way | None:
    return WAYS.get(point) or WAYS.get(point.partition(".")[0])


def test_every_point_has_a_way() -> None:
    told = {point for point, _verb, _most in DIGEST_WAYS}
    assert [point for point in ALL if way_to(point) is None and point not in told] == []


@pytest.mark.parametrize(
    ("point", "action"), [(point, action) for point, actions in ALL.items() if way_to(point) for action in actions]
)
def test_nothing_is_lost_and_nothing_doubled_in_silence(stage: Stage, seed: int, point: str, action: str) -> None:
    draw = random.Random(f"{seed} {point} {action}")
    way = way_to(point)
    assert way is not None
    policy, nth = draw.choice(way.policies), draw.randint(1, way.most)
    run = way.prepare(stage, policy)
    cut = stage.in_hand(run) | _flagged(stage, run)

    pid, end = stage.do(way.verb, run, f"{point}:{action}:nth={nth}")
    assert end == ENDS[action]
    cut |= stage.in_hand(run)
    if action == "stall":
        stage.go_on(pid, run)
    stage.recover(run)

    found = compare(
        f"{point}: {action}",
        schedule=f"{ACTIONS[action]} {point} when it comes there for the {nth}. time",
        seed=seed,
        policy=policy,
        audience=run.audience_count,
        fates=stage.fates(run),
        taken=stage.taken(run),
        cut=cut,
    )
    note(found)
    assert (found.problems, stage.ledger_problems(run)) == ([], []), again(seed)


@pytest.mark.parametrize(("point", "verb", "most"), DIGEST_WAYS)
def test_what_was_kept_is_told_once_or_the_receipt_says_that_it_may_be_twice(
    stage: Stage, seed: int, point: str, verb: str, most: int
) -> None:
    from outreach.delivery.models import DigestItem

    nth = random.Random(f"{seed} digest {point}").randint(1, most)
    kept = stage.kept_for_digests()
    if verb != "tell":
        assert stage.do("tell", kept)[1] == DONE
    assert stage.do(verb, kept, f"{point}:kill:nth={nth}")[1] == "killed"
    cut = {id_ for run in stage.digests_of(kept) for id_ in stage.in_hand(run)}
    assert stage.do("tell", kept)[1] == DONE  # as a minute later
    runs = stage.digests_of(kept)
    for run in runs:
        stage.recover(run)

    found = compare(
        f"{point}: kill, of digests",
        schedule=f"{ACTIONS['kill']} {point} when it comes there for the {nth}. time",
        seed=seed,
        policy="resend",
        audience=kept.audience_count,
        fates=[fate for run in runs for fate in stage.fates(run)],
        taken=[id_ for run in runs for id_ in stage.taken(run)],
        cut=cut,
    )
    note(found)
    told = DigestItem.objects.filter(run=kept, dropped="").exclude(digest=None).values_list("digest")
    assert (len(told), len(set(told))) == (kept.audience_count, kept.audience_count)
    problems = [problem for run in (kept, runs[0]) for problem in stage.ledger_problems(run)]
    assert (found.problems, problems) == ([], []), again(seed)


def _flagged(stage: Stage, run: Run) -> set[str]:
    """What was in hand at the cut that prepared the case."""
    return {fate.id for fate in stage.fates(run) if fate.uncertain}
