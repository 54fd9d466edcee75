"""A worker's connection to the ledger that is made anew where it broke: the database may go away at any moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg
from django.db import close_old_connections

from outreach.delivery.connection import Link, connect, identity

logger = logging.getLogger(__name__)

#: Seconds for which a worker goes on against a database that is away; outcomes stay in its memory so long.
KEEP_TRYING: Final = 600.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0

T = TypeVar("T")


class Patience:
    """Growing pauses, and an end: also where the database answers and yet cannot write, as on a full disk."""

    def __init__(self) -> None:
        self._until = time.monotonic() + KEEP_TRYING
        self._pause = FIRST_PAUSE

    def wait(self, error: psycopg.OperationalError) -> None:
        """Pause; raises the error again where it lasted too long."""
        if time.monotonic() > self._until:
            raise error
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


class SteadyLink:
    """One connection at a time, and which PostgreSQL it leads to."""

    def __init__(self) -> None:
        self.link: Link = connect()
        self.here = identity(self.link)

    def close(self) -> None:
        self.link.close()

    def surely(self, step: Callable[[Link], T]) -> T:
        """Do a step that may be done twice, through broken connections if need be."""
        patience = Patience()
        while True:
            try:
                return step(self.link)
            except psycopg.OperationalError as err:
                self.mend(patience, err)

    def mend(self, patience: Patience, error: psycopg.OperationalError) -> None:
        """Connect again after this error, Django's own connection too, which broke with ours.

        Raises:
            psycopg.OperationalError: the patience is over.
        """
        logger.warning("The database went away: %s", type(error).__name__, extra={"action": "reconnect"})
        while True:
            patience.wait(error)
            self.link.close()
            try:
                self.link = connect()
                self.here = identity(self.link)
            except psycopg.OperationalError as err:
                error = err
            else:
                close_old_connections()
                return
