"""A batch of an import's people, read as `undo_rules` judges them, and what it decided, written."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q

from outreach.audience.former_addresses import note_former
from outreach.audience.import_columns import may_say
from outreach.audience.import_frequencies import write_frequencies
from outreach.audience.import_intake import format_of
from outreach.audience.models import Address, Consent, Import, Segment, SnapshotMember, Subscriber, Subscription
from outreach.audience.names import sort_key
from outreach.audience.profile import PLAIN_FIELDS
from outreach.audience.undo_rules import Change, Step, Traced
from outreach.core import clock
from outreach.core.vocabulary import ConsentAction, ConsentPurpose, SubscriptionState

#: Called with ids of people and a moment: the ids of those of whom a later stage holds something since then. Later
#: stages append theirs at start-up.
holds: Final[list[Callable[[Collection[int], datetime], set[int]]]] = []
#: Where consents that an undo withdraws come from.
SOURCE: Final = "import_undone"

#: The next people whom the import made or changed, by id.
NEXT: Final = """
SELECT id FROM (
    (SELECT s.id FROM outreach_importmade m JOIN outreach_subscriber s ON s.id BETWEEN m.first_id AND m.last_id
     WHERE m.job_id = %(job)s AND m.last_id > %(after)s AND s.id > %(after)s ORDER BY m.first_id, s.id LIMIT %(most)s)
    UNION
    (SELECT c.subscriber_id FROM outreach_importchange c
     WHERE c.job_id = %(job)s AND c.subscriber_id > %(after)s ORDER BY c.subscriber_id LIMIT %(most)s)
) one ORDER BY id LIMIT %(most)s
"""
PEOPLE: Final = """
SELECT s.id, s.name, s.kind, s.language, s.timezone, s.preferred_channel, s.region, s.attributes::text, s.updated_at,
       s.erased_at IS NOT NULL,
       s.is_measured OR s.paused_until IS NOT NULL OR s.quiet_from IS NOT NULL
       OR EXISTS (SELECT FROM outreach_subscriber g WHERE g.merged_into_id = s.id)
       OR EXISTS (SELECT FROM outreach_subscription p WHERE p.subscriber_id = s.id AND CASE
                  WHEN %(gave_until)s::timestamptz IS NULL THEN p.frequency IS NOT NULL
                  ELSE p.changed_at > %(gave_until)s::timestamptz END),
       (SELECT m.at FROM outreach_importmade m WHERE m.job_id = %(job)s AND m.first_id <= s.id AND m.last_id >= s.id)
FROM outreach_subscriber s WHERE s.id = ANY(%(ids)s) ORDER BY s.id
"""
CHANGES: Final = """
SELECT subscriber_id, at, made::text FROM outreach_importchange
WHERE job_id = %(job)s AND subscriber_id = ANY(%(ids)s) ORDER BY subscriber_id, "row"
"""
ADDRESSES: Final = """
SELECT subscriber_id, channel, normalised, created_at FROM outreach_address WHERE subscriber_id = ANY(%(ids)s)
"""
SUBSCRIPTIONS: Final = """
SELECT subscriber_id, topic_id, channel, state = 'subscribed', frequency FROM outreach_subscription
WHERE subscriber_id = ANY(%(ids)s)
"""
#: By topic and channel whether the last consent is the import's, and whether each is.
CONSENTS: Final = """
SELECT subscriber_id, topic_id, channel,
       (array_agg(COALESCE(evidence ->> 'import' = %(text)s, false) ORDER BY id DESC))[1],
       bool_and(COALESCE(evidence ->> 'import' = %(text)s, false))
FROM outreach_consent WHERE subscriber_id = ANY(%(ids)s) GROUP BY subscriber_id, topic_id, channel
"""
#: Lay the old values over the new ones: null stays out of fields, and takes an attribute away.
RESTORE: Final = """
UPDATE outreach_subscriber s
SET name = COALESCE(u.fields ->> 'name', s.name), sort_key = COALESCE(u.key, s.sort_key),
    kind = COALESCE(u.fields ->> 'kind', s.kind), language = COALESCE(u.fields ->> 'language', s.language),
    timezone = COALESCE(u.fields ->> 'timezone', s.timezone),
    preferred_channel = COALESCE(u.fields ->> 'preferred_channel', s.preferred_channel),
    region = COALESCE(u.fields ->> 'region', s.region),
    attributes = (s.attributes - u.gone) || u.attributes, updated_at = %(now)s
FROM (SELECT (v ->> 0)::bigint AS id, v -> 1 AS fields, v -> 2 AS attributes, v ->> 3 AS key,
             ARRAY(SELECT jsonb_array_elements_text(v -> 4)) AS gone
      FROM jsonb_array_elements(%(values)s::jsonb) AS v) u
