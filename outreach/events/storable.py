"""What came from outside, made fit for the database: PostgreSQL takes neither NUL nor half a surrogate pair."""

from __future__ import annotations

from typing import Any


def storable(value: Any) -> Any:
    """The value with every text in it, however deep, as PostgreSQL can keep it."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(str(name)): storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value


def storable_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")
