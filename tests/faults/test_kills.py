"""Processes of a whole installation are killed or frozen at random moments, while it sends two blasts at once.

One blast goes over an account that resends what is in doubt, one over an account that holds it back. After each case
every member of the audience has one fate, and the mail server's own record agrees with it. OUTREACH_FAULT_SEED repeats
a run's moments; `python -m tests.faults` plays many.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import psutil
import pytest

from tests.faults.compare import compare
from tests.faults.paced_peer import PacedPeer, paced_peer
from tests.faults.place import LEASE, Blast, Place
from tests.faults.report import again, note
from tests.road.installation import ROOT, wait_until

pytestmark = pytest.mark.xdist_group("kills")

PEOPLE: Final = 1200
POLICIES: Final = ("resend", "hold")
#: Processes that have nothing in hand: of what they were killed in, no message may be doubled or flagged.
EMPTY_HANDED: Final = frozenset({"notices parent", "beat", "web", "broker"})


@dataclass
class Case:
    """Two blasts under way, and what was in hand whenever something was cut."""

    place: Place
    peer: PacedPeer
    seed: int
    draw: random.Random
    blasts: list[Blast] = field(default_factory=list)
    cut: set[str] = field(default_factory=set)
    #: The last random moment, as a part of all messages.
    moment: float = 0.0
    #: What was done, in words.
    done: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.place.wait_until_whole()
        self.blasts = [self.place.blast(self.peer.port, policy=policy) for policy in POLICIES]

    @property
    def sent(self) -> int:
        return sum(len(self.peer.taken(blast.run)) for blast in self.blasts)

    def wait(self) -> str:
        """Wait for a random moment of the blasts, behind those that were; it in words."""
        self.moment = self.draw.uniform(max(0.03, self.moment), max(0.5, self.moment + 0.1))
        count = int(self.moment * PEOPLE * len(POLICIES))
        wait_until(lambda: self.sent >= count, seconds=60, what=f"{count} are sent")
        return f"when {count} of {PEOPLE * len(POLICIES):,} messages were taken"

    def kill(self, role: str) -> None:
        """SIGKILL at a random moment."""
        when = self.wait()
        before = self._held()
        if role == "worker child":
            pid = self.busy_worker()
            psutil.Process(pid).kill()
            self.cut |= self.hand_of(pid)
        else:
            self.place.kill(role, draw=self.draw)
            self.cut |= set() if role in EMPTY_HANDED else before | self._held()
        self.done.append(f"{role} {'wiped' if role == 'broker' else 'killed'} {when}")

    def busy_worker(self) -> int:
        """A worker child that has something in hand, and is not one that was killed with it; its process id."""
        busy = wait_until(
            lambda: sorted({hand.worker for hand in self.place.hands() if psutil.pid_exists(hand.worker)}),
            what="a window is in hand",
        )
        return self.draw.choice(busy)

    def hand_of(self, worker: int) -> set[str]:
        """What a dead or frozen worker has in hand; a COMMIT that it sent with its last breath may still come."""
        found = [set[str]()]

        def is_steady() -> bool:
            found.append({id_ for hand in self.place.hands(worker=worker) for id_ in hand.ids})
            return len(found) > 2 and found[-1] == found[-2]

        wait_until(is_steady, what="the hand of a worker that does nothing more")
        return found[-1]

    def _held(self) -> set[str]:
        return {id_ for hand in self.place.hands() for id_ in hand.ids}

    def finish(self, scenario: str) -> None:
        """Wait for the end, and compare both sides."""
        for blast in self.blasts:
            self.place.finish(blast)
        problems = [problem for blast in self.blasts for problem in self._compare(scenario, blast)]
        checked = self.place.installation.run("ledger", "--check")
        assert (problems, checked.returncode) == ([], 0), f"{again(self.seed)}: {self.done} {checked.stdout[-2000:]}"

    def _compare(self, scenario: str, blast: Blast) -> list[str]:
        found = compare(
            scenario,
            seed=self.seed,
            policy=blast.policy,
            audience=PEOPLE,
            fates=self.place.fates(blast),
            taken=self.peer.taken(blast.run),
            cut={id_ for id_ in self.cut if id_.startswith(f"{blast.run}-")},
            schedule="; ".join(self.done),
        )
        note(found)
        return found.problems


@pytest.fixture(scope="module")
def peer() -> Iterator[PacedPeer]:
    with paced_peer() as peer:
        yield peer


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One installation for all cases: each has two runs of its own in it."""
    with Place() as place:
        place.people(PEOPLE)
        yield place


@pytest.fixture
def case(place: Place, peer: PacedPeer, seed: int, request: pytest.FixtureRequest) -> Case:
    return Case(place=place, peer=peer, seed=seed, draw=random.Random(f"{seed} {request.node.name}"))


# --- kill -9 ---


