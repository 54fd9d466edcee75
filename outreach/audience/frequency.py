"""How often a reader wants to hear of a topic by a channel: each message at once, or a day's or a week's together.

The choice holds for what is sent from then on; what was kept before comes when it was promised. The law of the times is
`schedules.digest`, and `delivery.digests` keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Subscriber, Subscription, Topic
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.vocabulary import DIGEST_DAYS, Frequency, Permission, SubscriptionState

_FREQUENCIES: Final = {days: Frequency(word) for word, days in DIGEST_DAYS.items()}


def frequency_of(frequency: int | None) -> Frequency:
    """What a subscription's `frequency` stands for."""
    return _FREQUENCIES[frequency]


@transaction.atomic
def set_frequencies(actor: Actor, subscriber: Subscriber, chosen: Mapping[tuple[int, str], str]) -> int:
    """Keep the frequencies chosen for (topic id, channel), of what is subscribed; return how many changed."""
    actor.require(Permission.EDIT_AUDIENCE)
    changed: dict[str, list[str]] = {}
    rows = Subscription.objects.select_for_update().filter(subscriber=subscriber, state=SubscriptionState.SUBSCRIBED)
    for row in rows.order_by("pk"):
        word = chosen.get((row.topic_id, row.channel))
        if word is not None and DIGEST_DAYS[word] != row.frequency:
            row.frequency = DIGEST_DAYS[word]
            row.save(update_fields=["frequency", "changed_at"])
            changed.setdefault(str(word), []).append(f"{row.topic_id}/{row.channel}")
    if changed:
        audit.record(actor, "subscriber.frequency", subscriber, frequencies=changed)
    return sum(len(each) for each in changed.values())


def set_frequency(
    actor: Actor, subscriber: Subscriber, word: str, *, topics: Sequence[str] = (), channels: Sequence[str] = ()
) -> int:
    """Keep one frequency for the topics (slugs) and channels that the person gets; for all of them where none is named.

    Raises:
        Invalid: the person does not get one of the topics.
    """
    mine = Subscription.objects.filter(subscriber=subscriber, state=SubscriptionState.SUBSCRIBED)
    rows = list(mine.values_list("topic_id", "channel", "topic__slug"))
    known = {slug for _topic, _channel, slug in rows}
    sentence = _("The person does not get this topic.")
    if strange := {f"topics/{place}": [sentence] for place, slug in enumerate(topics) if slug not in known}:
        raise Invalid(strange)
    wanted = {
        (topic, channel): word
        for topic, channel, slug in rows
        if (not topics or slug in topics) and (not channels or channel in channels)
    }
    return set_frequencies(actor, subscriber, wanted)


def count_frequencies(topic: Topic) -> dict[str, dict[str, int]]:
    """Channel -> frequency -> how many read the topic so; only those who chose a digest, since the others are many."""
    rows = Subscription.objects.filter(topic=topic, state=SubscriptionState.SUBSCRIBED, frequency__isnull=False)
    found: dict[str, dict[str, int]] = {}
    for channel, frequency, count in rows.values_list("channel", "frequency").annotate(Count("pk")).order_by():
        found.setdefault(channel, {})[frequency_of(frequency)] = count
    return found
