"""Faults of the mail server, one by one and all at once: real worker processes, and the peer's own record afterwards.

OUTREACH_FAULT_SEED repeats a run; OUTREACH_FAULT_LONG=1 plays more rounds and waits longer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.channels.certificate import make_certificate
from tests.channels.smtp_peer import DROP, STALL, mail_server
from tests.faults.armed import DONE
from tests.faults.faulty_peer import Fault, FaultyPeer, faulty_peer
from tests.faults.impatient import ImpatientWorkers
from tests.faults.report import note
from tests.road.installation import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from outreach.campaigns.models import Run
    from tests.faults.peer_stage import PeerStage

pytestmark = pytest.mark.xdist_group("peer faults")

IS_LONG: Final = bool(os.environ.get("OUTREACH_FAULT_LONG"))
ROUNDS: Final = 5 if IS_LONG else 1
POLICIES: Final = ("resend", "hold")
WAITS: Final = "carry_on"
IMPATIENT: Final = "carry_on_impatiently"

LATER: Final = Fault(step="RCPT", reply="450 4.2.0 come again later", share=0.1, first_only=True)
NOBODY: Final = Fault(step="RCPT", reply="550 5.1.1 no such user", share=0.01, is_lasting=True)
#: What goes wrong -> how. None of it is the account's fault, and nobody needs to do anything about it.
FAULTS: Final[dict[str, tuple[Fault, ...]]] = {
    "drops in mid-DATA": (Fault(step="CONTENT", reply=DROP, share=0.03),),
    "drops after end-of-data": (Fault(step="END", reply=DROP, share=0.03),),
    "silent after end-of-data": (Fault(step="END", reply=STALL, share=0.1, most=3),),
    "silent in mid-conversation": (
        Fault(step="MAIL", reply=STALL, share=0.05, most=1),
        Fault(step="RCPT", reply=STALL, share=0.05, most=1),
        Fault(step="DATA", reply=STALL, share=0.05, most=1),
    ),
    "421 at greeting": (Fault(step="GREETING", reply="421 4.3.2 too busy", share=0.4),),
    "421 in mid-session": (
        Fault(step="MAIL", reply="421 4.7.0 too many messages", share=0.03),
        Fault(step="END", reply="421 4.3.0 going down", share=0.01),
    ),
    "4xx for 10 %": (LATER,),
    "5xx for 1 %": (NOBODY,),
    "bad banner": (Fault(step="GREETING", reply="SSH-2.0-OpenSSH_9.6", share=0.4),),
    "all at once": (
        Fault(step="CONTENT", reply=DROP, share=0.01),
        Fault(step="END", reply=DROP, share=0.01),
        Fault(step="END", reply=STALL, share=0.01, most=1),
        Fault(step="MAIL", reply="421 4.7.0 too many messages", share=0.01),
        Fault(step="GREETING", reply="421 4.3.2 too busy", share=0.2),
        LATER,
        NOBODY,
    ),
}


@pytest.fixture(scope="module")
def stage(db: None) -> Iterator[PeerStage]:
    """One for all cases: each has a run of its own in it."""
    from django.db import connection

    from outreach.core import queue
    from tests.faults.peer_stage import PeerStage

    name = str(connection.settings_dict["NAME"])
    with mail_server() as peer, ImpatientWorkers(name) as workers, pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "_publish", lambda *_: None)
        yield PeerStage(peer=peer, workers=workers)


def check(stage: PeerStage, scenario: str, run: Run, peer: FaultyPeer, policy: str) -> None:
    """The rules that hold whatever the peer does."""
    found = stage.compare(scenario, run, peer, policy=policy)
    note(found)
    assert (found.problems, stage.ledger_problems(run)) == ([], []), f"OUTREACH_FAULT_SEED={peer.seed} repeats this"


def states(stage: PeerStage, run: Run) -> dict[tuple[str, str], int]:
    return dict(Counter((fate.state, fate.reason) for fate in stage.fates(run)))


# --- what passes by itself ---


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scenario", FAULTS)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_fault_loses_nobody_and_doubles_nobody_in_silence(
    stage: PeerStage, seed: int, scenario: str, policy: str, number: int
) -> None:
    from outreach.core.models import Alert

    faults = FAULTS[scenario]
    verb = IMPATIENT if any(fault.reply == STALL for fault in faults) else WAITS
    with faulty_peer(*faults, seed=seed + number) as peer:
        account = stage.lead_to(peer, policy)
        run = stage.fanned_out(policy)
        stage.play_to_the_end(run, verb=verb)

        check(stage, f"peer {scenario}", run, peer, policy)
        if policy == "hold":
            left = set(peer.left)
            unknown = {fate.target for fate in stage.fates(run) if fate.state == "unknown"}
            assert unknown <= {f"s:{recipient.removeprefix('person').partition('@')[0]}" for recipient in left}
        account.refresh_from_db()
        # One greeting in five is a refusal: three in a row are told, until the account sends again.
        alerts = Alert.objects.filter(resolved_at=None).exclude(code="account_resting")
        assert (account.state, list(alerts.values_list("code", "facts"))) == ("active", [])


@pytest.mark.parametrize("policy", POLICIES)
def test_who_is_put_off_is_tried_again_and_who_does_not_exist_is_not(stage: PeerStage, seed: int, policy: str) -> None:
    with faulty_peer(LATER, NOBODY, seed=seed) as peer:
        stage.lead_to(peer, policy)
        run = stage.fanned_out(policy)
        assert stage.play(run) == "running"
        put_off = states(stage, run).get(("deferred", "temporary"), 0)
        stage.play_to_the_end(run)

        check(stage, "peer 4xx for 10 %, 5xx for 1 %", run, peer, policy)
        assert put_off == peer.struck[LATER] > 0
        refused = peer.struck[NOBODY]
        accepted = {("accepted", ""): run.audience_count - refused}
        assert states(stage, run) == accepted | ({("rejected", "unknown_recipient"): refused} if refused else {})
        got = {recipient for recipient, _ in peer.messages}
        tries = peer.tries()
        assert {tries[recipient] for recipient in tries if recipient not in got} <= {1, 2}
        assert Counter(tries.values()) == Counter({1: run.audience_count - put_off, 2: put_off})


def test_who_is_put_off_until_the_run_ends_is_given_up_with_the_reason(stage: PeerStage, seed: int) -> None:
    from outreach.core import clock

    always = Fault(step="RCPT", reply="450 4.2.0 come again later", share=0.1, is_lasting=True)
    with faulty_peer(always, seed=seed) as peer:
        stage.lead_to(peer, "resend")
        run = stage.fanned_out("resend")
        type(run).objects.filter(pk=run.pk).update(not_after=clock.now() + timedelta(seconds=40))
        stage.play_to_the_end(run)

        check(stage, "peer 4xx to the end", run, peer, "resend")
        late = peer.struck[always]
        assert states(stage, run) == {("accepted", ""): run.audience_count - late, ("skipped", "expired"): late}
        assert set(peer.tries().values()) == {1}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_peer_that_is_down_costs_time_alone(stage: PeerStage, seed: int, policy: str) -> None:
    with faulty_peer(seed=seed) as peer:
        account = stage.lead_to(peer, policy)
        run = stage.fanned_out(policy)
        peer.gate.clear()
        pids = stage.start(run)
        wait_until(lambda: len(peer.attempts) >= 4 * len(pids), what="messages are on every connection")
        peer.go_down()
        peer.gate.set()
        assert [stage.end_of(pid) for pid in pids] == [DONE] * len(pids)

        account.refresh_from_db()
        assert (account.state, account.rests) == ("active", 1)
        assert stage.in_hand(run) == set()
        stage.let_time_pass(run)
        assert stage.play(run) == "running"
        peer.come_up()
        stage.play_to_the_end(run)

        account.refresh_from_db()
        assert (account.rests, account.rest_until) == (0, None)
        check(stage, "peer down", run, peer, policy)


# --- what somebody has to mend ---


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """An account that cannot work."""

    #: Of the account.
    settings: dict[str, Any] = field(default_factory=dict)
    #: Of the peer.
    options: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    has_certificate: bool = False
    #: What the operator writes into the settings; the peer is mended too.
    remedy: dict[str, Any] = field(default_factory=dict)
    #: Part of what the alert says.
    words: str


LOG_IN: Final = {"username": "ana", "password": "wrong"}
AUTH: Final = {"extensions": ("PIPELINING", "8BITMIME", "AUTH CRAM-MD5"), "password": "right"}
TROUBLES: Final = {
    "wrong password": Trouble(settings=LOG_IN, options=AUTH, remedy={"password": "right"}, words="535"),
    "wrong certificate": Trouble(
        settings={"security": "starttls"}, has_certificate=True, remedy={"verify": "no"}, words="certificate"
    ),
    "broken TLS": Trouble(
        settings={"security": "starttls", "verify": "no"},
        options={"garbles_tls": True},
        has_certificate=True,
        words="encryption",
    ),
    "no TLS": Trouble(settings={"security": "starttls"}, remedy={"security": "none"}, words="STARTTLS"),
    "554 at greeting": Trouble(faults=(Fault(step="GREETING", reply="554 5.7.1 not from there"),), words="554"),
    "sender refused": Trouble(faults=(Fault(step="MAIL", reply="553 5.7.1 not your sender"),), words="553"),
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "peer.pem")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scenario", TROUBLES)
def test_trouble_with_the_account_pauses_it_and_calls_people_and_loses_nobody(
    stage: PeerStage, seed: int, certificate: Path, scenario: str, policy: str
) -> None:
    from outreach.core.models import Alert

    trouble = TROUBLES[scenario]
    options = {**trouble.options, "certificate": certificate if trouble.has_certificate else None}
    with faulty_peer(*trouble.faults, seed=seed, **options) as peer:
        account = stage.lead_to(peer, policy, **trouble.settings)
        run = stage.fanned_out(policy)

        assert stage.play(run) == "running"
        account.refresh_from_db()
        [alert] = Alert.objects.filter(resolved_at=None)
        assert (account.state, alert.code, alert.noun_id) == ("paused", "account_paused", str(account.pk))
        assert trouble.words in alert.facts["trouble"]
        assert (stage.in_hand(run), peer.messages) == (set(), [])
        assert {state for state, _ in states(stage, run)} <= {"planned", "deferred"}

        seen = peer.connections
        stage.let_time_pass(run)
        assert stage.play(run) == "running"
        assert peer.connections == seen  # a paused account is left alone

        peer.faults, peer.garbles_tls = (), False
        stage.mend(account, **trouble.remedy)
        stage.play_to_the_end(run)
        assert states(stage, run) == {("accepted", ""): run.audience_count}
        assert not Alert.objects.filter(resolved_at=None).exists()
        check(stage, f"peer {scenario}", run, peer, policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_that_is_refused_for_what_it_says_pauses_itself(stage: PeerStage, seed: int, policy: str) -> None:
    from outreach.core.models import Alert
    from outreach.delivery.runs import resume_run

    with faulty_peer(Fault(step="END", reply="550 5.7.1 looks like spam", share=0.5), seed=seed) as peer:
        stage.lead_to(peer, policy)
        run = stage.fanned_out(policy)

        assert stage.play(run) == "paused"
        [alert] = Alert.objects.filter(resolved_at=None)
        assert (alert.code, alert.noun_id) == ("run_paused", str(run.pk))
        refused = states(stage, run)["rejected", "policy"]
        assert refused == sum(peer.struck.values())
        assert sum(count for (state, _), count in states(stage, run).items() if state == "planned") >= 200

        peer.faults = ()
        resume_run(run.pk)
        stage.play_to_the_end(run)
        assert states(stage, run) == {("rejected", "policy"): refused, ("accepted", ""): run.audience_count - refused}
        assert not Alert.objects.filter(resolved_at=None).exists()
        check(stage, "peer refuses half for its words", run, peer, policy)


# --- what people do meanwhile ---


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_stop_acts_within_the_windows_in_hand(stage: PeerStage, seed: int, verb: str, policy: str) -> None:
    from outreach.delivery.runs import cancel_run, pause_run, resume_run

    with faulty_peer(seed=seed) as peer:
        stage.lead_to(peer, policy)
        run = stage.fanned_out(policy)
        peer.gate.clear()
        pids = stage.start(run)
        wait_until(lambda: len(stage.in_hand(run)) == 2 * 50, what="both workers have a window in hand")
        in_hand = stage.in_hand(run)

        assert {"pause": pause_run, "cancel": cancel_run}[verb](run.pk) in {"pausing", "cancelling"}
        peer.gate.set()
        assert [stage.end_of(pid) for pid in pids] == [DONE] * len(pids)

        assert set(peer.taken(run.pk)) == in_hand
        stage.play(run)
        if verb == "pause":
            assert run.state == "paused"
            resume_run(run.pk)
            stage.play_to_the_end(run)
        else:
            assert states(stage, run) == {("accepted", ""): 100, ("cancelled", "run_cancelled"): 200}
        check(stage, f"{verb} in mid-window", run, peer, policy)
