"""The list of whom not to write to, as people keep it: looked through, added to, taken off with a reason, handed on.

A list holds for its organisation and all below it: that of the root is the national one. What the product itself
enters comes by `suppression`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.bounce_rules import forget_bounces
from outreach.audience.models import Address, Suppression
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Organisation
from outreach.core.secrets import address_digest
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import AddressState, Channel, Permission, SuppressionReason, SuppressionSource

LONGEST_NOTE: Final = 200
#: What persons decided themselves: taken off by an administrator only.
OWN_DECISIONS: Final = frozenset({SuppressionReason.STOP, SuppressionReason.COMPLAINT, SuppressionReason.ERASED})

#: The newest entries of each list, each in the order of its index, merged. `{matches}` is ours.
_NEWEST: Final = """(
SELECT id FROM (
    SELECT found.id FROM unnest(%s::bigint[]) AS o (id), LATERAL (
        SELECT s.id FROM outreach_suppression s WHERE s.organisation_id = o.id{matches} ORDER BY s.id DESC LIMIT %s
    ) AS found
    UNION ALL
    (SELECT s.id FROM outreach_suppression s WHERE s.organisation_id IS NULL{matches} ORDER BY s.id DESC LIMIT %s)
) AS every ORDER BY id DESC LIMIT %s)"""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries are looked for."""

    #: A whole address, as people write it, or the hash of one.
    text: str = ""
    channel: str = ""
    reason: str = ""


def lists_of(organisation: Organisation) -> QuerySet[Suppression]:
    """Every entry that holds for the organisation or for one below it."""
    return Suppression.objects.filter(
        Q(organisation__path__startswith=organisation.path)
        | Q(organisation__in=organisation.ancestor_ids())
        | Q(organisation=None)
    )


def newest_entries(
    organisation: Organisation, wanted: Wanted, *, before: int | None = None, limit: int = 50
) -> list[Suppression]:
    """Entries that hold for the organisation or for one below it, newest first, those behind `before`."""
    clauses: list[tuple[str, Any]] = []
    if wanted.text:
        clauses.append((" AND s.digest = ANY (%s::bytea[])", digests_of(wanted.text)))
    clauses += [
        (f" AND s.{name} = %s", value)
        for name, value in (("channel", wanted.channel), ("reason", wanted.reason))
        if value
    ]
    if before is not None:
        clauses.append((" AND s.id < %s", before))
    given = [value for _, value in clauses]
    ids = [*organisation.subtree().values_list("pk", flat=True), *organisation.ancestor_ids()[1:]]
    sql = _NEWEST.format(matches="".join(clause for clause, _ in clauses))
    # Its parts are ours; what was given comes as parameters.
    found = RawSQL(sql, [ids, *given, limit, *given, limit, limit])  # noqa: S611
    rows = Suppression.objects.filter(pk__in=found).select_related("organisation", "created_by")
    return list(rows.order_by("-pk"))


def digests_of(text: str) -> list[bytes]:
    """What an address may be kept as, on whatever channel it is one; a hash is itself."""
    if digest := read_hash(text):
        return [digest]
    found = []
    for channel in Channel.values:
        try:
            found.append(address_digest(channel, normalise(channel, text)))
        except BadAddress:
            continue
    return found


def read_hash(text: str) -> bytes | None:
    """The 32 bytes of a hash written as 64 hexadecimal digits; None where it is none."""
    plain = text.strip()
    if len(plain) != 64 or not plain.isascii() or not plain.isalnum():
        return None
    try:
        return bytes.fromhex(plain)
    except ValueError:
        return None


def entries_about(organisation: Organisation, addresses: Sequence[Address]) -> dict[int, Suppression]:
    """Address id -> the entry that keeps the organisation from writing to it."""
    digests = [bytes(address.digest) for address in addresses]
    holding = Suppression.objects.filter(digest__in=digests).filter(
        Q(organisation=None) | Q(organisation__in=organisation.ancestor_ids())
    )
    found = {(row.channel, bytes(row.digest)): row for row in holding.order_by("-pk")}
    return {
        address.pk: found[key] for address in addresses if (key := (address.channel, bytes(address.digest))) in found
    }


