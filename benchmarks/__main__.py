"""`make bench`: each benchmark three times, one after another, and what came out in `benchmarks/RESULTS.md`.

`python -m benchmarks NAME...` repeats only these and leaves the others' figures as they are; the long ones run only
when they are named. Each prints one JSON object and exits 1 where its own limit does not hold; a limit that is missed
is written down too. The crash report, docs/explanation/evidence.md, is written last.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: What the runs gave, so that one benchmark can be repeated by itself.
KEPT: Final = ROOT / "benchmarks" / "results.json"
RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"
RUNS: Final = 3
#: Seconds for one run.
LONGEST: Final = 1_800


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One thing that is measured."""

    purpose: str
    #: Behind the interpreter.
    command: tuple[str, ...]
    #: Left out unless it is named.
    is_long: bool = False


def _bench(what: str, *options: str) -> tuple[str, ...]:
    return ("-m", "outreach.cli", "bench", what, *options, "--json")


BENCHMARKS: Final = {
    "send": Benchmark(
        purpose="100,000 personal e-mails over SMTP, everything on, beside Postfix's `smtp-source` (`ratio`)",
        command=_bench("send", "--deliveries", "100000"),
    ),
    "send_signed": Benchmark(
        purpose="the same with DKIM: each message signed with RSA-2048 and with Ed25519",
        command=_bench("send", "--deliveries", "20000", "--dkim"),
    ),
    "send_million": Benchmark(
        purpose="the same blast to a million, unsigned",
        command=_bench("send", "--deliveries", "1000000"),
        is_long=True,
    ),
    "send_hosts": Benchmark(
        purpose="the blast of 100,000 by two worker parents of one child each, as stand-ins for hosts",
        command=_bench("send", "--deliveries", "100000", "--hosts", "2"),
        is_long=True,
    ),
    "notices": Benchmark(
        purpose="how long a notice takes from POST to the mail server's reply while a blast of a million runs",
        command=_bench("notices", "--deliveries", "1000000"),
        is_long=True,
    ),
    "fanout": Benchmark(
        purpose="rows a second of an audience of a million on one connection",
        command=_bench("fanout", "--subscribers", "1000000"),
    ),
    "import": Benchmark(
        purpose="rows a second of a CSV file into an empty database",
        command=_bench("import", "--rows", "200000"),
    ),
    "import_million": Benchmark(
        purpose="a file of a million rows, for its memory",
        command=_bench("import", "--rows", "1000000"),
        is_long=True,
    ),
    "import_into_10_million": Benchmark(
        purpose="rows a second of a CSV file into a database of 10 million people",
        command=_bench("import", "--rows", "200000", "--into", "10000000"),
        is_long=True,
    ),
    "report": Benchmark(
        purpose="a campaign's report over 100,000 deliveries and 200,000 events", command=_bench("report")
    ),
    "people": Benchmark(
        purpose="the list of people and taking one in, among 100,000 (milliseconds in `settings`)",
        command=_bench("people"),
    ),
    "segments": Benchmark(
        purpose="among 100,000: segments counted, pages and sign-ups over HTTP, an import, consents proven",
        command=_bench("segments"),
    ),
    "segments_10_million": Benchmark(
        purpose="the same among 10 million people with 30 million subscriptions",
        command=_bench("segments", "--people", "10000000"),
        is_long=True,
    ),
    "people_10_million": Benchmark(
        purpose="the same among 10 million",
        command=_bench("people", "--people", "10000000"),
        is_long=True,
    ),
    "track": Benchmark(
        purpose="pictures and clicks a second, each durable before its answer, of 50 readers on the same two cores",
        command=_bench("track"),
    ),
    "track_individual": Benchmark(
        purpose="the same where each token names a person who agreed to be measured",
        command=_bench("track", "--individual"),
    ),
    "track_killed": Benchmark(
        purpose="the same with PostgreSQL killed in the middle: every answer has its row",
        command=_bench("track", "--kill"),
    ),
    "window": Benchmark(
        purpose="the ledger's own price of a message, beside its limits of log and HOT updates",
        command=("-m", "benchmarks.window"),
    ),
    "pacing": Benchmark(
        purpose="how exactly two workers keep a rate over any minute, as the mail server saw it",
        command=("-m", "benchmarks.pacing"),
        is_long=True,
    ),
    "rendering": Benchmark(
        purpose="personal e-mails a CPU second, beside the standard library's `EmailMessage`",
        command=("-m", "benchmarks.rendering"),
    ),
    "dkim": Benchmark(purpose="CPU microseconds of a signature, beside dkimpy", command=("-m", "benchmarks.dkim")),
    "broker": Benchmark(
        purpose="the embedded broker's latency, rate and losses under SIGKILL, beside its limits",
        command=("-m", "benchmarks.broker"),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*BENCHMARKS, "evidence"]))
    names = parser.parse_args().names
    unknown = set(names) - {*BENCHMARKS, "evidence"}
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    for name in names or [name for name, benchmark in BENCHMARKS.items() if not benchmark.is_long]:
        if name in BENCHMARKS:
            keep(name, [run(name) for _ in range(RUNS)])
    print(RESULTS.read_text())
    if names and "evidence" not in names:
        return 0
    return subprocess.run([sys.executable, "-m", "tests.faults.evidence"], cwd=ROOT, check=False).returncode


