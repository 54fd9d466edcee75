"""A world with a real ledger, for receipts: shared with the ledger's own tests."""

from tests.delivery.conftest import published, world

__all__ = ["published", "world"]
