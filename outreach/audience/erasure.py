"""Erasing a person: here what the audience knows, and a list on which later stages put what they know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from outreach.audience.bounce_rules import forget_bounces
from outreach.audience.commitment import NO_TIME
from outreach.audience.former_addresses import former_of
from outreach.audience.import_trace import forget_traces
from outreach.audience.merging import hold
from outreach.audience.models import (
    Address,
    Consent,
    FormerAddress,
    Segment,
    SnapshotMember,
    Subscriber,
    Subscription,
)
from outreach.audience.rejected_rows import forget_rejected_rows
from outreach.audience.suppression import suppress
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.vocabulary import ConsentAction, ConsentPurpose, Permission, SuppressionReason


@dataclass(frozen=True, kw_only=True)
class Erased:
    """Who goes, as later stages know the person."""

    #: The id of the record, or of one that became part of it.
    subscriber: int
    #: (channel, normalised): those that go, and those that the person had before.
    addresses: list[tuple[str, str]]
    #: The person's organisation, those above and those below: what others hold by the same address is theirs.
    organisations: list[int]


#: Called inside the erasure's transaction. Later stages append theirs at start-up: replies hold addresses, too.
on_erase: Final[list[Callable[[Erased], None]]] = []


@transaction.atomic
def erase_subscriber(actor: Actor, subscriber: Subscriber) -> None:
    """Erase a person: name, attributes, addresses, subscriptions and what consents say are gone for good.

    What stays is a nameless row that the ledger's ids point at, and a digest of each address on the suppression list,
    so that a later import does not write to the person again. Doing it twice does nothing the second time.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    locked = hold(subscriber)
    if locked.erased_at is not None:
        return
    addresses = list(Address.objects.filter(subscriber=locked))
    for address in addresses:
        suppress(locked.organisation, address.channel, address.normalised, SuppressionReason.ERASED)
        forget_bounces(bytes(address.digest), address.channel)
    ids = [locked.pk, *Subscriber.objects.filter(merged_into=locked).values_list("pk", flat=True)]
    former = former_of(locked.organisation, ids)
    known = [*((address.channel, address.normalised) for address in addresses), *former]
    related = [*locked.organisation.ancestor_ids(), *locked.organisation.subtree().values_list("pk", flat=True)]
    for one in ids:
        erased = Erased(subscriber=one, addresses=known, organisations=related)
        for forget in on_erase:
            forget(erased)
    written = {text for address in addresses for text in (address.value, address.normalised)}
    forget_rejected_rows(locked.organisation, written | {normalised for _channel, normalised in former})
    FormerAddress.objects.filter(subscriber__in=ids).delete()
    forget_traces(locked.organisation, ids)
    Address.objects.filter(subscriber=locked).delete()
    Subscription.objects.filter(subscriber=locked).delete()
    snapshots = Segment.objects.filter(taken_at__isnull=False)  # by the key of each: there is no index on the person
    SnapshotMember.objects.filter(segment__in=snapshots, subscriber__in=ids).delete()
    for record in Subscriber.objects.filter(pk__in=ids):
        empty_consents(record)
    _make_nameless(locked)
    audit.record(actor, "subscriber.erased", locked)
    subscriber.refresh_from_db()


def empty_consents(subscriber: Subscriber) -> None:
    """Take everything out of a person's records of consent, with the salt that their hashes are made with.

    The chain keeps the hashes, from which nobody can tell what a record said. One new record, sealed like any other,
    names those that were emptied: so a check knows them from those that somebody tampered with.
    """
    kept = Consent.objects.filter(subscriber=subscriber, salt__isnull=False)
    emptied = list(kept.order_by("pk").values_list("pk", flat=True))
    if not emptied:
        return
    kept.update(
        salt=None, topic=None, purpose="", channel="", action="", source="", text_version="", language="",
        evidence={}, at=NO_TIME, recorded_at=NO_TIME,
    )  # fmt: skip
    Consent.objects.create(
        subscriber=subscriber,
        purpose=ConsentPurpose.ERASURE,
        action=ConsentAction.ERASED,
        source="erasure",
        at=clock.now(),
        evidence={"consents": emptied},
    )


def _make_nameless(subscriber: Subscriber) -> None:
    subscriber.name = ""
    subscriber.sort_key = ""
    subscriber.timezone = ""
    subscriber.preferred_channel = ""
    subscriber.region = ""
    subscriber.attributes = {}
    subscriber.is_measured = False
    subscriber.paused_until = subscriber.quiet_from = subscriber.quiet_to = None
    subscriber.erased_at = clock.now()
    subscriber.save()
