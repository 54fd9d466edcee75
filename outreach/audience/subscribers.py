"""People: taken in by address, changed, exported, found. Erasing is `erasure`; whole files are `imports`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience import profile
from outreach.audience.attributes import fields_of, read_attributes
from outreach.audience.consent_proof import LAWFUL_BASIS
from outreach.audience.erasure import erase_subscriber
from outreach.audience.former_addresses import former_of, note_former
from outreach.audience.frequency import frequency_of, set_frequencies
from outreach.audience.merging import all_ids
from outreach.audience.models import Address, Consent, Subscriber, Subscription, Topic
from outreach.audience.names import sort_key
from outreach.audience.people import search
from outreach.audience.profile import PLAIN_FIELDS, AddressData, ConsentData, SubscriberData
from outreach.audience.quiet_hours import quiet_hours_of
from outreach.audience.regions import find_region
from outreach.audience.subscriptions import subscribe, unsubscribe
from outreach.audience.topics import topics_open_to
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation
from outreach.core.vocabulary import ConsentPurpose, Permission, SubscriptionState

__all__ = [
    "AddressData",
    "ConsentData",
    "SubscriberData",
    "change_subscriber",
    "erase_subscriber",
    "export_subscriber",
    "search",
    "upsert_subscriber",
]


def upsert_subscriber(actor: Actor, data: SubscriberData) -> tuple[Subscriber, bool]:
    """Take a person in, or complete the one who has one of these addresses; say whether the person is new.

    Topics are added, never taken away. A withdrawn subscription comes back only with a consent given later.

    Raises:
        Invalid: a field is not acceptable, or the addresses belong to different people.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    data, addresses, topics = read_subscriber(actor.organisation, data)
    try:
        return _upsert(actor, data, addresses, topics)
    except IntegrityError:
        # Somebody else took in the same address just now: this time it is found.
        return _upsert(actor, data, addresses, topics)


#: So much the clocks of two machines may differ: a consent of the next moment is one of now.
CLOCKS_DIFFER: Final = timedelta(minutes=5)


def read_subscriber(
    organisation: Organisation, data: SubscriberData
) -> tuple[SubscriberData, list[Address], list[Topic]]:
    """What is said about a person as it would be kept, with unsaved addresses; nothing is written.

    Raises:
        Invalid: a field is not acceptable.
    """
    checked = profile.check_addresses(data.addresses)
    data, problems = _with_read_values(organisation, data)
    problems |= profile.check_fields(data) | checked.problems
    if not data.addresses:
        problems["addresses"] = [_("Give at least one address.")]
    if data.consent and data.consent.at and data.consent.at > clock.now() + CLOCKS_DIFFER:
        problems["consent/at"] = [_("This lies in the future.")]
    topics = _topics(organisation, data.topics, problems)
    profile.refuse(problems)
    return data, checked.addresses, topics


def _with_read_values(organisation: Organisation, data: SubscriberData) -> tuple[SubscriberData, dict[str, list[Any]]]:
    """The data with the region as its code and declared attributes as they are kept, and what is wrong with those."""
    if data.region:
        data = replace(data, region=find_region(data.region) or data.region)
    if not data.attributes:
        return data, {}
    attributes, problems = read_attributes(fields_of(organisation), data.attributes)
    return replace(data, attributes=attributes), problems


@transaction.atomic
def _upsert(
    actor: Actor, data: SubscriberData, addresses: list[Address], topics: Sequence[Topic]
) -> tuple[Subscriber, bool]:
    found = _owner(actor.organisation, addresses)
    subscriber = found or Subscriber(
        organisation=actor.organisation, language=data.language or actor.organisation.language
    )
    changed = _set_fields(subscriber, data)
    if found is None or changed:
        subscriber.save()
    added = _add_addresses(subscriber, addresses)
    channels = [address.channel for address in addresses]
    joined = _join(subscriber, topics, data.consent, channels)
    if data.frequency:
        set_frequencies(actor, subscriber, {(topic.pk, way): data.frequency for topic in topics for way in channels})
    if found is None or changed or added or joined:
        action = "subscriber.changed" if found else "subscriber.created"
        audit.record(actor, action, subscriber, fields=changed, addresses=added, subscriptions=joined)
    return subscriber, found is None


def _owner(organisation: Organisation, addresses: Sequence[Address]) -> Subscriber | None:
    owners: dict[int, Subscriber] = {}
    for place, address in enumerate(addresses):
        row = (
            Address.objects.filter(organisation=organisation, channel=address.channel, normalised=address.normalised)
            .filter(subscriber__erased_at=None)
            .select_related("subscriber")
            .first()
        )
        if row is not None:
            owners[row.subscriber_id] = row.subscriber
        if len(owners) > 1:
            raise Invalid({f"addresses/{place}/value": [_("This address belongs to somebody else.")]})
    if not owners:
        return None
    (owner,) = owners.values()
    locked = Subscriber.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=owner.pk)
    # Erased while we waited for the lock: the addresses are nobody's now.
    return _owner(organisation, addresses) if locked.erased_at else locked


