"""Proof that the ledger adds up: one fate for each member, counters equal to the rows, nothing contradictory."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from outreach.campaigns.models import Campaign, Run
from outreach.core.vocabulary import RunKind
from outreach.delivery import counters, queries
from outreach.delivery.connection import Link, connect, fetch, transaction


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that must never be."""

    run: int
    #: A code: `fates`, `counters`, or a name of `queries.READ_CONTRADICTIONS`.
    code: str
    message: str


@dataclass(kw_only=True)
class LedgerCheck:
    """What `outreach ledger --check` prints."""

    campaign: str | None
    audience: int = 0
    primary: Tally[str] = field(default_factory=Tally)
    fallback: Tally[str] = field(default_factory=Tally)
    in_hand: int = 0
    counters_equal: bool = True
    problems: list[Problem] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        return self.counters_equal and not self.problems

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "primary": dict(self.primary), "fallback": dict(self.fallback)}


def check_ledger(campaign: Campaign | None = None) -> LedgerCheck:
    """Count the rows of a campaign's runs, or of all campaigns, and compare; each run in one snapshot.

    Runs of test sends have counters and batches as well: they are checked, but their rows are in no number.
    """
    result = LedgerCheck(campaign=str(campaign.pk) if campaign else None)
    runs = Run.objects.filter(retired_at=None).order_by("pk")
    if campaign is not None:
        runs = runs.filter(campaign=campaign)
    with connect() as link:
        link.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for run, kind in runs.values_list("pk", "kind"):
            with transaction(link):
                _check_run(link, run, result, counts=kind == RunKind.CAMPAIGN)
    return result


def _check_run(link: Link, run: int, result: LedgerCheck, *, counts: bool) -> None:
    audience = fetch(link, "SELECT audience_count FROM outreach_run WHERE id = %(run)s", run=run)[0][0]
    primary: Tally[str] = Tally()
    for is_fallback, state, count in fetch(link, queries.READ_FATES, run=run):
        if not is_fallback:
            primary[state] += count
        if counts:
            (result.fallback if is_fallback else result.primary)[state] += count
    if counts:
        result.audience += audience
        result.in_hand += fetch(link, queries.READ_IN_HANDS, run=run)[0][0]
    if primary.total() != audience:
        _note(result, run, "fates", f"{primary.total()} rows for an audience of {audience}")
    rows, kept = counters.recount(link, run), counters.kept(link, run)
    if rows != kept:
        result.counters_equal = False
        differing = sorted(key for key in rows.keys() | kept.keys() if rows.get(key) != kept.get(key))
        _note(result, run, "counters", f"{len(differing)} counters differ from the rows, such as {differing[0]}")
    for code, count in fetch(link, queries.READ_CONTRADICTIONS, run=run):
        if count:
            _note(result, run, code, f"{count} times")


def _note(result: LedgerCheck, run: int, code: str, message: str) -> None:
    result.problems.append(Problem(run=run, code=code, message=message))
