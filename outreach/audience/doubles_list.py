"""Who may be in an organisation twice: groups of records of one name, page by page.

Names stand in an index, which is read from where the page before ended, so many rows at a time: a page costs the same
however many people there are. Names that more people have are no sign. Who has the same mailbox written in another
way is found from the one person (`merging.propose`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Prefetch

from outreach.audience.models import Address, Subscriber
from outreach.core.models import Organisation

#: Groups of a page, records of a group at most, and rows that are looked through for a page.
PAGE: Final = 20
MOST_ALIKE: Final = 4
STRETCH: Final = 50_000

#: Each name of the next stretch with its people: the first of them, and how many there are.
NAMES: Final = """
SELECT sort_key, (array_agg(id ORDER BY id) FILTER (WHERE erased_at IS NULL))[1:%(most)s], count(*) FROM (
    SELECT s.sort_key, s.id, s.erased_at FROM outreach_subscriber s
    WHERE s.organisation_id = %(organisation)s AND s.sort_key > %(after)s
    ORDER BY s.sort_key, s.id LIMIT %(stretch)s
) one GROUP BY sort_key ORDER BY sort_key
"""


@dataclass(frozen=True, kw_only=True)
class Doubles:
    """A page of groups."""

    #: Records of one name each, the oldest first.
    groups: list[list[Subscriber]]
    #: Where the next page goes on; '' at the end.
    following: str


def doubles_of(organisation: Organisation, *, after: str = "", stretch: int = STRETCH) -> Doubles:
    """The next groups behind a name's key. A page may be empty and have a next one."""
    given: dict[str, Any] = {
        "organisation": organisation.pk,
        "after": after,
        "most": MOST_ALIKE + 1,
        "stretch": stretch,
    }
    with connection.cursor() as cursor:
        cursor.execute(NAMES, given)
        names: list[tuple[str, list[int] | None, int]] = cursor.fetchall()
    is_end = sum(count for _key, _ids, count in names) < stretch
    if not is_end and len(names) > 1:
        names.pop()  # its people may go on behind the stretch
    alike = [(key, ids) for key, ids, _count in names if ids and 1 < len(ids) <= MOST_ALIKE]
    following = alike[PAGE - 1][0] if len(alike) > PAGE else ("" if is_end else names[-1][0])
    return Doubles(groups=_people([ids for _key, ids in alike[:PAGE]]), following=following)


def _people(groups: list[list[int]]) -> list[list[Subscriber]]:
    rows = (
        Subscriber.objects.filter(pk__in=[one for ids in groups for one in ids])
        .select_related("organisation")
        .prefetch_related(Prefetch("addresses", Address.objects.order_by("pk")), "subscriptions__topic")
    )
    people = {row.pk: row for row in rows}
    return [[people[one] for one in ids if one in people] for ids in groups]
