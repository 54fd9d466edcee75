"""A database of a command's own: the embedded one of its data folder, or an empty one that DATABASE_URL names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import psycopg
from django.conf import settings
from django.db import connections

from outreach.core.database import EmbeddedDatabase
from outreach.core.errors import StateConflict
from outreach.management.migrate import migrate

COUNT_TABLES: Final = (
    "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> ''"
)


@contextmanager
def own_database(*, durable: bool) -> Iterator[str]:
    """An empty database with the schema, gone or empty again afterwards; yields its address.

    Raises:
        StateConflict: DATABASE_URL names one that holds tables.
    """
    with ExitStack() as stack:
        url = settings.DATABASE_URL
        if url:
            refuse_tables(url)
            stack.callback(_drop_tables, url)
        else:
            url = stack.enter_context(EmbeddedDatabase(settings.DATA, durable=durable, with_parent=True)).url
        stack.callback(connections.close_all)
        migrate()
        yield url


def refuse_tables(url: str) -> None:
    with psycopg.connect(url) as link:
        row = link.execute(COUNT_TABLES).fetchone()
    if row is not None and row[0]:
        raise StateConflict("The database of DATABASE_URL holds tables already; this needs an empty one.")


def _drop_tables(url: str) -> None:
    """Leave the database as empty as it was."""
    connections.close_all()
    with psycopg.connect(url) as link:
        link.execute("DROP SCHEMA public CASCADE")
        link.execute("CREATE SCHEMA public")