@pytest.mark.parametrize("role", ["worker child", "worker parent", "postgres", "backend"])
def test_a_killed_process_loses_nobody_and_doubles_nobody_in_silence(case: Case, role: str) -> None:
    case.start()
    case.kill(role)
    case.finish(f"kill -9 of {role}")


def test_processes_that_have_nothing_in_hand_double_nothing_at_all(case: Case) -> None:
    roles = sorted(EMPTY_HANDED)
    case.draw.shuffle(roles)
    case.start()
    for role in roles:
        case.kill(role)
    case.finish("kill -9 of beat, web, notices parent; broker wiped")


def test_a_redis_that_is_killed_and_wiped_loses_nobody(seed: int) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server here")
    with paced_peer() as peer, Place(broker="redis") as place:
        place.people(PEOPLE)
        case = Case(place=place, peer=peer, seed=seed, draw=random.Random(f"{seed} redis"))
        case.start()
        case.kill("broker")
        case.finish("kill -9 of Redis, its data wiped")


def test_kills_one_after_another(case: Case) -> None:
    """Everything dies once, in random order."""
    roles = ["worker child", "worker child", "postgres", "worker parent", "beat", "broker"]
    case.draw.shuffle(roles)
    case.start()
    for role in roles[:4]:
        case.kill(role)
    case.finish("kill -9 of four at random")


# --- frozen ---


def test_a_worker_that_stands_still_for_two_leases_finds_its_batch_taken(case: Case) -> None:
    case.start()
    when = case.wait()
    pid = case.busy_worker()
    psutil.Process(pid).suspend()
    case.done.append(f"worker child stopped for two leases {when}")
    case.cut |= case.hand_of(pid)
    thawed = threading.Timer(2 * LEASE, case.place.thaw, [pid])
    thawed.start()
    thawed.join()
    case.finish("SIGSTOP of a worker child for two leases")


# --- everything twice ---


def test_two_beats_and_two_sweeps_at_once(case: Case) -> None:
    installation = case.place.installation
    beat = [sys.executable, "-m", "outreach.cli", "beat"]
    sweeps = [sys.executable, "-m", "tests.faults.sweeping", "100"]
    case.start()
    with installation.log.open("ab") as log:
        started = [
            subprocess.Popen(command, cwd=ROOT, env=installation.environment, stdout=log, stderr=log)
            for command in (beat, sweeps, sweeps)
        ]
    try:
        case.done.append("a second beat, and two sweeps at once a hundred times")
        ends = [process.wait(timeout=90) for process in started[1:]]
        assert (ends, started[0].poll()) == ([0, 0], None)
    finally:
        for process in started:
            process.kill()
            process.wait()
    case.finish("two beats and two sweeps at once")


def test_every_celery_message_comes_twice(case: Case) -> None:
    case.start()
    until = time.monotonic() + 3
    copied = 0
    while time.monotonic() < until:
        copied += len(
            case.place.query(
                "INSERT INTO broker.message (queue, payload) SELECT queue, payload FROM broker.message"
                " WHERE deliveries > 0 ORDER BY id DESC LIMIT 4 RETURNING id"
            )
        )
    case.done.append(f"{copied} messages of Celery doubled in their first three seconds")
    case.finish("Celery's messages doubled")


def test_two_starts_at_once_make_one_run(case: Case) -> None:
    place = case.place
    place.wait_until_whole()
    for policy in POLICIES:
        campaign = place.draft(case.peer.port, policy=policy)
        both = threading.Barrier(2)

        def start(campaign: int = campaign, both: threading.Barrier = both) -> int:
            both.wait()
            return place.installation.api("POST", f"/campaigns/{campaign}/start")[0]

        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(answer.result() for answer in [pool.submit(start), pool.submit(start)])
        assert statuses == [200, 409]
        case.blasts.append(place.started(campaign, policy=policy))
        assert place.query("SELECT count(*) FROM outreach_run WHERE campaign_id = %s", [campaign]) == [(1,)]
    case.done.append("two calls at once start the campaign")
    case.finish("two starts at once")


# --- people press buttons meanwhile ---


def press(case: Case, verb: str) -> None:
    for blast in case.blasts:
        status, answer = case.place.installation.api("POST", f"/campaigns/{blast.campaign}/{verb}")
        assert status == 200, answer
    case.done.append(f"then {verb}")


def test_a_cancel_in_mid_window_with_a_kill(case: Case) -> None:
    case.start()
    case.kill("worker child")
    press(case, "cancel")
    case.finish("cancel in mid-window, a worker child killed")


def test_a_pause_in_mid_window_with_a_kill_and_a_resume(case: Case) -> None:
    case.start()
    case.kill("worker child")
    press(case, "pause")
    for blast in case.blasts:
        wait_until(is_paused(case.place, blast), what="the hands of the dead are emptied, and the run is paused")
    case.done.append("paused")
    press(case, "resume")
    case.finish("pause and resume in mid-window, a worker child killed")


def is_paused(place: Place, blast: Blast) -> Callable[[], bool]:
    return lambda: place.state(blast) in {"paused", "finished"}