def _set_fields(subscriber: Subscriber, data: SubscriberData) -> list[str]:
    """Set what was given and differs; name the fields that changed."""
    changed = []
    for field in PLAIN_FIELDS:
        value = getattr(data, field)
        if value is not None and value != getattr(subscriber, field):
            setattr(subscriber, field, value)
            changed.append(field)
    merged = merged_attributes(subscriber.attributes, data.attributes or {})
    if merged != subscriber.attributes:
        subscriber.attributes = merged
        changed.append("attributes")
    subscriber.sort_key = sort_key(subscriber.name)
    return changed


def merged_attributes(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is known with what was given laid over it; None takes an attribute away."""
    return {name: value for name, value in {**known, **given}.items() if value is not None}


def _add_addresses(subscriber: Subscriber, addresses: Sequence[Address]) -> int:
    known = set(Address.objects.filter(subscriber=subscriber).values_list("channel", "normalised"))
    fresh = [address for address in addresses if (address.channel, address.normalised) not in known]
    for address in fresh:
        address.subscriber = subscriber
        address.organisation = subscriber.organisation
    Address.objects.bulk_create(fresh)
    return len(fresh)


def _topics(organisation: Organisation, slugs: Sequence[str], problems: dict[str, list[Any]]) -> list[Topic]:
    found = {topic.slug: topic for topic in topics_open_to(organisation).filter(slug__in=list(slugs))}
    for place, slug in enumerate(slugs):
        if slug not in found:
            problems[f"topics/{place}"] = [_("There is no such topic.")]
    return [found[slug] for slug in dict.fromkeys(slugs) if slug in found]


def _join(subscriber: Subscriber, topics: Sequence[Topic], consent: ConsentData | None, channels: Sequence[str]) -> int:
    """Subscribe to the topics, but for what was withdrawn since the consent was given; how many subscriptions changed.

    Without a consent nothing that was ever withdrawn comes back.
    """
    joined = 0
    given_at = min((consent.at if consent else None) or clock.now(), clock.now())
    for topic in topics:
        withdrawn = Subscription.objects.filter(
            subscriber=subscriber, topic=topic, state=SubscriptionState.UNSUBSCRIBED
        )
        if consent is not None:
            withdrawn = withdrawn.filter(changed_at__gte=given_at)
        stay_out = set(withdrawn.values_list("channel", flat=True))
        joined += subscribe(
            subscriber,
            topic,
            [channel for channel in channels if channel not in stay_out],
            source=consent.source if consent else "api",
            text_version=consent.text_version if consent else "",
            language=consent.language if consent else "",
            at=given_at,
            evidence=_evidence(consent),
        )
    return joined


def _evidence(consent: ConsentData | None) -> dict[str, str]:
    if consent is None:
        return {}
    network = {"ip": truncated_ip(consent.ip)} if consent.ip else {}
    named = {"site": consent.site, "message": consent.message}
    return network | {name: value for name, value in named.items() if value}


def truncated_ip(ip: str) -> str:
    """The network of a host: /24 or /48, as much as evidence needs; '' for what is no address."""
    try:
        host = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((host, 24 if host.version == 4 else 48), strict=False))


@transaction.atomic
def change_subscriber(
    actor: Actor,
    subscriber: Subscriber,
    *,
    kind: str | None = None,
    name: str | None = None,
    language: str | None = None,
    timezone: str | None = None,
    preferred_channel: str | None = None,
    region: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    addresses: Sequence[AddressData] | None = None,
    topics: Sequence[str] | None = None,
) -> Subscriber:
    """Change what is given. `addresses` and `topics`, where given, are the whole new list: what is missing ends.

    A topic that the person left comes back by a newer consent alone (`upsert_subscriber`).

    Raises:
        Invalid: a field is not acceptable, an address belongs to somebody else, the person left a topic.
        StateConflict: the person was erased.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    subscriber = Subscriber.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=subscriber.pk)
    if subscriber.erased_at is not None:
        raise StateConflict(_("This person was erased."))
    data = SubscriberData(
        kind=kind,
        name=name,
        language=language,
        timezone=timezone,
        preferred_channel=preferred_channel,
        region=region,
        attributes=attributes,
    )
    checked = profile.check_addresses(addresses or ())
    data, problems = _with_read_values(subscriber.organisation, data)
    problems |= profile.check_fields(data) | checked.problems
    wanted = _topics(subscriber.organisation, topics or (), problems)
    problems |= _left_topics(subscriber, topics or ())
    if addresses is not None:
        problems |= _foreign_addresses(subscriber, checked.addresses)
    profile.refuse(problems)
    changed = _set_fields(subscriber, data)
    subscriber.save()
    source = "api" if actor.token else "console"
    if addresses is not None:
        _replace_addresses(subscriber, checked.addresses, source=source)
        changed.append("addresses")
    if topics is not None:
        _replace_topics(subscriber, wanted, source=source)
        changed.append("topics")
    audit.record(actor, "subscriber.changed", subscriber, fields=changed)
    return subscriber