WHERE s.id = u.id
"""


def ask(query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def next_ids(job: Import, *, after: int, most: int) -> list[int]:
    """Ids of the next people to look at; none where there are no more."""
    return [key for (key,) in ask(NEXT, job=job.pk, after=after, most=most)]


def read_people(job: Import, ids: Sequence[int], *, is_locked: bool) -> list[Traced]:
    """These people as they are now. Locked, they stay so until the transaction ends."""
    if is_locked:
        list(Subscriber.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
        # A withdrawal locks these alone: one between look and write must not be deleted with its row.
        list(Subscription.objects.select_for_update().filter(subscriber__in=ids).order_by("pk").values_list("pk"))
    given = {"job": job.pk, "ids": list(ids), "text": str(job.pk)}
    # Where the file may have said how often, a digest tells of somebody's decision only if it is younger.
    has_frequencies = may_say(format_of(job), job.mapping, "frequency")
    gave_until = job.finished_at if has_frequencies else None
    changes: dict[int, list[Change]] = defaultdict(list)
    for key, at, made in ask(CHANGES, **given):
        changes[key].append(Change(at=at, made=json.loads(made)))
    addresses: dict[int, dict[tuple[str, str], datetime]] = defaultdict(dict)
    for key, channel, normalised, since in ask(ADDRESSES, **given):
        addresses[key][channel, normalised] = since
    wishes: dict[int, set[tuple[int, str]]] = defaultdict(set)
    wanted: dict[int, dict[tuple[int, str], int | None]] = defaultdict(dict)
    for key, topic, channel, is_wanted, days in ask(SUBSCRIPTIONS, **given):
        wishes[key].add((topic, channel))
        if is_wanted:
            wanted[key][topic, channel] = days
    ours: dict[int, set[tuple[int, str]]] = defaultdict(set)
    others: set[int] = set()
    for key, topic, channel, is_last, is_each in ask(CONSENTS, **given):
        if is_last:
            ours[key].add((topic, channel))
        if not is_each:
            others.add(key)
    since = job.created_at
    known = {key for look in holds for key in look(ids, since)}
    return [
        Traced(
            id=key,
            fields=dict(zip(PLAIN_FIELDS, fields, strict=True)),
            attributes=json.loads(attributes),
            updated_at=updated_at,
            is_gone=is_gone,
            is_arranged=is_arranged,
            is_known=key in known,
            made_at=made_at,
            changes=changes[key],
            addresses=addresses[key],
            subscribed=set(wanted[key]),
            frequencies={channel: days for (topic, channel), days in wanted[key].items() if topic == job.topic_id},
            subscriptions=wishes[key],
            ours=ours[key],
            only_ours=key not in others,
        )
        for key, *fields, attributes, updated_at, is_gone, is_arranged, made_at in ask(
            PEOPLE, **given, gave_until=gave_until
        )
    ]


def write_steps(job: Import, steps: Sequence[tuple[int, Step]]) -> None:
    """Do to these people what was decided; they are locked."""
    _withdraw(job, steps)
    _remove([key for key, step in steps if step.is_removed])
    addresses = Q(pk__in=[])
    for key, step in steps:
        for channel, normalised in step.addresses:
            addresses |= Q(subscriber=key, channel=channel, normalised=normalised)
    taken_away = Address.objects.filter(addresses)
    note_former(taken_away)
    taken_away.delete()
    _restore([(key, step) for key, step in steps if step.fields or step.attributes])
    with connection.cursor() as cursor:
        put_back = [(key, channel, days) for key, step in steps for channel, days in step.frequencies.items()]
        write_frequencies(cursor.cursor, job.topic_id, put_back)


def _withdraw(job: Import, steps: Sequence[tuple[int, Step]]) -> None:
    """End subscriptions. They go, so that a later file may bring them again; what they consented to stays written, and
    that it is withdrawn is written behind it."""
    now = clock.now()
    ended = Q(pk__in=[])
    rows = []
    for key, step in steps:
        if step.ended and not step.is_removed:
            ended |= Q(subscriber=key, topic=job.topic_id, channel__in=step.ended)
        rows += [
            Consent(
                subscriber_id=key,
                purpose=ConsentPurpose.TOPIC,
                topic_id=job.topic_id,
                channel=channel,
                action=ConsentAction.WITHDRAWN,
                source=SOURCE,
                at=now,
                evidence={"import": job.pk},
            )
            for channel in step.ended
        ]
    Subscription.objects.filter(ended, state=SubscriptionState.SUBSCRIBED).delete()
    Consent.objects.bulk_create(rows)


def _remove(ids: list[int]) -> None:
    """Leave nameless rows, which the chain of consents names; unlike an erased one, their addresses may return."""
    if not ids:
        return
    Address.objects.filter(subscriber__in=ids).delete()
    Subscription.objects.filter(subscriber__in=ids).delete()
    snapshots = Segment.objects.filter(taken_at__isnull=False)
    SnapshotMember.objects.filter(segment__in=snapshots, subscriber__in=ids).delete()
    now = clock.now()
    Subscriber.objects.filter(pk__in=ids).update(
        name="", sort_key="", timezone="", preferred_channel="", region="", attributes={}, erased_at=now, updated_at=now
    )


def _restore(steps: list[tuple[int, Step]]) -> None:
    values = [
        [
            key,
            step.fields,
            {name: value for name, value in step.attributes.items() if value is not None},
            sort_key(step.fields["name"]) if "name" in step.fields else None,
            [name for name, value in step.attributes.items() if value is None],
        ]
        for key, step in steps
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.execute(RESTORE, {"values": json.dumps(values), "now": clock.now()})
