"""A rule as an outline on screen: groups and clauses with a place each, read from a form's fields and back.

Plain data in and out, so that the builder works without JavaScript: each button sends all fields, and what it asks for
is done to the outline before it is drawn again. Whether the rule is a good one is for `audience.rules` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from outreach.audience.facts import FACTS, Argument, Fact, Takes

#: How a group's rules go together.
ALL, ANY, NONE, NOT_ALL = "all", "any", "none", "not_all"
GROUP_WORDS: Final = (
    (ALL, _("All of these hold")),
    (ANY, _("At least one of these holds")),
    (NONE, _("None of these holds")),
    (NOT_ALL, _("Not all of these hold")),
)
#: What stands in the list of what may be added, beside the facts.
A_GROUP: Final = "group"
#: Facts by what they are about, in that list; those that nobody names here stand behind them.
ABOUT: Final = (
    (_("The person"), ("attribute", "language", "kind", "region", "joined", "measured")),
    (_("What they chose"), ("topic", "consent", "address")),
    (_("What they got and did"), ("received", "opened", "clicked", "replied", "converted", "stage", "sleepy")),
)
ROOT: Final = "r"
MOST_NODES: Final = 120
#: Controls of a clause that are seen at once, though they are empty and may stay so.
SEEN_AT_ONCE: Final = 2
#: What is written beside a list of names goes on from the list's own name with this.
OTHER: Final = ":other"
DEEPEST: Final = 8

_INNER: Final = {ALL: ("and", True), ANY: ("or", True), NONE: ("or", False), NOT_ALL: ("and", False)}
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,10})?")


@dataclass(kw_only=True)
class Clause:
    """One fact of the outline; `given` holds each argument as its control shows it."""

    fact: str
    is_so: bool = True
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Group:
    """Clauses and groups that go together."""

    word: str = ALL
    inner: list[Node] = field(default_factory=list)


Node: TypeAlias = Clause | Group


def facts_about() -> list[tuple[Any, list[Fact]]]:
    """What may be added, under what it is about."""
    named = [(label, [FACTS[name] for name in names if name in FACTS]) for label, names in ABOUT]
    known = {name for _label, names in ABOUT for name in names}
    return [*named, (_("Others"), [fact for name, fact in FACTS.items() if name not in known])]


def laid_out(clause: Clause) -> tuple[list[Argument], list[Argument]]:
    """A clause's arguments: those whose controls are seen at once, and those behind a fold, where that saves two."""
    known = FACTS[clause.fact].arguments
    later = [one for one in known[SEEN_AT_ONCE:] if not one.is_required and not clause.given.get(one.name)]
    later = later if len(later) > 1 else []
    return [one for one in known if one not in later], later


def outline_of(rule: Mapping[str, Any]) -> Group:
    """The outline of a rule that `read_rule` gave."""
    node = _node(rule, is_so=True)
    return node if isinstance(node, Group) else Group(inner=[node])


def _node(rule: Mapping[str, Any], *, is_so: bool) -> Node:
    ((word, given),) = rule.items()
    if word == "not":
        return _node(given, is_so=not is_so)
    if word in FACTS:
        arguments = [argument for argument in FACTS[word].arguments if argument.name in given]
        shown = {argument.name: _show(argument, given[argument.name]) for argument in arguments}
        return Clause(fact=word, is_so=is_so, given=shown)
    name = next(name for name, inner in _INNER.items() if inner == (word, is_so))
    return Group(word=name, inner=[_node(one, is_so=True) for one in given])


def rule_of_outline(node: Node, path: str = "where", place: str = ROOT) -> tuple[dict[str, Any], dict[str, str]]:
    """The rule that an outline says, and of each path in it the place in the outline."""
    if isinstance(node, Clause):
        at = path if node.is_so else f"{path}/not"
        rule: dict[str, Any] = {node.fact: _arguments(node)}
        return (rule if node.is_so else {"not": rule}), {at: place}
    word, is_so = _INNER[node.word]
    at = f"{path}/{word}" if is_so else f"{path}/not/{word}"
    rules, places = [], {path: place, at: place}
    for number, inner in enumerate(node.inner):
        made, below = rule_of_outline(inner, f"{at}/{number}", f"{place}.{number}")
        rules.append(made)
        places |= below
    return ({word: rules} if is_so else {"not": {word: rules}}), places


