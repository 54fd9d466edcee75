"""Finds the texts of channel adapters: they know no gettext, so the console translates what they say at the door."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

#: What adapters name the texts that a person reads: of a `Field`, of a `Problem`, and of the adapter itself.
NAMES = frozenset({"label", "help", "message", "remedy", "_REMEDIES"})


def adapter_texts(
    source: BinaryIO, keywords: Collection[str], comment_tags: Collection[str], options: Mapping[str, Any]
) -> Iterator[tuple[int, str, str, list[str]]]:
    """Babel's extraction method: each text given to one of `NAMES`, in a call or in an assignment.

    Texts with values in them are left out: whoever shows them translates the part before the colon.
    """
    for node in ast.walk(ast.parse(source.read())):
        for value in _bound_to_a_name(node):
            yield from ((line, "gettext", text, []) for line, text in _texts_in(value))


def _bound_to_a_name(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg in NAMES)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        if names & NAMES:
            yield node.value


def _texts_in(value: ast.expr) -> Iterator[tuple[int, str]]:
    """Sentences and titles; keys and values of settings are no texts."""
    if isinstance(value, ast.Constant):
        if isinstance(value.value, str) and value.value[:1].isupper():
            yield value.lineno, value.value
    elif not isinstance(value, ast.JoinedStr):
        for part in ast.iter_child_nodes(value):
            if isinstance(part, ast.expr):
                yield from _texts_in(part)
