"""Compiled code for our processes where Python was told not to keep any, as container images do.

Six processes that each compile the same two thousand files take half a minute of both processors; one does it for all.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import django


def keep_bytecode(folder: Path) -> dict[str, str]:
    """Say the environment by which our processes keep compiled code in `folder`; empty where it is kept already."""
    if not sys.dont_write_bytecode or sys.pycache_prefix:
        return {}
    if os.path.exists(importlib.util.cache_from_source(django.__file__)):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}
