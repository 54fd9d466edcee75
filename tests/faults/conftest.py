"""What the crash tests share. Django is not set up when this file is read."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker


@pytest.fixture(scope="session")
def seed() -> int:
    """The random tests' seed: printed with each failure, and repeated by OUTREACH_FAULT_SEED."""
    return int(os.environ.get("OUTREACH_FAULT_SEED") or random.SystemRandom().randrange(10**9))


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tests' database, for a whole file: each case has a run of its own, and emptying costs more than a case.

    It has pytest-django's name, since that sets up only the databases that some test's fixtures ask for by name.
    """
    from outreach.core.models import Installation
    from tests.tables import empty_tables

    with django_db_blocker.unblock():
        yield
        empty_tables()  # Django's flush begins the ids anew, and what is remembered of a run goes by its id
        Installation.objects.create(pk=1)  # as the migration left it, for the tests that come after
