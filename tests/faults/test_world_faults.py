"""Faults of the world: a full disk, a clock that jumps, a copied data folder, two supervisors, a peer that is down.

Whole installations with real processes. OUTREACH_FAULT_LONG=1 waits as long as the world does.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
import psycopg
import pytest

from outreach.delivery.pacing import FIRST_WINDOW
from tests.faults.compare import compare
from tests.faults.faulty_peer import FaultyPeer, faulty_peer
from tests.faults.place import CHILDREN, Blast, Place
from tests.faults.report import note
from tests.road.installation import Installation, wait_until

pytestmark = pytest.mark.xdist_group("world faults")

IS_LONG: Final = bool(os.environ.get("OUTREACH_FAULT_LONG"))
#: The short form draws one by its seed.
POLICIES: Final = ("resend", "hold") if IS_LONG else ("drawn",)
PEOPLE: Final = 3000 if IS_LONG else 800
#: Longer than any of the waits below, so that no lease runs out but by a jump or by hand.
LEASE: Final = 30.0
#: Of the installation's disk.
ROOMY: Final = "size=1g"
#: Seconds for which the peer is down.
DOWN: Final = 20.0 if IS_LONG else 3.0
#: The ledger asks the database for the time by this name; a function in front of PostgreSQL's own lets it jump.
JUMP: Final = """
CREATE OR REPLACE FUNCTION jumped.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT pg_catalog.clock_timestamp() + interval '{}' $$
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One installation for all cases: each has a run of its own in it. On a disk of its own, where that can be had."""
    place = Place(lease=LEASE)
    mount(place.folder, "-t", "tmpfs", "-o", f"{ROOMY},mode=0755", "tmpfs")
    try:
        with place:
            place.people(PEOPLE)
            yield place
    finally:
        subprocess.run(["umount", "--lazy", place.folder], check=False, capture_output=True)
        shutil.rmtree(place.folder, ignore_errors=True)


def mount(folder: Path, *options: str) -> None:
    """Mount, or mount anew; nothing happens where that is not allowed."""
    subprocess.run(["mount", *options, folder], check=False, capture_output=True)


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest, seed: int) -> str:
    """What the account does with what nobody knows about."""
    draw = random.Random(f"{seed} {request.node.name}")
    return str(request.param) if IS_LONG else draw.choice(["resend", "hold"])


def check(place: Place, scenario: str, blast: Blast, peer: FaultyPeer, *, cut: set[str], seed: int) -> int:
    """The rules that hold whatever the world does; how many were accepted."""
    found = compare(
        scenario,
        seed=seed,
        policy=blast.policy,
        audience=place.people_count,
        fates=place.fates(blast),
        taken=peer.taken(blast.run),
        cut=cut,
    )
    note(found)
    assert (found.problems, place.ledger_check(blast)) == ([], ""), place.story(blast)
    return found.accepted


def hands(place: Place) -> set[str]:
    return {id_ for hand in place.hands() for id_ in hand.ids}


def let_leases_run_out(place: Place) -> None:
    place.query(
        "UPDATE outreach_batch SET lease_until = clock_timestamp() - interval '1 second'"
        " WHERE lease_until IS NOT NULL RETURNING id"
    )


# --- the clock ---


@contextmanager
def jumping_clock(place: Place) -> Iterator[Callable[[str], None]]:
    """Lets the database's clock jump by an interval, for all connections at once; right again at the end."""
    with psycopg.connect(place.database, autocommit=True) as link:

        def jump(by: str) -> None:
            link.execute(JUMP.format(by))

        link.execute("CREATE SCHEMA IF NOT EXISTS jumped")
        jump("0")
        link.execute("ALTER SYSTEM SET search_path = public, jumped, pg_catalog")
        link.execute("SELECT pg_reload_conf()")
        try:
            yield jump
        finally:
            link.execute("ALTER SYSTEM RESET search_path")
            link.execute("SELECT pg_reload_conf()")
            link.execute("UPDATE outreach_installation SET alive_at = pg_catalog.clock_timestamp()")


