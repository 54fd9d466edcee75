"""Whether a database that failed is away, or was only given something that is too much for it."""

from __future__ import annotations

from typing import Final

from django.db import InterfaceError, OperationalError

#: SQLSTATEs, or their first letters, of what lies in the statement: a limit of PostgreSQL's, or one of our own on time.
_ITS_OWN: Final = ("54", "57014")


def is_away(error: BaseException) -> bool:
    """Whether nothing can be kept just now, whatever it is; what is beyond a limit fails tomorrow, too."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return not (getattr(error.__cause__, "sqlstate", None) or "").startswith(_ITS_OWN)
