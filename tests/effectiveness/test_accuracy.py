from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from outreach.core.vocabulary import Tracking
from outreach.effectiveness.accuracy import KINDS_PLAYED, SIMULATED, judged, judged_json
from outreach.effectiveness.tallies import Tallies
from outreach.management.bench_classify import measure
from outreach.management.simulated_readers import MACHINES, PEOPLE


def test_what_reports_say_is_what_the_bench_finds() -> None:
    found = measure(Namespace(messages=5_000, seed=1, mix=""), "")
    told = {"accuracy": asdict(SIMULATED[Tracking.INDIVIDUAL]), "aggregate": asdict(SIMULATED[Tracking.AGGREGATE])}
    assert {name: found[name] for name in told} == told
    assert len(MACHINES) + len(PEOPLE) == KINDS_PLAYED


def test_openings_and_clicks_are_shared_out_among_the_verdicts() -> None:
    counted = {("opened", "human"): 5, ("opened", "machine"): 3, ("clicked", "human"): 1, ("clicked", "uncertain"): 1}
    tallies = Tallies(
        {"kind": "event", "name": kind, "reason": verdict, "count": count} for (kind, verdict), count in counted.items()
    )
    assert judged_json(judged(tallies, Tracking.NONE)) == {
        "events": 10,
        "human": 6,
        "uncertain": 1,
        "machine": 3,
        "shares": {"human": 0.6, "uncertain": 0.1, "machine": 0.3},
        "simulated": None,
    }
    assert judged(Tallies([]), Tracking.AGGREGATE).share(0) == 0
