from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from outreach.core import bytecode


def test_it_is_kept_in_a_folder_of_ours_only_where_nobody_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda _source: str(tmp_path / "django.pyc"))
    told: list[dict[str, str]] = []
    for told_not_to in (True, False):
        monkeypatch.setattr(sys, "dont_write_bytecode", told_not_to)
        told.append(bytecode.keep_bytecode(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "django.pyc").touch()
    told.append(bytecode.keep_bytecode(tmp_path))

    assert told == [{"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}, {}, {}]
