"""How long the list of people and taking one person in take, among very many."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outreach.audience.people import count, search
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds
from outreach.management.bench_world import make_people

CALLS: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=100_000, metavar="N")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as link:
        actor, topic = make_people(link, args.people)

    def list_page(_number: int) -> None:
        search(actor.organisation)
        count(actor.organisation)

    def take_in(number: int) -> None:
        address = AddressData(channel="email", value=f"new{number}@example.net")
        upsert_subscriber(actor, SubscriberData(addresses=[address], name="Нов Човек", topics=[topic.slug]))

    def find(number: int) -> None:
        search(actor.organisation, f"p{number}")

    before = our_cpu_seconds(), database_cpu_seconds()
    pages = times_of(list_page)
    spent = our_cpu_seconds() - before[0], database_cpu_seconds() - before[1]
    with CaptureQueriesContext(connection) as queries:
        list_page(0)
    return {
        "what": "people",
        "items": CALLS,
        "seconds": round(sum(pages), 3),
        "rate": round(CALLS / sum(pages), 1),
        "own_cpu_us": round(spent[0] / CALLS * 1e6),
        "database_cpu_us": round(spent[1] / CALLS * 1e6),
        "ratio": None,
        "settings": {
            "people": args.people,
            "queries_a_page": len(queries),
            **percentiles("page", pages),
            **percentiles("address_search", times_of(find)),
            **percentiles("sign_up", times_of(take_in)),
        },
    }


def times_of(call: Callable[[int], object], *, calls: int = CALLS) -> list[float]:
    """Seconds of each call."""
    times = []
    for number in range(calls):
        begun = time.monotonic()
        call(number)
        times.append(time.monotonic() - begun)
    return times


def percentiles(what: str, times: Sequence[float]) -> dict[str, float]:
    """`WHAT_p50_ms` and `WHAT_p99_ms` of so many seconds each."""
    times = sorted(times)
    return {f"{what}_{name}_ms": round(times[int(len(times) * part)] * 1e3, 1) for name, part in _PARTS}


_PARTS: Final = (("p50", 0.5), ("p99", 0.99))