def _foreign_addresses(subscriber: Subscriber, addresses: Sequence[Address]) -> dict[str, list[Any]]:
    taken = set(
        Address.objects.filter(
            organisation=subscriber.organisation, normalised__in=[address.normalised for address in addresses]
        )
        .exclude(subscriber=subscriber)
        .values_list("channel", "normalised")
    )
    return {
        f"addresses/{place}/value": [_("This address belongs to somebody else.")]
        for place, address in enumerate(addresses)
        if (address.channel, address.normalised) in taken
    }


def _left_topics(subscriber: Subscriber, slugs: Sequence[str]) -> dict[str, list[Any]]:
    rows = list(Subscription.objects.filter(subscriber=subscriber, topic__slug__in=slugs).select_related("topic"))
    stays = {row.topic.slug for row in rows if row.state == SubscriptionState.SUBSCRIBED}
    left = {row.topic.slug for row in rows} - stays
    return {
        f"topics/{place}": [_("The person left this topic. A newer consent brings them back.")]
        for place, slug in enumerate(slugs)
        if slug in left
    }


def _replace_addresses(subscriber: Subscriber, addresses: Sequence[Address], *, source: str) -> None:
    """Where a channel's last address goes, its subscriptions end: no other address inherits the consent."""
    kept = {(address.channel, address.normalised) for address in addresses}
    gone = [row for row in Address.objects.filter(subscriber=subscriber) if (row.channel, row.normalised) not in kept]
    note_former(gone)
    Address.objects.filter(pk__in=[row.pk for row in gone]).delete()
    _add_addresses(subscriber, addresses)
    lost = {row.channel for row in gone} - {address.channel for address in addresses}
    if lost:
        unsubscribe(subscriber, topics=None, channels=sorted(lost), source=source, evidence={"reason": "no_address"})
    if subscriber.preferred_channel in lost:
        subscriber.preferred_channel = ""
        subscriber.save(update_fields=["preferred_channel"])


def _replace_topics(subscriber: Subscriber, wanted: Sequence[Topic], *, source: str) -> None:
    """What is kept stays as it is, channel by channel: the person may have left some of them."""
    rows = Subscription.objects.filter(subscriber=subscriber, state=SubscriptionState.SUBSCRIBED)
    gone = Topic.objects.filter(subscriptions__in=rows).exclude(pk__in=[topic.pk for topic in wanted]).distinct()
    unsubscribe(subscriber, topics=list(gone), source=source)
    known = set(Subscription.objects.filter(subscriber=subscriber).values_list("topic_id", flat=True))
    channels = profile.personal_channels(list(subscriber.addresses.all()))
    for topic in wanted:
        if topic.pk not in known:
            subscribe(subscriber, topic, channels, source=source)


def export_subscriber(subscriber: Subscriber) -> dict[str, Any]:
    """Everything that the audience knows of a person, as the person may ask for it (GDPR, articles 15 and 20)."""
    return {
        "id": str(subscriber.pk),
        "organisation": subscriber.organisation.slug,
        "kind": subscriber.kind,
        "name": subscriber.name,
        "language": subscriber.language,
        "timezone": subscriber.timezone,
        "preferred_channel": subscriber.preferred_channel,
        "region": subscriber.region,
        "attributes": subscriber.attributes,
        "is_measured": subscriber.is_measured,
        "quiet_hours": _exported_hours(subscriber),
        "paused_until": subscriber.paused_until.isoformat() if subscriber.paused_until else None,
        "created_at": subscriber.created_at.isoformat(),
        "erased_at": subscriber.erased_at.isoformat() if subscriber.erased_at else None,
        "addresses": [
            {"channel": row.channel, "value": row.value, "normalised": row.normalised, "state": row.state}
            for row in subscriber.addresses.order_by("id")
        ],
        "former_addresses": [
            {"channel": channel, "normalised": normalised}
            for channel, normalised in former_of(subscriber.organisation, all_ids(subscriber))
        ],
        "subscriptions": [
            {
                "topic": row.topic.slug,
                "channel": row.channel,
                "state": row.state,
                "frequency": frequency_of(row.frequency).value,
                "changed_at": row.changed_at.isoformat(),
            }
            for row in subscriber.subscriptions.select_related("topic").order_by("id")
        ],
        "consents": [
            _exported_consent(row)
            for row in Consent.objects.filter(subscriber__in=all_ids(subscriber), salt__isnull=False)
            .select_related("topic")
            .order_by("id")
        ],
    }


def _exported_hours(subscriber: Subscriber) -> dict[str, str] | None:
    hours = quiet_hours_of(subscriber)
    return {"from": hours.begin, "to": hours.end} if hours else None


def _exported_consent(row: Consent) -> dict[str, Any]:
    return {
        "purpose": row.purpose,
        "topic": row.topic.slug if row.topic else None,
        "channel": row.channel,
        "action": row.action,
        "source": row.source,
        "text_version": row.text_version,
        "language": row.language,
        "lawful_basis": str(LAWFUL_BASIS[ConsentPurpose(row.purpose)]),
        "evidence": row.evidence,
        "at": row.at.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
    }
