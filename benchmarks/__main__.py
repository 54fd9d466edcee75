"""`make bench`: every benchmark three times, one after another, and what came out in `benchmarks/RESULTS.md`.

Each prints one JSON object and exits 1 where its own limit does not hold; a limit that is missed is written down too.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RUNS: Final = 3
#: Module -> what it measures, beside what.
BENCHMARKS: Final = {
    "rendering": "personal e-mails a CPU second, beside the standard library's `EmailMessage`",
    "fanout": "rows a second of fan-out and the price of a window, beside the ledger's limits",
    "broker": "the embedded broker's latency, rate and losses under SIGKILL, beside its limits",
}


def main() -> int:
    sections = [section(name, purpose) for name, purpose in BENCHMARKS.items()]
    head = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {datetime.now(tz=UTC):%Y-%m-%d}: {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}. Median of {RUNS} runs, with the smallest and largest.",
        "",
    ]
    (ROOT / "benchmarks" / "RESULTS.md").write_text("\n".join(head + sections))
    print((ROOT / "benchmarks" / "RESULTS.md").read_text())
    return 0


def section(name: str, purpose: str) -> str:
    """One benchmark's table."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    runs = [run(name) for _ in range(RUNS)]
    held = sum(code == 0 for code, _ in runs)
    figures = [flat(found) for _, found in runs]
    lines = [
        f"## {name}",
        "",
        f"{purpose[0].upper()}{purpose[1:]}.",
        "",
        "| figure | median | spread |",
        "|---|---|---|",
    ]
    for key in figures[0]:
        values = sorted(found[key] for found in figures if key in found)
        lines.append(f"| {key} | {values[len(values) // 2]:g} | {values[0]:g} to {values[-1]:g} |")
    return "\n".join([*lines, "", f"Its limits held in {held} of {RUNS} runs.", ""])


def run(name: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=900
    )
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return done.returncode, found


def flat(found: dict[str, Any], before: str = "") -> dict[str, float]:
    """Numbers only, nested names joined."""
    figures: dict[str, float] = {}
    for key, value in found.items():
        if isinstance(value, dict):
            figures |= flat(value, f"{before}{key} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            figures[f"{before}{key}".replace("_", " ")] = value
    return figures


if __name__ == "__main__":
    sys.exit(main())
