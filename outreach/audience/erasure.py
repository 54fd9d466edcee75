"""Erasing a person: here what the audience knows, and a list on which later stages put what they know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import transaction

from outreach.audience.models import Address, Consent, ImportRejection, Subscriber, Subscription
from outreach.audience.suppression import suppress
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.vocabulary import Permission, SuppressionReason

#: Called inside the erasure's transaction with the subscriber's id and the addresses (channel, normalised) that go.
#: Later stages append theirs at start-up: replies, for one, hold addresses too.
on_erase: Final[list[Callable[[int, list[tuple[str, str]]], None]]] = []


@transaction.atomic
def erase_subscriber(actor: Actor, subscriber: Subscriber) -> None:
    """Erase a person: name, attributes, addresses, subscriptions and the evidence of consents are gone for good.

    What stays is a nameless row that the ledger's ids point at, and a digest of each address on the suppression list,
    so that a later import does not write to the person again. Doing it twice does nothing the second time.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    locked = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
    if locked.erased_at is not None:
        return
    addresses = list(Address.objects.filter(subscriber=locked))
    for address in addresses:
        suppress(locked.organisation, address.channel, address.normalised, SuppressionReason.ERASED)
    for forget in on_erase:
        forget(locked.pk, [(address.channel, address.normalised) for address in addresses])
    _forget_rejected_rows(locked, addresses)
    Address.objects.filter(subscriber=locked).delete()
    Subscription.objects.filter(subscriber=locked).delete()
    Consent.objects.filter(subscriber=locked).update(evidence={})
    _make_nameless(locked)
    audit.record(actor, "subscriber.erased", locked)
    subscriber.refresh_from_db()


def _forget_rejected_rows(subscriber: Subscriber, addresses: list[Address]) -> None:
    rejections = ImportRejection.objects.filter(job__organisation=subscriber.organisation)
    for address in addresses:
        for text in {address.value, address.normalised}:
            rejections.filter(raw__icontains=text).update(raw="")


def _make_nameless(subscriber: Subscriber) -> None:
    subscriber.name = ""
    subscriber.sort_key = ""
    subscriber.timezone = ""
    subscriber.preferred_channel = ""
    subscriber.attributes = {}
    subscriber.is_measured = False
    subscriber.erased_at = clock.now()
    subscriber.save()