@pytest.mark.parametrize(
    ("by", "is_taken_over"),
    [
        pytest.param("10 minutes", True, id="forward: every lease has run out"),
        pytest.param("-1 hour", True, id="back: a lease ends later than any can"),
        pytest.param("-10 minutes", False, id="back by less: the holder goes on"),
    ],
)
def test_a_clock_jumps_while_messages_are_in_hand(
    place: Place, seed: int, by: str, policy: str, *, is_taken_over: bool
) -> None:
    with faulty_peer(seed=seed) as peer, jumping_clock(place) as jump:
        peer.gate.clear()
        blast = place.blast(peer.port, policy=policy)
        wait_until(lambda: place.hands() and peer.attempts, what="a window is in hand")
        [hand] = place.hands()
        jump(by)
        if is_taken_over:
            wait_until(lambda: fence(place, hand.batch) > hand.fence, seconds=25, what="somebody takes the batch over")
        peer.gate.set()
        place.finish(blast)

        cut = set(hand.ids) if is_taken_over else set()
        check(place, f"clock jumps by {by}", blast, peer, cut=cut, seed=seed)


def fence(place: Place, batch: int) -> int:
    return int(place.query("SELECT fence FROM outreach_batch WHERE id = %s", [batch])[0][0])


# --- two of them ---


def another(place: Place, data: Path) -> Place:
    """An installation over this data folder, on a port of its own, not started."""
    found = Place(lease=LEASE)
    environment = {"OUTREACH_SANDBOX": "false", "OUTREACH_LEASE": str(LEASE), "OUTREACH_WORKERS": str(CHILDREN)}
    found.installation = Installation(data=data, environment=environment, token=place.installation.token)
    found.people_count = place.people_count
    return found


def kill_supervisor(place: Place) -> None:
    """SIGKILL `outreach run`; what it started goes with it."""
    assert place.installation.pid is not None
    supervisor = psutil.Process(place.installation.pid)
    children = supervisor.children(recursive=True)
    supervisor.kill()
    place.installation.stop()
    psutil.wait_procs(children, timeout=30)