def _arguments(clause: Clause) -> dict[str, Any]:
    found = {argument: _value(argument, clause.given.get(argument.name)) for argument in FACTS[clause.fact].arguments}
    return {argument.name: value for argument, value in found.items() if value not in (None, "", [])}


def _value(argument: Argument, shown: Any) -> Any:
    """What a control holds, as the rule has it; what cannot be read stays text, for the reader of rules to refuse."""
    if shown in (None, "", []):
        return None
    if argument.takes in {Takes.DAYS, Takes.COUNT}:
        return int(shown) if str(shown).isascii() and str(shown).isdecimal() and len(shown) < 10 else shown
    if argument.takes is Takes.FLAG:
        return {"true": True, "false": False}.get(shown, shown)
    if argument.takes in {Takes.VALUE, Takes.BOUND}:
        return read_value(shown)
    if argument.takes is Takes.VALUES:
        return [read_value(part.strip()) for part in shown.split(";") if part.strip()]
    return shown


def read_value(text: str) -> Any:
    """A number where it reads as one; in quotes it is text all the same."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _show(argument: Argument, value: Any) -> Any:
    """An argument as its control shows it."""
    if argument.takes is Takes.VALUES:
        return "; ".join(show_value(one) for one in value)
    return (
        value
        if argument.takes not in {Takes.VALUE, Takes.BOUND, Takes.FLAG, Takes.DAYS, Takes.COUNT}
        else show_value(value)
    )


def show_value(value: Any) -> str:
    """A value as its control shows it; `read_value` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if _NUMBER.fullmatch(value) else value
    return f"{value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


# --- forms ---


def read_outline(posted: QueryDict) -> Group:
    """The outline that the fields of a form hold; at most so many nodes and levels are looked at."""
    left = iter(range(MOST_NODES))
    node = _posted(posted, ROOT, left)
    return node if isinstance(node, Group) else Group()


def _posted(posted: QueryDict, place: str, left: Iterator[int]) -> Node | None:
    if next(left, None) is None or place.count(".") >= DEEPEST:
        return None
    fact = posted.get(f"{place}:fact", "")
    if fact in FACTS:
        given = {
            argument.name: _shown(posted, f"{place}:{argument.name}", argument) for argument in FACTS[fact].arguments
        }
        return Clause(fact=fact, is_so=posted.get(f"{place}:so") != "no", given=given)
    if fact != A_GROUP:
        return None
    word = posted.get(f"{place}:word", ALL)
    inner = [_posted(posted, f"{place}.{number}", left) for number in range(_size(posted, place))]
    return Group(word=word if word in _INNER else ALL, inner=[node for node in inner if node is not None])


def _size(posted: QueryDict, place: str) -> int:
    text = posted.get(f"{place}:size", "0")
    return min(int(text), MOST_NODES) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _shown(posted: QueryDict, name: str, argument: Argument) -> Any:
    if argument.takes in {Takes.WORDS, Takes.REFERENCES}:
        return posted.getlist(name)
    return (posted.get(name) or posted.get(f"{name}{OTHER}", "")).strip()


def act(outline: Group, asked: str, wanted: str) -> str:
    """Do what a button asks (`add:PLACE` or `remove:PLACE`) to the outline; the place to go on at, '' for none."""
    verb, _colon, place = asked.partition(":")
    steps = [int(step) for step in place.split(".")[1:] if step.isascii() and step.isdecimal()]
    if verb == "remove" and steps:
        above = _at(outline, steps[:-1])
        if isinstance(above, Group) and steps[-1] < len(above.inner):
            del above.inner[steps[-1]]
        return ".".join(place.split(".")[:-1])
    group = _at(outline, steps)
    if verb != "add" or not isinstance(group, Group) or (wanted != A_GROUP and wanted not in FACTS):
        return ""
    group.inner.append(Group(word=ANY) if wanted == A_GROUP else Clause(fact=wanted))
    return f"{place}.{len(group.inner) - 1}"


def _at(node: Node, steps: list[int]) -> Node | None:
    for step in steps:
        if not isinstance(node, Group) or step >= len(node.inner):
            return None
        node = node.inner[step]
    return node
