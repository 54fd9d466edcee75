"""Lists: `{items, next_cursor}`, newest first, by keyset."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query

from outreach.core.errors import Invalid, NotFound

Row = TypeVar("Row", bound=Model)

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")]


def page(
    rows: QuerySet[Any], *, cursor: str, limit: int, show: Callable[[Any], dict[str, Any]], key: str = "pk"
) -> dict[str, Any]:
    """One page of `rows`, by descending `key`."""
    if cursor:
        rows = rows.filter(**{f"{key}__lt": read_cursor(cursor)})
    found = list(rows.order_by(f"-{key}")[: limit + 1])
    more = len(found) > limit
    return {
        "items": [show(row) for row in found[:limit]],
        "next_cursor": write_cursor(getattr(found[limit - 1], key)) if more else None,
    }


def write_cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).rstrip(b"=").decode()


def read_cursor(cursor: str) -> int:
    """Raises: Invalid: it is not one of ours."""
    try:
        position = int(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not 0 <= position < 2**63:
            raise ValueError
    except (ValueError, binascii.Error):
        raise Invalid({"cursor": ["This is not a cursor of this list."]}) from None
    return position


def read_word(text: str, *, field: str) -> str:
    """A word of the query or form as it came.

    Raises:
        Invalid: PostgreSQL has no text that holds it.
    """
    if "\0" in text:
        raise Invalid({field: ["This holds a character that is not text."]})
    return text


def find(rows: QuerySet[Row], public_id: str) -> Row:
    """The row with this public id.

    Raises:
        NotFound: there is none among `rows`.
    """
    if not (public_id.isascii() and public_id.isdecimal() and len(public_id) < 19):
        raise NotFound
    row = rows.filter(pk=int(public_id)).first()
    if row is None:
        raise NotFound
    return row
