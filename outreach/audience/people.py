"""Finding people: page by page in Bulgarian order of names, or by the beginning of a word of the name or of an address.

A page costs the same with a thousand people and with ten million: each organisation's part is read in the order of an
index and merged. Only names of which another word than the first begins so are looked for in all names, and last.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Exists, OuterRef, Prefetch
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Address, Subscriber, Subscription, Topic
from outreach.audience.names import WORD_BREAK, sort_key
from outreach.audience.segment_people import run_within
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Channel, SubscriptionState

#: So many people are counted; of more it is enough to know that they are more.
MOST_COUNTED: Final = 100_000

#: One way of finding: people of one organisation after another, each in the order of an index, merged. `{matches}`
#: narrows it. A person's place is (key, id): the sort key, or the first of the addresses that begin so.
_BY_NAME: Final = """(
SELECT found.id FROM outreach_organisation o, LATERAL (
    SELECT s.id, s.sort_key FROM outreach_subscriber s
    WHERE s.organisation_id = o.id AND s.erased_at IS NULL{matches} ORDER BY s.sort_key, s.id LIMIT %s
) AS found WHERE o.path LIKE %s ORDER BY found.sort_key, found.id LIMIT %s)"""
_BY_ADDRESS: Final = """(
SELECT found.id FROM outreach_organisation o CROSS JOIN unnest(%s::text[]) AS c (name), LATERAL (
    SELECT s.id, a.normalised FROM outreach_address a JOIN outreach_subscriber s ON s.id = a.subscriber_id
    WHERE a.organisation_id = o.id AND a.channel = c.name AND s.erased_at IS NULL{matches}
    ORDER BY a.normalised, s.id LIMIT %s
) AS found WHERE o.path LIKE %s ORDER BY found.normalised, found.id LIMIT %s)"""
_ADDRESS_BEGINS: Final = (
    "EXISTS (SELECT 1 FROM outreach_address b WHERE b.subscriber_id = s.id AND b.normalised LIKE %s{before})"
)
_WANTS_TOPIC: Final = (
    "EXISTS (SELECT 1 FROM outreach_subscription n WHERE n.subscriber_id = s.id AND n.topic_id = %s AND n.state = %s)"
)
#: Of a topic with at most so many subscribers all are put in order; of a larger one, the first are soon met on the way
#: through all names. Where both cost the same, with ten million people.
FEW: Final = 20_000
_OF_TOPIC: Final = "SELECT DISTINCT n.subscriber_id FROM outreach_subscription n WHERE n.topic_id = %s AND n.state = %s"
_IN_TOPIC: Final = f"s.id = ANY (ARRAY({_OF_TOPIC}))"
_IS_LARGE: Final = f"SELECT 1 FROM ({_OF_TOPIC} LIMIT {FEW + 1}) AS wanted OFFSET {FEW}"  # noqa: S608 -- of this file
#: How long a page waits for how many there are, in milliseconds.
PATIENCE: Final = 40


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page ends: the way by which its last person was found, and the person's place on that way."""

    way: int = 0
    key: str = ""
    id: int = 0


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What is looked for, as it is kept: beginnings of names and of addresses; '' where none can begin so."""

    name: str
    address: str

    def place(self, person: Subscriber) -> Place:
        """The person's place among those who are found."""
        if person.sort_key.startswith(self.name) and (self.name or not self.address):
            return Place(key=person.sort_key, id=person.pk)
        begin_so = [row.normalised for row in person.addresses.all() if row.normalised.startswith(self.address)]
        if begin_so:
            return Place(way=1, key=min(begin_so), id=person.pk)
        return Place(way=2, key=person.sort_key, id=person.pk)


