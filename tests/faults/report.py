"""Where the crash tests put their figures: on standard output, and in the file that OUTREACH_FAULT_TABLE names.

The file holds a line of JSON each; `python -m tests.faults` and the crash report are drawn from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.faults.compare import Comparison

#: Column -> width.
COLUMNS: Final = {
    "scenario": 64,
    "seed": 11,
    "messages": 9,
    "accepted": 9,
    "lost": 5,
    "doubled": 8,
    "flagged": 8,
    "doubled in silence": 19,
    "bound": 6,
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One run's line of the table."""

    scenario: str
    policy: str
    schedule: str
    seed: int
    messages: int
    accepted: int
    lost: int
    doubled: int
    flagged: int
    not_flagged: int
    #: How many may be doubled at most.
    bound: int
    #: What does not hold, in words; [] where all does.
    problems: list[str]
    #: The command that repeats it.
    again: str

    @classmethod
    def of(cls, found: Comparison) -> Self:
        return cls(
            scenario=found.scenario,
            policy=found.policy,
            schedule=found.schedule or found.scenario,
            seed=found.seed,
            messages=found.messages,
            accepted=found.accepted,
            lost=len(found.lost),
            doubled=len(found.doubled),
            flagged=len(found.flagged),
            not_flagged=len(found.not_flagged),
            bound=found.bound,
            problems=found.problems,
            again=again(found.seed),
        )

    def text(self) -> str:
        numbers = [self.messages, self.accepted, self.lost, self.doubled, self.flagged, self.not_flagged, self.bound]
        return _row([f"{self.scenario} ({self.policy})", *map(str, (self.seed, *numbers))])


def again(seed: int) -> str:
    """The command that repeats the test that runs just now."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "tests/faults").rpartition(" (")[0] or "tests/faults"
    return f"OUTREACH_FAULT_SEED={seed} .venv/bin/pytest '{test}'"


def note(found: Comparison) -> None:
    """Keep a run's line of the table."""
    line = Line.of(found)
    print(line.text())
    if path := os.environ.get("OUTREACH_FAULT_TABLE"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(line)) + "\n")


def read(path: Path) -> list[Line]:
    """The lines that were noted in a file."""
    found: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Line(**line) for line in found]


def table(lines: Iterable[Line]) -> str:
    """All runs, a line each, for a terminal."""
    return "\n".join([_row(list(COLUMNS)), *(line.text() for line in lines)])


def _row(cells: list[str]) -> str:
    first, *others = zip(cells, COLUMNS.values(), strict=True)
    return first[0].ljust(first[1]) + "".join(cell.rjust(width) for cell, width in others)
