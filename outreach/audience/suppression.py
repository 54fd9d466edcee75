"""Addresses never to be written to: kept as digests, so that the list holds no addresses and outlives an erasure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from django.db.models import Q

from outreach.audience.models import Address, Suppression
from outreach.core.models import Organisation
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import SuppressionReason, SuppressionSource

#: Where an entry comes from whose caller does not say.
_SOURCES: Final[dict[str, SuppressionSource]] = {
    SuppressionReason.HARD_BOUNCE: SuppressionSource.RETURNED,
    SuppressionReason.SOFT_BOUNCES: SuppressionSource.RETURNED,
    SuppressionReason.COMPLAINT: SuppressionSource.RETURNED,
    SuppressionReason.STOP: SuppressionSource.PERSON,
    SuppressionReason.ERASED: SuppressionSource.PERSON,
    SuppressionReason.MANUAL: SuppressionSource.STAFF,
}

_FOUND_OUT: Final = frozenset({SuppressionReason.HARD_BOUNCE, SuppressionReason.SOFT_BOUNCES})
#: Reason -> those that it takes the place of. STOP leaves an entry of staff alone, since START would lift it.
WEAKER_THAN: Final[Mapping[str, frozenset[str]]] = {
    SuppressionReason.STOP: _FOUND_OUT,
    SuppressionReason.COMPLAINT: _FOUND_OUT | {SuppressionReason.MANUAL},
    SuppressionReason.ERASED: _FOUND_OUT | {SuppressionReason.MANUAL},
}


def suppress(
    organisation: Organisation | None, channel: str, normalised: str, reason: str, *, source: str = ""
) -> bool:
    """Put an address on the list of the organisation, or of the whole installation (None); say whether it is new.

    The first reason stays, but what the person decided is stronger than what was found out: staff may take the one off
    again (`suppression_list`), not the other.
    """
    row, is_new = Suppression.objects.get_or_create(
        organisation=organisation,
        channel=channel,
        digest=address_digest(channel, normalised),
        defaults={"reason": reason, "source": source or _SOURCES[reason]},
    )
    if not is_new and row.reason in WEAKER_THAN.get(reason, ()):
        Suppression.objects.filter(pk=row.pk, reason=row.reason).update(
            reason=reason, source=source or _SOURCES[reason]
        )
    return is_new


def is_suppressed(organisation: Organisation, channel: str, normalised: str) -> bool:
    """Whether the organisation, one above it, or the installation must not write to the address."""
    return reason_of(organisation, channel, normalised) != ""


def reason_of(organisation: Organisation, channel: str, normalised: str) -> str:
    """Why the address must not be written to; '' where it may."""
    found = (
        Suppression.objects.filter(channel=channel, digest=address_digest(channel, normalised))
        .filter(Q(organisation=None) | Q(organisation__in=organisation.ancestor_ids()))
        .order_by("created_at")
        .values_list("reason", flat=True)
        .first()
    )
    return found or ""


def unsuppress(organisation: Organisation | None, channel: str, normalised: str) -> bool:
    """Take an address off one list again, as when a person writes START after STOP; say whether it was on it."""
    deleted, _by_model = Suppression.objects.filter(
        organisation=organisation, channel=channel, digest=address_digest(channel, normalised)
    ).delete()
    return deleted > 0


def addresses_suppressed(
    organisation: Organisation, channel: str, reasons: Collection[str], *, since: datetime | None, until: datetime
) -> list[str]:
    """Addresses that came on a list which holds for the whole organisation, as far as its people still have them.

    The lists hold digests only: whose address was erased is not found any more.
    """
    entries = Suppression.objects.filter(channel=channel, reason__in=reasons, created_at__lte=until).filter(
        Q(organisation=None) | Q(organisation__in=organisation.ancestor_ids())
    )
    digests = list((entries.filter(created_at__gt=since) if since else entries).values_list("digest", flat=True))
    if not digests:
        return []
    held = Address.objects.filter(organisation__in=organisation.subtree(), channel=channel, digest__in=digests)
    return sorted(set(held.values_list("normalised", flat=True)))