def search(
    organisation: Organisation,
    text: str = "",
    *,
    topic: Topic | None = None,
    kind: str = "",
    after: str | None = None,
    limit: int = 50,
) -> tuple[list[Subscriber], str | None]:
    """Find living people of the organisation and below; return them and the next cursor.

    First those whose name begins with the text, in Bulgarian order; then those with an address that begins with it;
    then those of whom another word of the name does. Addresses and subscriptions (with topics) come along in two
    further queries, however many the people are.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    wording, place = _wording(text.strip()), _read_cursor(after) if after else Place()
    narrowed = _narrowed(topic, kind)
    ways = [
        _way(number, wording, narrowed, place, organisation, limit + 1)
        for number in range(place.way, 3 if wording.name else 2 if wording.address else 1)
        if number or wording.name or not wording.address
    ]
    found = " UNION ALL ".join(sql for sql, _ in ways)
    params = [param for _, given in ways for param in given]
    # Its parts are ours; what was given comes as parameters.
    ids = RawSQL(f"SELECT id FROM ({found}) AS every LIMIT %s", [*params, limit + 1])  # noqa: S608, S611
    rows = Subscriber.objects.filter(pk__in=ids).select_related("organisation").prefetch_related(*_SHOWN)
    page = sorted(rows, key=lambda row: _order(wording.place(row)))
    following = _cursor(wording.place(page[limit - 1])) if len(page) > limit else None
    return page[:limit], following


def count(organisation: Organisation, *, topic: Topic | None = None, kind: str = "") -> int | None:
    """How many people `search` would find on all its pages without a text; `MOST_COUNTED` + 1 for more than that.

    None where a moment does not tell.
    """
    rows = Subscriber.objects.for_organisation(organisation).filter(erased_at=None)
    if kind:
        rows = rows.filter(kind=kind)
    if topic is not None:
        wanted = Subscription.objects.filter(subscriber=OuterRef("pk"), topic=topic, state=SubscriptionState.SUBSCRIBED)
        rows = rows.filter(Exists(wanted))
    sql, params = rows.order_by().values("pk")[: MOST_COUNTED + 1].query.sql_with_params()
    found = run_within(PATIENCE, f"SELECT count(*) FROM ({sql}) AS found", params)  # noqa: S608 -- a query set's own text
    return found[0][0] if found else None


_SHOWN: tuple[Any, ...] = (
    Prefetch("addresses", queryset=Address.objects.order_by("channel", "id")),
    Prefetch("subscriptions", queryset=Subscription.objects.select_related("topic").order_by("topic__slug", "channel")),
)

_Clause = tuple[str, Sequence[Any]]


def _narrowed(topic: Topic | None, kind: str) -> list[_Clause]:
    clauses: list[_Clause] = []
    if kind:
        clauses.append(("s.kind = %s", [kind]))
    if topic is not None:
        clauses.append((_WANTS_TOPIC if _is_large(topic) else _IN_TOPIC, [topic.pk, SubscriptionState.SUBSCRIBED]))
    return clauses


def _is_large(topic: Topic) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_IS_LARGE, [topic.pk, SubscriptionState.SUBSCRIBED])
        return cursor.fetchone() is not None


def _way(
    number: int, wording: Wording, narrowed: Sequence[_Clause], place: Place, organisation: Organisation, limit: int
) -> _Clause:
    """The SQL of one way of finding: 0 by the name's beginning, 1 by an address, 2 by another word of the name.

    Whom an earlier way finds is left out, and, on the way on which the last page ended, everybody up to its end.
    """
    clauses = list(narrowed)
    begins, address = f"{wording.name}%", _like(wording.address)
    if wording.name:
        clauses.append(("s.sort_key LIKE %s" if number == 0 else "s.sort_key NOT LIKE %s", [begins]))
    if number == 1:
        clauses.append(("a.normalised LIKE %s", [address]))
        smaller = _ADDRESS_BEGINS.format(before=" AND (b.normalised, b.id) < (a.normalised, a.id)")
        clauses.append((f"NOT {smaller}", [address]))
    if number == 2:
        clauses.append(("s.sort_key LIKE %s", [f"%{WORD_BREAK}{begins}"]))
        clauses.append((f"NOT {_ADDRESS_BEGINS.format(before='')}", [address]))
    if number == place.way and place.id:
        clauses.append((f"({'a.normalised' if number == 1 else 's.sort_key'}, s.id) > (%s, %s)", [place.key, place.id]))
    matches = "".join(f" AND {sql}" for sql, _ in clauses)
    params = [param for _, given in clauses for param in given]
    ends = [limit, _like(organisation.path), limit]
    if number == 1:
        return _BY_ADDRESS.format(matches=matches), [list(Channel.values), *params, *ends]
    return _BY_NAME.format(matches=matches), [*params, *ends]


def _like(beginning: str) -> str:
    for special in "\\%_":
        beginning = beginning.replace(special, f"\\{special}")
    return f"{beginning}%"


def _wording(text: str) -> Wording:
    return Wording(name="" if "@" in text else sort_key(text), address=_address_prefix(text))


def _order(place: Place) -> tuple[int, str, int]:
    return place.way, place.key, place.id


def _address_prefix(text: str) -> str:
    """The beginning of an address as it is kept; a whole number written `088 8...` is found too."""
    try:
        return normalise(Channel.SMS, text)
    except BadAddress:
        return text.lower()


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(_order(place)).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> Place:
    try:
        way, key, number = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return Place(way=min(2, max(0, int(way))), key=str(key), id=int(number))
    except (ValueError, TypeError, OverflowError) as err:
        raise Invalid({"cursor": [_("This page marker is not one of ours.")]}) from err
