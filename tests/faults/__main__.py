"""The crash suite's long form: `python -m tests.faults --rounds 20 --seed 1 -k kills` plays, and prints the table.

Each round is the whole suite, or what `-k` chooses of it, with the next seed. Exit 1 where anything did not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.faults.report import Line, read, table

ROOT: Final = Path(__file__).resolve().parents[2]


def play(*, rounds: int, seed: int, chosen: str = "", processes: int = 2) -> tuple[list[Line], bool]:
    """Play so many rounds; every run's line, and whether every test passed."""
    with tempfile.TemporaryDirectory(prefix="outreach-faults-") as folder:
        path = Path(folder) / "table.jsonl"
        path.touch()
        codes = [_round(path, seed + number, chosen=chosen, processes=processes) for number in range(rounds)]
        return read(path), not any(codes)


def _round(path: Path, seed: int, *, chosen: str, processes: int) -> int:
    command = [sys.executable, "-m", "pytest", "tests/faults", "-q", "-n", str(processes), "--dist", "loadgroup"]
    environment = {**os.environ, "OUTREACH_FAULT_SEED": str(seed), "OUTREACH_FAULT_TABLE": str(path)}
    chosen_by = ["-k", chosen] if chosen else []
    done = subprocess.run([*command, *chosen_by], cwd=ROOT, env=environment, stdout=sys.stderr, check=False)
    return done.returncode


def totals(lines: list[Line]) -> str:
    """All runs in one sentence."""
    broken = sum(bool(line.problems) for line in lines)
    return (
        f"{len(lines)} runs, {sum(line.messages for line in lines):,} messages: "
        f"{sum(line.lost for line in lines)} lost, {sum(line.doubled for line in lines):,} doubled, "
        f"{sum(line.not_flagged for line in lines)} of them in silence; {broken} runs broke a rule"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("-k", dest="chosen", default="", help="only these tests, as pytest's -k")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    lines, held = play(rounds=given.rounds, seed=given.seed, chosen=given.chosen, processes=given.processes)
    print(table(sorted(lines, key=lambda line: (line.scenario, line.policy, line.seed))))
    print(totals(lines))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
