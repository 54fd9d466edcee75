"""A person's addresses, one by one: added, corrected, and retired; what the person consented to stays right.

A consent is to a channel, so a corrected address of it keeps it. With the last address of a channel its subscriptions
end, and the ledger says so: an address that somebody adds later must not revive what was given for another.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience import profile
from outreach.audience.former_addresses import note_former
from outreach.audience.models import Address, Subscriber, Subscription, Topic
from outreach.audience.profile import AddressData
from outreach.audience.subscriptions import unsubscribe
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid, NotFound, StateConflict
from outreach.core.vocabulary import AddressState, Permission, SubscriptionState

#: More than these nobody has.
MOST_ADDRESSES: Final = 20


@transaction.atomic
def add_address(actor: Actor, subscriber: Subscriber, channel: str, value: str) -> Address:
    """Add an address; nobody consents to anything by that.

    Raises:
        Invalid: it is none of its channel, or somebody has it, also the person.
        StateConflict: the person was erased, or has very many.
    """
    locked = _locked(actor, subscriber)
    if Address.objects.filter(subscriber=locked).count() >= MOST_ADDRESSES:
        raise StateConflict(_("A person has at most %(most)s addresses.") % {"most": MOST_ADDRESSES})
    address = _checked(locked, channel, value)
    address.subscriber, address.organisation = locked, locked.organisation
    _keep(address)
    audit.record(actor, "address.added", locked, channel=channel)
    return address


@transaction.atomic
def correct_address(actor: Actor, subscriber: Subscriber, key: Any, value: str) -> Address:
    """Write an address as it should have been. Another one is active, whatever the old one returned.

    Raises:
        Invalid: it is none of its channel, or somebody has it.
        NotFound: the person has no such address.
        StateConflict: the person was erased.
    """
    locked = _locked(actor, subscriber)
    address = _own(locked, key)
    fresh = _checked(locked, address.channel, value, but=address)
    is_other = fresh.normalised != address.normalised
    if is_other:
        is_known = address.state != AddressState.UNCONFIRMED
        address.state = AddressState.ACTIVE if is_known else AddressState.UNCONFIRMED
        note_former([address])
    address.value, address.normalised, address.digest = fresh.value, fresh.normalised, fresh.digest
    _keep(address)
    audit.record(actor, "address.corrected", locked, channel=address.channel, other=is_other)
    return address


@transaction.atomic
def retire_address(actor: Actor, subscriber: Subscriber, key: Any) -> int:
    """Take an address away; return how many subscriptions ended, since it was the last one of its channel.

    Raises:
        NotFound: the person has no such address.
        StateConflict: it is the only one: without it nobody could be reached.
    """
    locked = _locked(actor, subscriber)
    address = _own(locked, key)
    others = list(Address.objects.filter(subscriber=locked).exclude(pk=address.pk).values_list("channel", flat=True))
    if not others:
        raise StateConflict(_("This is the only address. Add another one first, or erase the person."))
    ended = 0 if address.channel in others else _end_channel(actor, locked, address.channel)
    if locked.preferred_channel not in others:
        Subscriber.objects.filter(pk=locked.pk).update(preferred_channel="")
    note_former([address])
    address.delete()
    audit.record(actor, "address.retired", locked, channel=address.channel, subscriptions=ended)
    return ended


def _keep(address: Address) -> None:
    try:
        with transaction.atomic():
            address.save()
    except IntegrityError as err:  # somebody else took it since it was checked
        raise Invalid({"value": [_("This address belongs to somebody else.")]}) from err


def _end_channel(actor: Actor, subscriber: Subscriber, channel: str) -> int:
    rows = Subscription.objects.filter(subscriber=subscriber, channel=channel, state=SubscriptionState.SUBSCRIBED)
    topics = list(Topic.objects.filter(pk__in=rows.values("topic")))
    source, evidence = "api" if actor.token else "console", {"reason": "no_address"}
    return unsubscribe(subscriber, topics=topics, channels=[channel], source=source, evidence=evidence)


def _locked(actor: Actor, subscriber: Subscriber) -> Subscriber:
    actor.require(Permission.EDIT_AUDIENCE)
    people = Subscriber.objects.select_for_update(of=("self",)).select_related("organisation")
    locked = people.get(pk=subscriber.pk)
    if locked.erased_at is not None:
        raise StateConflict(_("This person was erased."))
    locked.save(update_fields=["updated_at"])
    return locked


def _own(subscriber: Subscriber, key: Any) -> Address:
    text = str(key)
    is_key = text.isdecimal() and len(text) < 19
    found = Address.objects.filter(subscriber=subscriber, pk=int(text)).first() if is_key else None
    if found is None:
        raise NotFound
    return found


def _checked(subscriber: Subscriber, channel: str, value: str, *, but: Address | None = None) -> Address:
    """The unsaved address, whose faults stand at `channel` and `value`."""
    checked = profile.check_addresses([AddressData(channel=channel, value=value)])
    profile.refuse({path.rpartition("/")[2]: told for path, told in checked.problems.items()})
    (address,) = checked.addresses
    same = Address.objects.filter(
        organisation=subscriber.organisation, channel=channel, normalised=address.normalised
    ).exclude(pk=but.pk if but else 0)
    owner = same.values_list("subscriber", flat=True).first()
    if owner is not None:
        mine = owner == subscriber.pk
        raise Invalid(
            {
                "value": [
                    _("The person has this address already.") if mine else _("This address belongs to somebody else.")
                ]
            }
        )
    return address
