"""A service's register taken in: who used it and when, row by row. Taken in twice, nothing is counted twice."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.csv_reader import delimiter_of
from outreach.audience.models import Address
from outreach.campaigns.models import Service
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Channel, Permission
from outreach.events.conversions import EARLIEST, USED, Who, find_who, record_conversion
from outreach.events.models import Conversion
from outreach.events.storable import storable_text

#: Columns of which each row fills exactly one; those of addresses come first.
ADDRESSES: Final[Mapping[str, str]] = {"email": Channel.EMAIL, "phone": Channel.SMS}
NAMES: Final = ("subscriber", "delivery", "click_token")
#: Held by the session, since each row is a transaction of its own.
LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('register:' || %s, 0))"
UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended('register:' || %s, 0))"


@dataclass(kw_only=True)
class Taken:
    """What became of a register's rows."""

    #: The person's first use of the service that we hear of, and later ones.
    first: int = 0
    repeated: int = 0
    #: Known from an earlier taking in.
    known: int = 0
    #: (line of the file, what is wrong with it).
    rejected: list[tuple[int, str]] = field(default_factory=list)


#: How many rows that name nobody, alike in run, name, moment and value, are known and not yet met in the file.
Nobodys = dict[tuple[Any, ...], int]


def take_register(actor: Actor, lines: Iterable[str], *, service: str) -> Taken:
    """Take a CSV register in: `email`, `phone`, `subscriber`, `delivery` or `click_token`, with `at`, `name`, `value`.

    Each row is a transaction, so one that is wrong loses nothing but itself.

    Raises:
        Forbidden
        Invalid: the first line does not name the columns, or a register of the service is being taken in at this
            moment, at `file`; nothing is taken.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    promoted = Service.objects.for_organisation(actor.organisation).filter(slug=service).first()
    with _alone(promoted):
        return _take_rows(actor, lines, service=service)


@contextmanager
def _alone(service: Service | None) -> Iterator[None]:
    """Nobody else takes a register of this service in meanwhile: two at once would not see each other's rows."""
    if service is None:
        yield  # each row is rejected
        return
    key = [str(service.pk)]
    with connection.cursor() as cursor:
        cursor.execute(LOCK, key)
        if not cursor.fetchone()[0]:
            raise Invalid({"file": [_("A register of this service is being taken in. Try again when that is done.")]})
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(UNLOCK, key)


def _take_rows(actor: Actor, lines: Iterable[str], *, service: str) -> Taken:
    taken = Taken()
    nobodys: Nobodys = {}
    for line, row in _rows(lines):
        try:
            if row is None:
                raise Invalid({"file": [_("This line falls into no cells.")]})
            _take(actor, row, service=service, taken=taken, nobodys=nobodys)
        except Invalid as err:
            sentences = (f"{name}: {text}" for name, texts in err.fields.items() for text in texts)
            taken.rejected.append((line, " ".join(sentences)))
    return taken


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Each row's line with its cells by column; None for one that cannot be read."""
    rest = iter(lines)
    first = next(rest, "")
    delimiter = delimiter_of(first)
    columns = [column.strip().strip('"').lower() for column in first.split(delimiter)]
    _check_columns(columns)
    reader = csv.reader(rest, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num + 1, None
            continue
        if cells:
            named = zip(columns, cells, strict=False)
            yield reader.line_num + 1, {name: storable_text(cell).strip() for name, cell in named}


def _check_columns(columns: list[str]) -> None:
    who = [*ADDRESSES, *NAMES]
    if "at" not in columns or not set(who) & set(columns):
        facts = {"who": ", ".join(who)}
        raise Invalid({"file": [_("The first line has to name the columns: at, and one of %(who)s.") % facts]})


@transaction.atomic
def _take(actor: Actor, row: Mapping[str, str], *, service: str, taken: Taken, nobodys: Nobodys) -> None:
    facts = _facts(actor.organisation, row)
    wrong: dict[str, list[Any]] = {}
    named = {name: facts.get(name) for name in NAMES}
    who = find_who(actor.organisation, wrong, **named)
    if who is None:
        raise Invalid(wrong)
    same = Conversion.objects.filter(
        organisation__path__startswith=actor.organisation.path,
        service__slug=service,
        name=facts["name"],
        subscriber=who.subscriber,
    )
    if who.run is not None:  # who is named by a person may have been given the last message since
        same = same.filter(run=who.run, delivery=who.delivery.id if who.delivery else None)
    same = same.filter(at=facts["at"])
    is_nobodys = who.subscriber is None and who.delivery is None
    if _is_known_nobodys(same.filter(value=facts["value"]), who, facts, nobodys) if is_nobodys else same.exists():
        taken.known += 1
        return
    is_again = who.subscriber is not None and _has_used(actor.organisation, who.subscriber.pk, service)
    record_conversion(actor, service=service, **facts)
    taken.repeated += is_again
    taken.first += not is_again


def _is_known_nobodys(same: QuerySet[Conversion], who: Who, facts: Mapping[str, Any], nobodys: Nobodys) -> bool:
    """All readers of a link share its token, so rows that are alike are uses of their own: as many are known as there
    were before the file.
    """
    key = (who.run and who.run.pk, facts["name"], facts["at"], facts["value"])
    if key not in nobodys:
        nobodys[key] = same.count()
    nobodys[key] -= 1
    return nobodys[key] >= 0


def _has_used(organisation: Organisation, person: int, service: str) -> bool:
    of_service = Conversion.objects.filter(organisation__path__startswith=organisation.path, service__slug=service)
    return of_service.filter(subscriber=person).exists()


def _facts(organisation: Organisation, row: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {name: row[name] for name in NAMES if row.get(name)}
    for column, channel in ADDRESSES.items():
        if row.get(column):
            facts["subscriber"] = _owner(organisation, channel, row[column], column=column)
    return {**facts, "name": (row.get("name") or USED)[:40], "at": _moment(row), "value": _value(row)}


def _owner(organisation: Organisation, channel: str, value: str, *, column: str) -> str:
    try:
        normalised = normalise(channel, value)
    except BadAddress as err:
        raise Invalid({column: [err.message]}) from err
    known = Address.objects.filter(organisation__path__startswith=organisation.path, channel=channel)
    found = known.filter(normalised=normalised).order_by("pk").values_list("subscriber_id", flat=True).first()
    if found is None:
        raise Invalid({column: [_("Nobody whom we know has this address.")]})
    return str(found)


def _moment(row: Mapping[str, str]) -> datetime:
    """Without its time a row could not be told from one that was taken in before."""
    wrong = Invalid({"at": [_("This must be a time in the past, with its offset.")]})
    try:
        found = datetime.fromisoformat(row.get("at", ""))
    except ValueError as err:
        raise wrong from err
    if found.tzinfo is None or found < EARLIEST:
        raise wrong
    return found


def _value(row: Mapping[str, str]) -> float | None:
    try:
        return float(row["value"]) if row.get("value") else None
    except ValueError as err:
        raise Invalid({"value": [_("This must be a number.")]}) from err
