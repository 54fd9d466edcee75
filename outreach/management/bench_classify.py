"""How many machines among simulated readers are told from people, and how many people are taken for a machine."""

from __future__ import annotations

import argparse
import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from outreach.core.errors import Invalid
from outreach.core.vocabulary import Verdict
from outreach.delivery.tokens import HONEYPOT
from outreach.events.networks import is_hosted
from outreach.events.together import Message, Seen, judge_together
from outreach.events.verdict import judge
from outreach.management.simulated_readers import MACHINES, PEOPLE, USUAL, Act, Received, make_world

#: It needs no database.
IS_PURE: Final = True
#: Asked for: of machines at least so many called machine or uncertain, of people at most so many called machine.
LEAST_TOLD: Final = 0.97
MOST_BLAMED: Final = 0.01
BEGUN: Final = datetime(2026, 4, 14, 6, 30, tzinfo=UTC)
RUN: Final = 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """What became of labelled events: kind of actor -> verdict -> how many."""

    verdicts: Mapping[str, Tally[str]] = field(default_factory=lambda: defaultdict(Tally))

    @property
    def told(self) -> float:
        """Of machines' events, those called machine or uncertain; 1 where there is none."""
        machines = self._sum(MACHINES)
        return 1 - machines[Verdict.HUMAN] / machines.total() if machines.total() else 1.0

    @property
    def blamed(self) -> float:
        """Of people's events, those called a machine's."""
        people = self._sum(PEOPLE)
        return people[Verdict.MACHINE] / people.total() if people.total() else 0.0

    @property
    def kept(self) -> float:
        """Of people's events, those called a person's: the others are doubted or lost."""
        people = self._sum(PEOPLE)
        return people[Verdict.HUMAN] / people.total() if people.total() else 1.0

    @property
    def holds(self) -> bool:
        return self.told >= LEAST_TOLD and self.blamed <= MOST_BLAMED

    def as_json(self) -> dict[str, float]:
        return {
            "machines_told": round(self.told, 4),
            "people_blamed": round(self.blamed, 4),
            "people_kept": round(self.kept, 4),
        }

    def _sum(self, kinds: Iterable[str]) -> Tally[str]:
        return sum((self.verdicts[kind] for kind in kinds if kind in self.verdicts), Tally())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=5_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--mix",
        default="",
        metavar="KIND=WEIGHT,...",
        help=f"how often each is met; those not named as usual, `*` names all. {', '.join([*MACHINES, *PEOPLE])}",
    )


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    mix = read_mix(args.mix)
    world = make_world(seed=args.seed, messages=args.messages, mix=mix)
    begun, spent = time.monotonic(), time.process_time()
    together, alone = classify(world)
    seconds, spent = time.monotonic() - begun, time.process_time() - spent
    count = sum(tally.total() for tally in alone.verdicts.values())
    return {
        "what": "classify",
        "items": count,
        "seconds": round(seconds, 3),
        "rate": round(count / max(seconds, 0.001)),
        "own_cpu_us": round(spent / max(1, count) * 1e6, 1),
        "database_cpu_us": None,
        "ratio": None,
        #: Individual tracking, where events are looked at together; in aggregate tracking each is judged alone.
        "accuracy": together.as_json(),
        "aggregate": alone.as_json(),
        "settings": {
            "seed": args.seed,
            "messages": len(world),
            "mix": dict(mix),
            "kinds": {kind: dict(tally) for kind, tally in sorted(together.verdicts.items())},
        },
        "holds": together.holds,
    }


def read_mix(text: str) -> dict[str, float]:
    """`gateway=5,phone=0`: the usual mix with these changes; `*=0,gateway=1`: gateways alone.

    Raises:
        Invalid: a kind that there is not, or a weight that is none.
    """
    mix = dict(USUAL)
    for part in filter(None, text.split(",")):
        name, _sep, weight = part.partition("=")
        if name != "*" and name not in mix:
            raise Invalid({"mix": [f"There is no {name}. There are: {', '.join(mix)}."]})
        try:
            value = float(weight)
        except ValueError:
            value = -1.0
        if not 0 <= value < 1e6:
            raise Invalid({"mix": [f"{part}: write a weight from 0."]})
        mix.update(dict.fromkeys(mix, value) if name == "*" else {name: value})
    return mix


def classify(world: Sequence[Received]) -> tuple[Score, Score]:
    """Let the product judge every act: with events looked at together, and each alone, as in aggregate tracking."""
    people = Tally(one.domain for one in world)
    links = {one.delivery: one.links for one in world}
    events: list[Seen] = []
    actors: list[str] = []
    for one in world:
        for actor, act in one.acts:
            events.append(_seen(one, act, number=len(events)))
            actors.append(actor)
    fallen = {
        correction.seen.id: correction.judgement.verdict
        for correction in judge_together(
            events,
            {(RUN, one.delivery): Message(_at(one.handed), one.domain) for one in world},
            links=lambda seen: links[seen.delivery],
            recipients=lambda _run, domain: people[domain],
        )
    }
    together, alone = Score(), Score()
    for actor, seen in zip(actors, events, strict=True):
        alone.verdicts[actor][str(seen.verdict)] += 1
        together.verdicts[actor][str(fallen.get(seen.id, seen.verdict))] += 1
    return together, alone


def _seen(one: Received, act: Act, *, number: int) -> Seen:
    judgement = judge(
        act.kind,
        method=act.method,
        headers={"user-agent": act.agent, **act.headers},
        is_hosted=is_hosted(act.address),
        is_honeypot=act.link == HONEYPOT,
    )
    return Seen(
        at=_at(one.handed + act.after),
        id=number,
        run=RUN,
        delivery=one.delivery,
        kind=act.kind,
        channel="email",
        language="bg",
        link=act.link,
        verdict=judgement.verdict,
        reason=judgement.reason,
    )


def _at(second: float) -> datetime:
    return BEGUN + timedelta(seconds=second)
