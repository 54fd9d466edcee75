"""A world with a real ledger, for commands that tell of it."""

from tests.delivery.conftest import published, world

__all__ = ["published", "world"]
