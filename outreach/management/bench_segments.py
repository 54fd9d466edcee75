"""How long it takes among very many people to count whom a segment means, to list them, to sign up, to import more."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from outreach.audience.models import Topic
from outreach.audience.people import count, search
from outreach.audience.rules import Rule, read_rule
from outreach.audience.segment_people import count_people, estimate_people
from outreach.core.access import Actor
from outreach.core.models import Organisation
from outreach.management import bench_world
from outreach.management.bench_consents import measure_consents
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds
from outreach.management.bench_fill import tell
from outreach.management.bench_import import import_people
from outreach.management.bench_visits import measure_visits
from outreach.management.bench_world import fill_place, make_place

T = TypeVar("T")

CALLS: Final = 5
#: Kinds of lists.
LISTS: Final = 4
#: People of several kinds, regions and cities, each with three subscriptions, in the order in which they came; and a
#: topic that hardly anybody takes: the list of its people is no part of all names.
PEOPLE: Final[dict[str, LiteralString]] = {
    **bench_world.PEOPLE,
    "outreach_subscription": """
    INSERT INTO outreach_subscription (subscriber_id, topic_id, channel, state)
    SELECT n, topic, 'email', CASE WHEN (hashint8(n) & 7) = 0 THEN 'unsubscribed' ELSE 'subscribed' END
    FROM generate_series(%(first)s::bigint, %(last)s) AS n, unnest(%(topics)s::bigint[]) AS topic
    UNION ALL
    SELECT n, %(few)s, 'email', 'subscribed' FROM generate_series(%(first)s::bigint, %(last)s) AS n
    WHERE n %% %(rarely)s = 0
    """,
    "outreach_subscriber": """
    INSERT INTO outreach_subscriber (id, organisation_id, kind, name, sort_key, language, timezone, region, attributes)
    SELECT n, %(organisation)s, CASE WHEN n %% 5 = 0 THEN 'business' ELSE 'citizen' END, 'Person ' || n,
        'person ' || n, CASE WHEN n %% 10 = 3 THEN 'en' ELSE 'bg' END, '',
        'BG-' || lpad((hashint8(n) & 127) %% 28 + 1 || '', 2, '0'),
        jsonb_build_object('city', (ARRAY['София', 'Пловдив', 'Варна', 'Русе'])[(hashint8(n + 1) & 3) + 1], 'age',
            18 + (hashint8(n + 2) & 63))
    FROM generate_series(%(first)s::bigint, %(last)s) AS n
    """,
}
#: People who take the small topic.
FEW: Final = 500
RULES: Final[dict[str, Rule]] = {
    "indexed": {"and": [{"region": {"in": ["BG-16"]}}, {"language": {"in": ["en"]}}, {"topic": {"in": ["bench"]}}]},
    "attributes": {
        "and": [
            {"attribute": {"name": "city", "is": "Пловдив"}},
            {"attribute": {"name": "age", "at_least": 30, "at_most": 40}},
            {"not": {"kind": {"in": ["business"]}}},
        ]
    },
    "topics": {
        "or": [{"topic": {"in": ["bench"]}}, {"and": [{"topic": {"in": ["bench-2"]}}, {"kind": {"in": ["business"]}}]}]
    },
}


#: What is asked for among ten million people, and so among fewer: milliseconds at the median, rows a second.
LONGEST_MS: Final = {
    "indexed_ms": 1_000,
    **{f"{name}_estimate_ms": 100 for name in RULES},
    **{f"{name}_p50_ms": 150 for name in ("page", "next_page", "topic_page", "small_topic_page")},
    **{f"{name}_p50_ms": 50 for name in ("form", "call")},
}
LEAST_IMPORTED: Final = 12_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=100_000, metavar="N")
    parser.add_argument("--rows", type=int, default=200_000, metavar="N", help="of a file that is imported into them")
    parser.add_argument("--consents", type=int, default=0, metavar="N", help="to prove, beside those of the import")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as link:
        actor, topic, small = _fill(link, args.people)
        before, begun = (our_cpu_seconds(), database_cpu_seconds()), time.monotonic()
        found = _counts(actor.organisation) | _lists(actor.organisation, topic, small)
        seconds, calls = time.monotonic() - begun, CALLS * (2 * len(RULES) + LISTS)
        spent = our_cpu_seconds() - before[0], database_cpu_seconds() - before[1]
        tell("counted and listed; now over HTTP")
        found |= measure_visits(actor, topic, small)
        tell("asked over HTTP; now the import")
        link.execute("CHECKPOINT")
        found["import_rate"] = import_people(actor, topic, rows=args.rows)["rate"]
        found |= measure_consents(link, topic, more=args.consents)
    missed = missed_of(found)
    return {
        "what": "segments",
        "items": calls,
        "seconds": round(seconds, 3),
        "rate": round(calls / seconds, 1),
        "own_cpu_us": round(spent[0] / calls * 1e6),
        "database_cpu_us": round(spent[1] / calls * 1e6),
        "ratio": None,
        "settings": {"people": args.people, "subscriptions": 3 * args.people, "missed": missed, **found},
        "holds": not missed,
    }


def missed_of(found: Mapping[str, float]) -> list[str]:
    """Which figures are beyond what is asked for. Pure."""
    late = [name for name, most in LONGEST_MS.items() if found[name] > most]
    return late + ["import_rate"] * (found["import_rate"] < LEAST_IMPORTED)


def _fill(link: psycopg.Connection[Any], people: int) -> tuple[Actor, Topic, Topic]:
    """Who acts, a topic that most take, one that few do."""
    actor, topic = make_place()
    others = [Topic.objects.create(organisation=actor.organisation, slug=f"bench-{n}") for n in (2, 3, 4)]
    given = {"topics": [topic.pk, others[0].pk, others[1].pk], "few": others[2].pk, "rarely": 1 + people // FEW}
    fill_place(link, actor, PEOPLE, given, count=people)
    return actor, topic, others[2]


def _counts(organisation: Organisation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, rule in RULES.items():
        known = read_rule(rule, organisation)
        exact, milliseconds = _timed(partial(count_people, organisation, known, patience=0))
        drawn, at_once = _timed(partial(estimate_people, organisation, known))
        found |= {f"{name}_ms": milliseconds, f"{name}_estimate_ms": at_once, f"{name}_people": exact.count}
        found |= {f"{name}_estimate": drawn.count, f"{name}_low": drawn.low, f"{name}_high": drawn.high}
    return found


def _lists(organisation: Organisation, large: Topic, small: Topic) -> dict[str, float]:
    """Lists of people: of all, of a kind that all but nobody has, of a topic that most take, of one that few do."""
    lists: dict[str, dict[str, Any]] = {
        "": {},
        "_of_kind": {"kind": "official"},
        "_of_large_topic": {"topic": large},
        "_of_topic": {"topic": small},
    }
    return {f"list{name}_ms": _timed(partial(_list, organisation, **narrowed))[1] for name, narrowed in lists.items()}


def _list(organisation: Organisation, **narrowed: Any) -> None:
    """What the page of people reads: its first page, how many there are, and the next one."""
    count(organisation, **narrowed)
    _rows, following = search(organisation, **narrowed)
    if following:
        search(organisation, **narrowed, after=following)


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    """The last answer, and the median of the milliseconds."""
    times = []
    for _ in range(CALLS):
        begun = time.monotonic()
        answer = call()
        times.append((time.monotonic() - begun) * 1e3)
    return answer, round(statistics.median(times), 1)