def keeper_permission(organisation: Organisation) -> Permission:
    """What one needs to keep the organisation's list: one that holds for others, too, is an administrator's."""
    is_shared = Organisation.objects.filter(parent=organisation).exists()
    return Permission.MANAGE_ORGANISATION if is_shared else Permission.EDIT_AUDIENCE


def may_take_off(actor: Actor, entry: Suppression) -> bool:
    """Whether the actor may take the entry off: one of the own organisation or below, by its reason."""
    if entry.organisation is None or not actor.organisation.contains(entry.organisation):
        return False
    if entry.reason in OWN_DECISIONS:
        return actor.may(Permission.MANAGE_ORGANISATION)
    return actor.may(keeper_permission(entry.organisation))


@transaction.atomic
def add_entry(
    actor: Actor, *, channel: str, value: str = "", hash: str = "", note: str = ""
) -> tuple[Suppression, bool]:
    """Put an address, or its hash, on the list of the actor's organisation; say whether it is new.

    Raises:
        Invalid: it is no address of the channel, no hash, or both or neither.
        Forbidden: the list holds for others, too, and the actor is no administrator.
    """
    actor.require(keeper_permission(actor.organisation))
    digest = _digest(channel, value, hash)
    if len(note) > LONGEST_NOTE:
        raise Invalid({"note": [_("Use at most 200 characters.")]})
    entry, is_new = Suppression.objects.get_or_create(
        organisation=actor.organisation,
        channel=channel,
        digest=digest,
        defaults={
            "reason": SuppressionReason.MANUAL,
            "source": SuppressionSource.API if actor.token else SuppressionSource.STAFF,
            "note": note.strip(),
            "created_by": actor.user,
        },
    )
    if is_new:
        audit.record(actor, "suppression.added", entry, channel=channel)
    return entry, is_new


def _digest(channel: str, value: str, hash: str) -> bytes:
    if bool(value.strip()) == bool(hash.strip()):
        raise Invalid({"value": [_("Give an address, or its hash.")]})
    if channel not in Channel.values:
        raise Invalid({"channel": [_("There is no such channel.")]})
    if hash:
        if (digest := read_hash(hash)) is None:
            raise Invalid({"hash": [_("A hash has 64 hexadecimal digits.")]})
        return digest
    try:
        return address_digest(channel, normalise(channel, value))
    except BadAddress as err:
        raise Invalid({"value": [err.message]}) from err


@transaction.atomic
def take_off(actor: Actor, entry: Suppression, *, why: str) -> None:
    """Take an entry off its list; an address that only bounced is written to again.

    Raises:
        Invalid: no reason is given.
        Forbidden: it was the person's own decision, or the list holds for others, and the actor is no administrator.
    """
    if entry.organisation is None:
        raise Forbidden
    actor.require(keeper_permission(entry.organisation))
    if entry.reason in OWN_DECISIONS:
        actor.require(Permission.MANAGE_ORGANISATION)
    why = " ".join(why.split())
    if not why or len(why) > LONGEST_NOTE:
        raise Invalid({"why": [_("Say in up to 200 characters why we may write to this address again.")]})
    audit.record(actor, "suppression.removed", entry, channel=entry.channel, reason=entry.reason, why=why)
    entry.delete()
    forget_bounces(bytes(entry.digest), entry.channel)
    Address.objects.filter(
        digest=bytes(entry.digest),
        channel=entry.channel,
        state=AddressState.BOUNCING,
        organisation__in=entry.organisation.subtree(),
    ).update(state=AddressState.ACTIVE)


def entries_csv(organisation: Organisation) -> Iterator[str]:
    """Yield the lists as lines of CSV that can be imported again: addresses only as hashes."""
    yield "\ufeff" + csv_rows([["organisation", "channel", "hash", "reason", "source", "note", "since"]])
    rows = lists_of(organisation).select_related("organisation").order_by("pk")
    for row in rows.iterator(chunk_size=2_000):
        slug = row.organisation.slug if row.organisation else ""
        facts = [slug, row.channel, bytes(row.digest).hex(), row.reason, row.source, row.note]
        yield csv_rows([[*facts, row.created_at.isoformat()]])
