"""From a checked rule to SQL: a condition on the person `s`, made of constants and placeholders.

Nothing that somebody wrote is ever part of the text. Each condition is true or false and never NULL, so that `not` is
its contrary. Every fact is looked up for one person through an index: in any nesting, and for a chunk of fan-out as for
a whole organisation, the price is at most one look for each person and clause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from outreach.audience.facts import FACTS, days_before
from outreach.audience.rules import GROUPS, KnownRule, Rule


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition on `s`, and what it is run with."""

    #: '' for no condition.
    sql: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def looks_elsewhere(self) -> bool:
        """Whether a person is looked up in other tables than that of the people."""
        return "EXISTS" in self.sql


NO_CONDITION: Final = Condition(sql="")


class Asking:
    """Gathers the parameters of one condition; `ids` are of what it names, by noun."""

    def __init__(self, ids: Mapping[str, Mapping[str, int]], as_of: datetime) -> None:
        self.as_of = as_of
        self.params: dict[str, Any] = {}
        self._ids = ids

    def __call__(self, value: Any) -> str:
        name = f"rule{len(self.params)}"
        self.params[name] = value
        return f"%({name})s"

    def ids(self, noun: str, given: Any) -> list[int]:
        return [self._ids[noun][name] for name in (given if isinstance(given, list) else [given])]

    def since(self, days: int) -> datetime:
        return days_before(self.as_of, days)


def compile_rule(where: Rule, ids: Mapping[str, Mapping[str, int]], *, as_of: datetime) -> Condition:
    """Compile a rule that `read_rule` gave, as its facts were until `as_of`; `ids` are of what it names, by noun."""
    asking = Asking(ids, as_of)
    sql = _condition(where, asking)
    return Condition(sql=sql, params=asking.params)


def freeze_rules(wanted: Sequence[KnownRule], unwanted: Sequence[KnownRule], *, as_of: datetime) -> dict[str, Any]:
    """Who is meant by all of the one and none of the other, as plain JSON: what a run's plan keeps."""
    ids: dict[str, dict[str, int]] = {}
    for known in (*wanted, *unwanted):
        for noun, found in ids_of(known).items():
            ids.setdefault(noun, {}).update(found)
    where = {"and": [*(known.where for known in wanted), *({"not": known.where} for known in unwanted)]}
    return {"where": where, "ids": ids, "as_of": as_of.isoformat()}


def thaw_rule(frozen: Mapping[str, Any]) -> Condition:
    """Compile what `freeze_rules` froze, without asking anybody."""
    return compile_rule(frozen["where"], frozen["ids"], as_of=datetime.fromisoformat(frozen["as_of"]))


def ids_of(known: KnownRule) -> dict[str, dict[str, int]]:
    return {noun: {name: found.id for name, found in names.items()} for noun, names in known.references.items()}


def _condition(rule: Rule, asking: Asking) -> str:
    ((word, given),) = rule.items()
    if word in GROUPS:
        return _joined(word, given, asking)
    if word == "not":
        return f"NOT {_condition(given, asking)}"
    return f"({FACTS[word].sql(given, asking)})"


def _joined(word: str, rules: Sequence[Rule], asking: Asking) -> str:
    return "(" + f" {word.upper()} ".join(_condition(rule, asking) for rule in rules) + ")"
