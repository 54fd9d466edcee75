"""Who wants which topic by which channel, and the append-only record of every consent given and withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from outreach.audience.merging import kept_id
from outreach.audience.models import Consent, Subscriber, Subscription, Topic
from outreach.core import clock
from outreach.core.vocabulary import ConsentAction, ConsentPurpose, SubscriptionState


@transaction.atomic
def subscribe(
    subscriber: Subscriber,
    topic: Topic,
    channels: Iterable[str],
    *,
    source: str,
    text_version: str = "",
    language: str = "",
    at: datetime | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> int:
    """Subscribe a person to a topic by these channels, and record the consent; return how many channels changed.

    `text_version` and `language` are of the text that the person was shown; '' where there was none, or none is known.

    It is the person's own act, so it takes back an earlier withdrawal. An import is not, and does not come here.
    """
    changed = [channel for channel in dict.fromkeys(channels) if _set_state(subscriber, topic, channel, _SUBSCRIBED)]
    Consent.objects.bulk_create(
        Consent(
            subscriber=subscriber,
            topic=topic,
            channel=channel,
            action=ConsentAction.GIVEN,
            source=source,
            text_version=text_version,
            language=language,
            at=at or clock.now(),
            evidence=dict(evidence or {}),
        )
        for channel in changed
    )
    return len(changed)


_SUBSCRIBED = SubscriptionState.SUBSCRIBED


def _set_state(subscriber: Subscriber, topic: Topic, channel: str, state: str) -> bool:
    """Whether the subscription was not in that state before."""
    row, is_new = Subscription.objects.get_or_create(
        subscriber=subscriber, topic=topic, channel=channel, defaults={"state": state}
    )
    if is_new or row.state == state:
        return is_new
    row.state = state
    row.save(update_fields=["state", "changed_at"])
    return True


@transaction.atomic
def unsubscribe(
    subscriber: Subscriber,
    *,
    topics: Iterable[Topic] | None,
    channels: Iterable[str] | None = None,
    source: str,
    text_version: str = "",
    language: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> int:
    """Withdraw from these topics (None: from every one) by these channels (None: by every one); return how many ended.

    Doing it twice changes nothing the second time. Each subscription that ends leaves a consent record.
    """
    rows = Subscription.objects.select_for_update().filter(state=_SUBSCRIBED)
    if topics is not None:
        rows = rows.filter(topic__in=[topic.pk for topic in topics])
    if channels is not None:
        rows = rows.filter(channel__in=list(channels))
    same, said = dict(evidence or {}), {"source": source, "text_version": text_version, "language": language}
    ended = _end(rows.filter(subscriber=subscriber.pk), {subscriber.pk: same}, **said)
    # Joined with another record while we waited for these rows, the person leaves there.
    if (kept := kept_id(subscriber.pk)) != subscriber.pk:
        ended += _end(rows.filter(subscriber=kept), {kept: same}, **said)
    return ended


@transaction.atomic
def unsubscribe_many(
    evidence: Mapping[int, Mapping[str, Any]], *, topics: Collection[int], channels: Collection[str], source: str
) -> int:
    """Withdraw people, by their ids, from these topics by these channels, each with its evidence; how many ended."""
    if not evidence:
        return 0
    rows = Subscription.objects.select_for_update().filter(
        subscriber__in=list(evidence), topic__in=list(topics), channel__in=list(channels), state=_SUBSCRIBED
    )
    return _end(rows.order_by("pk"), evidence, source=source)


def _end(
    rows: QuerySet[Subscription],
    evidence: Mapping[int, Mapping[str, Any]],
    *,
    source: str,
    text_version: str = "",
    language: str = "",
) -> int:
    """End these subscriptions; the evidence is by subscriber."""
    ended = list(rows)
    now = clock.now()
    Subscription.objects.filter(pk__in=[row.pk for row in ended]).update(
        state=SubscriptionState.UNSUBSCRIBED, changed_at=now
    )
    Consent.objects.bulk_create(
        Consent(
            subscriber_id=row.subscriber_id,
            topic_id=row.topic_id,
            channel=row.channel,
            action=ConsentAction.WITHDRAWN,
            source=source,
            text_version=text_version,
            language=language,
            at=now,
            evidence=dict(evidence[row.subscriber_id]),
        )
        for row in ended
    )
    return len(ended)


@transaction.atomic
def set_measurement(
    subscriber: Subscriber,
    given: bool,  # noqa: FBT001 -- it is the fact itself, as the contract has it
    *,
    source: str,
    text_version: str = "",
    language: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> bool:
    """Record that the person agreed to be measured per person, or no longer does; say whether that is a change."""
    changed = Subscriber.objects.filter(pk=subscriber.pk).exclude(is_measured=given).update(is_measured=given) == 1
    subscriber.is_measured = given
    if changed:
        Consent.objects.create(
            subscriber=subscriber,
            purpose=ConsentPurpose.MEASUREMENT,
            action=ConsentAction.GIVEN if given else ConsentAction.WITHDRAWN,
            source=source,
            text_version=text_version,
            language=language,
            at=clock.now(),
            evidence=dict(evidence or {}),
        )
    return changed
