"""Addresses that people had: what hangs on them is theirs, too, and goes when they are erased."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from outreach.audience.models import Address, FormerAddress
from outreach.core.models import Organisation


def note_former(addresses: Iterable[Address]) -> None:
    """Remember addresses, as they are kept now, which their people are about to lose."""
    rows = [FormerAddress(subscriber_id=one.subscriber_id, channel=one.channel, normalised=one.normalised)
            for one in addresses]  # fmt: skip
    FormerAddress.objects.bulk_create(rows, ignore_conflicts=True)


def former_of(organisation: Organisation, ids: Collection[int]) -> list[tuple[str, str]]:
    """(channel, normalised) of what these people had; what somebody of the organisation has now is that person's."""
    rows = FormerAddress.objects.filter(subscriber__in=ids).values_list("channel", "normalised")
    had = list(rows.distinct().order_by("channel", "normalised"))
    taken = Address.objects.filter(
        organisation=organisation, normalised__in=[normalised for _channel, normalised in had]
    )
    has_owner = set(taken.values_list("channel", "normalised"))
    return [one for one in had if one not in has_owner]
