"""Templates that only print a person's variables, cut at those: the rest is rendered once for all.

What does not concern one person (links, services, the organisation, loops and conditions over these) is rendered by the
sandbox when a run is bound. What is left are slots. A template that asks more of a person than to print a variable, as
a condition or a filter does, has no such form and is rendered for each one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from jinja2 import Template, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from outreach.delivery.personal_urls import PERSONAL_URLS
from outreach.delivery.templating import LONGEST_OUTPUT, PERSONAL, render_within_bounds

#: A variable's name and the keys into it.
Path: TypeAlias = tuple[str, ...]
#: (the person, their own addresses) -> what a slot holds.
Filler: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, str]], str]
#: Text that stands as it is, and variables of the person.
Cut: TypeAlias = list["str | Path"]

#: A person's attribute is cut to this, and a list of them.
LONGEST_VALUE: Final = 2_000
MOST_VALUES: Final = 100
#: What `escape` writes in another way.
_SPECIAL: Final = re.compile("[&<>'\"]")
#: What a person's variable may be to have a slot; their attributes have one each.
_FIELDS: Final = frozenset({("subscriber", "name"), ("subscriber", "kind"), ("subscriber", "language")})
_ATTRIBUTES: Final = ("subscriber", "attributes")


class Slot(NamedTuple):
    """A value that is made for each message."""

    path: Path
    is_escaped: bool

    @property
    def is_url(self) -> bool:
        """Whether it is one of the reader's own addresses."""
        return len(self.path) == 1


def cut(source: str, environment: ImmutableSandboxedEnvironment, shared: Mapping[str, Any]) -> Cut | None:
    """The template as texts and paths; None where it asks more of a person. `shared` is what all recipients see."""
    whole: Cut = []
    for node in _pieces(environment.parse(source)):
        if isinstance(node, nodes.TemplateData):
            whole.append(node.data)
        elif not _reads_person(node):
            whole.append(_render(node, environment, shared))
        elif (path := _path(node)) is not None and _has_slot(path):
            whole.append(path)
        else:
            return None
    return None if sum(len(piece) for piece in whole if isinstance(piece, str)) > LONGEST_OUTPUT // 2 else whole


def printed(value: Any) -> str:
    """A variable as a template prints it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def filler(slot: Slot) -> Filler:
    """What makes a slot's text for one recipient."""
    key = slot.path[-1]
    if slot.is_url:
        return lambda _subscriber, urls: urls[key]  # our own tokens: nothing to escape
    read = _field if len(slot.path) == 2 else _attribute
    if not slot.is_escaped:
        return lambda subscriber, _urls: read(subscriber, key)
    return lambda subscriber, _urls: _escaped(read(subscriber, key))


def _field(subscriber: Mapping[str, Any], key: str) -> str:
    return printed(subscriber.get(key) or "")


def _attribute(subscriber: Mapping[str, Any], key: str) -> str:
    return printed(bounded((subscriber.get("attributes") or {}).get(key)))


def _escaped(text: str) -> str:
    return str(escape(text)) if _SPECIAL.search(text) else text


def bounded(value: Any) -> Any:
    """A person's value, cut so that no template grows without bound."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE]
    if isinstance(value, list | tuple):
        return [bounded(item) for item in value[:MOST_VALUES]]
    if isinstance(value, Mapping):
        return {name: bounded(item) for name, item in list(value.items())[:MOST_VALUES]}
    return value


def numbered(whole: Cut, slots: dict[Slot, int], *, is_escaped: bool) -> list[str | int]:
    """The cut with the numbers of its slots, which are added to `slots` where they are new."""

    def number(path: Path) -> int:
        # Our own addresses need no escaping: one slot serves both texts.
        return slots.setdefault(Slot(path, is_escaped and len(path) > 1), len(slots))

    return [piece if isinstance(piece, str) else number(piece) for piece in whole]


def _pieces(template: nodes.Template) -> Iterator[nodes.Node]:
    for node in template.body:
        if isinstance(node, nodes.Output):
            yield from node.nodes
        else:
            yield node


def _reads_person(node: nodes.Node) -> bool:
    names = [node, *node.find_all(nodes.Name)]
    return any(isinstance(name, nodes.Name) and name.name in PERSONAL for name in names)


def _path(node: nodes.Node) -> Path | None:
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        key: Any = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
    else:
        return None
    before = _path(node.node)
    return None if before is None or not isinstance(key, str) else (*before, key)


def _has_slot(path: Path) -> bool:
    is_url = len(path) == 1 and path[0] in PERSONAL_URLS
    return is_url or path in _FIELDS or (len(path) == 3 and path[:2] == _ATTRIBUTES)


def _render(node: nodes.Node, environment: ImmutableSandboxedEnvironment, shared: Mapping[str, Any]) -> str:
    statement = nodes.Output([node]) if isinstance(node, nodes.Expr) else node
    whole = nodes.Template([statement], lineno=1)
    whole.set_environment(environment)
    made = Template.from_code(environment, environment.compile(whole), {})
    return render_within_bounds(made, dict(shared))
