"""Our public crash report: plays the crash suite and writes `docs/explanation/evidence.md`; `make bench` calls it.

`python -m tests.faults.evidence [--rounds N] [--seed S]`. Every figure in it is drawn from what the tests noted.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from tests.faults.__main__ import ROOT, play, totals
from tests.faults.report import Line

PAGE: Final = ROOT / "docs" / "explanation" / "evidence.md"
#: Interleavings of the simulation, about a minute of them.
SEEDS: Final = 2000
HEAD: Final = """# What is lost and what is doubled when processes die

Written by `python -m tests.faults.evidence`, a part of `make bench`, on {date}: {machine}, {cores} cores,
Python {python}. It took {minutes} minutes.

**{totals}.**

## What was done

A real campaign is sent by real worker processes over real sockets to a mail server of the tests' own, which
writes down every message that it completed. Meanwhile something is broken: a process is killed by `kill -9` or
stopped, a connection is cut, the answer to a COMMIT is lost, the mail server or the machine misbehaves. Then
everything is let run to its end, and the mail server's record is compared with the ledger, recipient by
recipient. Moments and places are drawn from the seed.

- **lost**: the ledger says accepted, and the mail server never completed it; or the row is still open when all
  is over; or a member of the audience has no row. It must be 0.
- **doubled**: the mail server completed the same message twice. After a crash nobody can know whether a message
  in hand had left; the policy `resend` tries it once more, alone, with the same Message-ID; the policy `hold`
  never does, and shows it as `unknown` to a person.
- **flagged**: the receipt says that the message may have been doubled. Every doubled message must be flagged;
  the column "in silence" counts those that are not, and must be 0. Nothing may be flagged that was not in hand
  at the cut.
- **bound**: how many may be doubled at most: the ids that were in hand at the cut with `resend`, 0 with `hold`.
  Nobody is ever handed the same message more than twice.

For comparison: listmonk, killed with `kill -9` in the middle of 20,000 messages, lost 9,163 to 9,203 of them,
and reported the campaign as "finished" (measured on 2 cores).

Before all that, {seeds:,} interleavings of the same decision code under a virtual clock were played by the
deterministic simulation, {pace:,} a minute; every invariant of [the ledger](ledger.md) held in each.
`.venv/bin/python -m tests.delivery.simulation SEED 1` replays one.
"""
COLUMNS: Final[dict[str, Callable[[Line], str]]] = {
    "what was done": lambda line: line.schedule,
    "policy": lambda line: line.policy,
    "seed": lambda line: str(line.seed),
    "messages": lambda line: f"{line.messages:,}",
    "lost": lambda line: str(line.lost),
    "doubled": lambda line: str(line.doubled),
    "flagged": lambda line: str(line.flagged),
    "in silence": lambda line: str(line.not_flagged),
    "bound": lambda line: str(line.bound),
    "again": lambda line: f"`{line.again}`",
}


def write(*, rounds: int, seed: int) -> bool:
    """Play everything and write the page; whether every test passed."""
    began = time.monotonic()
    pace = simulate()
    lines, held = play(rounds=rounds, seed=seed)
    minutes = round((time.monotonic() - began) / 60)
    PAGE.write_text(page(lines, pace=pace, minutes=minutes), encoding="utf-8")
    print(totals(lines))
    return held and not any(line.problems for line in lines)


def simulate() -> int:
    """Play the simulation; interleavings a minute."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
    django.setup()
    from tests.delivery.simulation import replay_all

    began = time.monotonic()
    replay_all(range(SEEDS))
    return round(SEEDS / (time.monotonic() - began) * 60)


def page(lines: list[Line], *, pace: int, minutes: int) -> str:
    """The report as Markdown: the head, and a table for each file of tests."""
    head = HEAD.format(
        date=f"{datetime.now(tz=UTC):%Y-%m-%d}",
        machine=platform.machine(),
        cores=os.cpu_count(),
        python=platform.python_version(),
        minutes=minutes,
        totals=totals(lines),
        seeds=SEEDS,
        pace=pace,
    )
    ordered = sorted(lines, key=lambda line: (_file(line), line.scenario, line.policy, line.seed))
    sections = [_section(file, list(group)) for file, group in groupby(ordered, key=_file)]
    return "\n".join([head, *sections])


def _file(line: Line) -> str:
    """The test file that noted a line, of `OUTREACH_FAULT_SEED=1 .venv/bin/pytest 'FILE::test'`."""
    return line.again.partition("'")[2].partition("::")[0]


def _section(file: str, lines: list[Line]) -> str:
    words = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or file
    return "\n".join(
        [
            f"## {words.splitlines()[0].rstrip('.')}",
            "",
            f"{totals(lines)}.",
            "",
            *_broken(lines),
            f"| {' | '.join(COLUMNS)} |",
            f"|{'---|' * len(COLUMNS)}",
            *(f"| {' | '.join(cell(line) for cell in COLUMNS.values())} |" for line in lines),
            "",
        ]
    )


def _broken(lines: list[Line]) -> list[str]:
    """The rules that did not hold, in words: a report that hid them would be none."""
    told = [
        f"- **broken**: {line.schedule} ({line.policy}): {'; '.join(line.problems)}" for line in lines if line.problems
    ]
    return [*told, ""] if told else []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.evidence", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int(datetime.now(tz=UTC).strftime("%Y%m%d")))
    given = parser.parse_args()
    return 0 if write(rounds=given.rounds, seed=given.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