def test_two_supervisors_over_one_folder(place: Place, seed: int) -> None:
    second = another(place, place.installation.data)
    with faulty_peer(seed=seed, closes_after=PEOPLE // 4) as peer:
        try:
            second.installation.start()
            second.wait_until_whole()
            blast = place.blast(peer.port)
            wait_until(lambda: not peer.gate.is_set(), what="messages leave")
            cut = hands(place)
            kill_supervisor(place)
            cut |= hands(second)
            peer.gate.set()
            let_leases_run_out(second)
            second.finish(blast)
            check(second, "two supervisors, one killed", blast, peer, cut=cut, seed=seed)
        finally:
            place.installation.start()
            second.__exit__()
            place.wait_until_whole()


def test_a_copied_folder_sends_nothing_until_somebody_says_so(place: Place, seed: int, policy: str) -> None:
    folder = Place(lease=LEASE)
    copy = another(place, folder.installation.data)
    with faulty_peer(seed=seed, closes_after=PEOPLE // 8) as peer:
        try:
            blast = place.blast(peer.port, policy=policy)
            wait_until(lambda: not peer.gate.is_set(), what="messages leave")
            cut = kill_everything(place)
            peer.let_the_cut_off_go()
            at_the_copy = peer.taken(blast.run)
            subprocess.run(["cp", "-a", place.installation.data, copy.installation.data], check=True)

            for one in (copy, place):
                one.installation.start()
                wait_until(lambda one=one: one.state(blast) == "held", what="the run is held")  # type: ignore[misc]
                let_leases_run_out(one)
            for one in (copy, place):
                wait_until(lambda one=one: not one.hands(), what="what was in hand is resolved")  # type: ignore[misc]
            assert peer.taken(blast.run) == at_the_copy

            status, answer = copy.installation.api("POST", f"/campaigns/{blast.campaign}/resume")
            assert status == 200, answer
            copy.finish(blast)
            check(copy, "a copied folder", blast, peer, cut=cut, seed=seed)
            assert place.state(blast) == "held"
            status, answer = place.installation.api("POST", f"/campaigns/{blast.campaign}/cancel")
            assert status == 200, answer
        finally:
            copy.__exit__()
            shutil.rmtree(folder.folder, ignore_errors=True)
            place.wait_until_whole()


def kill_everything(place: Place) -> set[str]:
    """SIGKILL all of it, as if an hour ago; the ids that were in hand then."""
    assert place.installation.pid is not None
    supervisor = psutil.Process(place.installation.pid)
    supervisor.suspend()  # else it would start again what is killed
    everything = supervisor.children(recursive=True)
    database = place.processes("postgres")
    for process in everything:
        with suppress(psutil.NoSuchProcess):  # a query's backend, or a command, may just have ended by itself
            if process not in database and process.parent() not in database:
                process.kill()
    found = hands(place)
    place.query("UPDATE outreach_installation SET alive_at = alive_at - interval '1 hour' RETURNING id")
    supervisor.kill()
    place.installation.stop()
    psutil.wait_procs(everything, timeout=30)
    return found


# --- the peer, left alone with a whole installation ---


def test_a_peer_is_down_and_everything_goes_on_by_itself(place: Place, seed: int) -> None:
    with faulty_peer(seed=seed, closes_after=PEOPLE // 8) as peer:
        blast = place.blast(peer.port)
        wait_until(lambda: not peer.gate.is_set(), what="messages leave")
        peer.go_down()
        peer.gate.set()
        time.sleep(DOWN)  # that it is away for so long is the case
        assert place.state(blast) == "running"
        peer.come_up()
        # A message that lost two connections before it was begun waits for its minute, 135 seconds at most.
        place.finish(blast, seconds=240, hastened=False)

        left = left_without_an_answer(place, blast, peer)
        check(place, f"peer down for {DOWN:.0f} s", blast, peer, cut=left, seed=seed)


def left_without_an_answer(place: Place, blast: Blast, peer: FaultyPeer) -> set[str]:
    rows = place.query(
        "SELECT d.run_id || '-' || d.id FROM outreach_delivery d JOIN outreach_address a ON a.id = d.address_id"
        " WHERE d.run_id = %s AND a.value = ANY (%s)",
        [blast.run, peer.left],
    )
    return {id_ for (id_,) in rows}


# --- the disk ---


@contextmanager
def full_disk(place: Place) -> Iterator[None]:
    """There is no room at all, neither for rows nor for the log; the server gives up, and so does each new one."""
    used = shutil.disk_usage(place.folder).used
    mount(place.folder, "-o", f"remount,size={used}")
    try:
        with psycopg.connect(place.database, autocommit=True) as link, pytest.raises(psycopg.errors.DiskFull):
            link.execute("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
        with suppress(psycopg.Error), psycopg.connect(place.database, autocommit=True) as link:
            for _ in range(100):  # until what is kept of the log is used up
                link.execute("SELECT pg_switch_wal()")
                link.execute("SELECT pg_logical_emit_message(false, 'fault', 'x')")
        wait_until(lambda: "is tried again" in place.installation.log.read_text(), what="it cannot be started")
        yield
    finally:
        mount(place.folder, "-o", f"remount,{ROOMY}")


def test_a_full_disk_delays_and_loses_nobody(place: Place, seed: int) -> None:
    if not place.folder.is_mount():
        pytest.skip("a disk of its own can be mounted by root only")
    with faulty_peer(seed=seed) as peer:
        peer.gate.clear()
        blast = place.blast(peer.port)
        wait_until(lambda: place.hands() and peer.attempts, what="a window is in hand")
        with full_disk(place):
            peer.gate.set()
            wait_until(lambda: len(peer.messages) >= FIRST_WINDOW, what="it leaves, and cannot be settled")
        place.finish(blast)
        check(place, "full disk", blast, peer, cut=set(), seed=seed)
        place.wait_until_whole()