def run(name: str) -> dict[str, Any]:
    """One run's figures."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, *BENCHMARKS[name].command], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST
    )
    start = done.stdout.find("{")
    if start < 0:
        raise SystemExit(f"{name} gave no figures and exit code {done.returncode}")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout, start)[0]
    return {"figures": flat(found), "holds": done.returncode == 0}


def keep(name: str, runs: list[dict[str, Any]]) -> None:
    """Note the runs and write the page anew."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[name] = {"on": f"{datetime.now(tz=UTC):%Y-%m-%d}", "machine": machine(), "runs": runs}
    KEPT.write_text(json.dumps({known: kept[known] for known in BENCHMARKS if known in kept}, indent=1) + "\n")
    head = "# Benchmarks\n\nWritten by `make bench`. Median of three runs, with the smallest and the largest.\n"
    RESULTS.write_text("\n".join([head, *(section(known, kept[known]) for known in BENCHMARKS if known in kept)]))


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def section(name: str, kept: dict[str, Any]) -> str:
    """One benchmark's table."""
    benchmark, runs = BENCHMARKS[name], kept["runs"]
    purpose = benchmark.purpose[0].upper() + benchmark.purpose[1:]
    command = " ".join(benchmark.command).replace("-m outreach.cli", "outreach", 1).replace("-m", "python -m", 1)
    lines = [
        f"## {name}",
        "",
        f"{purpose}. `{command}` on {kept['on']}: {kept['machine']}.",
        "",
        "| figure | median | spread |",
        "|---|---|---|",
    ]
    for key in runs[0]["figures"]:
        values = sorted(one["figures"][key] for one in runs if key in one["figures"])
        lines.append(f"| {key} | {values[len(values) // 2]:.6g} | {values[0]:.6g} to {values[-1]:.6g} |")
    held = sum(one["holds"] for one in runs)
    return "\n".join([*lines, "", f"Its own limits held in {held} of {len(runs)} runs.", ""])


def flat(found: Any, before: str = "") -> dict[str, float]:
    """Numbers only, nested names joined."""
    figures: dict[str, float] = {}
    pairs = found.items() if isinstance(found, dict) else enumerate(found, start=1)
    for key, value in pairs:
        if isinstance(value, dict | list):
            figures |= flat(value, f"{before}{key} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            figures[f"{before}{key}".replace("_", " ")] = value
    return figures


if __name__ == "__main__":
    sys.exit(main())
