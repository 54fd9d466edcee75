"""The house's own rules: what the code names is documented, walls name every adapter, sizes are printed."""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.db.models import TextChoices

import channels
from outreach.core import vocabulary

ROOT = Path(__file__).parent.parent
CODE = [path for folder in ("outreach", "channels", "schedules") for path in (ROOT / folder).rglob("*.py")]
REFERENCE = "\n".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_setting_is_documented() -> None:
    source = (ROOT / "outreach" / "settings.py").read_text()
    names = set(re.findall(r"""env\.\w+\(\s*"([A-Z_]+)\"""", source))

    assert {name for name in names if f"`{name}`" not in REFERENCE} == set()


def test_every_word_is_documented() -> None:
    enums = [value for value in vars(vocabulary).values() if isinstance(value, type) and issubclass(value, TextChoices)]
    words = {word for enum in enums for word in enum.values if word}

    assert {word for word in words if f"`{word}`" not in REFERENCE} == set()


def test_every_adapter_is_documented_and_walled_off() -> None:
    names = set(channels.names())
    walls = next(
        contract for contract in _pyproject()["tool"]["importlinter"]["contracts"] if contract["type"] == "independence"
    )

    assert {name for name in names if f"`{name}`" not in REFERENCE} == set()
    assert names <= {module.rpartition(".")[2] for module in walls["modules"]}


def test_every_top_level_name_is_there() -> None:
    expected = {"outreach", "channels", "templates", "schedules", "worker.py", "pyproject.toml", "tests", "README.md"}

    assert expected <= {path.name for path in ROOT.iterdir()}


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"], ids=lambda path: path.name)
def test_no_dead_link_in_the_documentation(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target and not target.startswith(("mailto:", "{"))]

    assert [target for target in local if not (page.parent / target).exists()] == []


def test_sizes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A longer function or file that reads well stays; this prints where we stand."""
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in CODE
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    files = [len(path.read_text().splitlines()) for path in CODE if "migrations" not in path.parts]
    with capsys.disabled():
        print(f"\nfunctions: median {statistics.median(functions):.0f}, p90 {_p90(functions)}; ", end="")
        print(f"files: median {statistics.median(files):.0f}, p90 {_p90(files)} lines")

    assert _p90(functions) <= 30
    assert _p90(files) <= 350


def _p90(values: list[int]) -> int:
    return sorted(values)[int(len(values) * 0.9)]
