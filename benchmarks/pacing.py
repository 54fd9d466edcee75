"""How exactly two worker processes keep an account's rate over any minute, as the receiving mail server saw it.

Each limit is tried by itself on a running installation: a rate a minute, then a rate for the recipients' domain.
"""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_left
from typing import Any, Final

from tests.faults.place import Place
from tests.road.installation import wait_until

RATE: Final = 600
#: Seconds. A message that was let through in one minute may arrive in the next one.
MINUTE: Final = 60.0
#: What a look once a second may miss, and what one window's way to the peer may add.
LEAST: Final = 0.97
MOST: Final = 1.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    args = parser.parse_args()
    limits = {
        "account": {"rate_per_minute": RATE, "domain_rates": {}},
        "domain": {"rate_per_minute": 0, "domain_rates": {"citizens.example": RATE}},
    }
    with Place(lease=60.0, OUTREACH_SANDBOX="true") as place:
        place.people(int(RATE * args.minutes))
        runs = [measure(place, name, limit) for name, limit in limits.items()]
    holds = all(run["busiest_minute"] <= MOST * RATE and run["share_of_rate"] >= LEAST for run in runs)
    print(json.dumps({"what": "pacing", "limit_a_minute": RATE, "runs": runs, "holds": holds}, indent=1))
    return 0 if holds else 1


def measure(place: Place, name: str, limit: dict[str, Any]) -> dict[str, Any]:
    """Send to everybody under one limit; what the mail server saw."""
    port = place.installation.port + 1
    status, answer = place.installation.api("PATCH", f"/accounts/{place.account(port, policy='resend')}", limit)
    if status != 200:
        raise SystemExit(f"the limit was refused: {answer}")
    before = place.query("SELECT coalesce(max(id), 0) FROM sandbox_message")[0][0]
    blast = place.blast(port)
    wait_until(lambda: place.state(blast) == "finished", seconds=600, what="the run ends")
    query = "SELECT extract(epoch FROM at)::float8 FROM sandbox_message WHERE id > %s ORDER BY at"
    times = [at for (at,) in place.query(query, [before])]
    return {"by": name, "messages": len(times), **figures(times)}


def figures(times: list[float]) -> dict[str, Any]:
    """`times` in seconds, in order."""
    busiest = max(bisect_left(times, begin + MINUTE) - number for number, begin in enumerate(times))
    # The first quarter of a minute may come at once, since the account was idle: what comes after it is the rate.
    steady = [at for at in times if at >= times[0] + MINUTE]
    seconds = steady[-1] - times[0] - MINUTE if steady else 0.0
    return {
        "seconds": round(times[-1] - times[0], 1),
        "busiest_minute": busiest,
        "share_of_rate": round(len(steady) / seconds * MINUTE / RATE, 3) if seconds > 1 else 0.0,
    }


if __name__ == "__main__":
    sys.exit(main())
