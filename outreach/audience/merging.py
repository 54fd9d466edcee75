"""Two records that are one person become one: what both said is kept, and what was sent to either stays where it is.

The record that goes stays as a nameless row that points at the one that is kept: the ledger and the sealed consents
name it by its id, and nobody may rewrite those. Whoever asks about a person asks for all of its ids (`all_ids`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Address, Consent, Segment, SnapshotMember, Subscriber, Subscription
from outreach.audience.names import sort_key
from outreach.audience.profile import PLAIN_FIELDS
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.vocabulary import Channel, ConsentAction, ConsentPurpose, Permission, SubscriptionState

#: Called inside the merge's transaction with the id that goes and the id that stays. Later stages append theirs at
#: start-up; one that raises StateConflict keeps the two apart for now.
on_merge: Final[list[Callable[[int, int], None]]] = []
MOST_PROPOSED: Final = 10


def all_ids(subscriber: Subscriber) -> list[int]:
    """The person's id, and those of records that were merged into it."""
    return [subscriber.pk, *Subscriber.objects.filter(merged_into=subscriber.pk).values_list("pk", flat=True)]


def kept_id(subscriber_id: int) -> int:
    """The id under which the person is known now."""
    found = Subscriber.objects.filter(pk=subscriber_id).values_list("merged_into", flat=True).first()
    return found or subscriber_id


def hold(subscriber: Subscriber) -> Subscriber:
    """The person as they are now, kept so until the transaction ends: the other record, where they were joined since.

    Who was erased meanwhile comes back erased.
    """
    people = Subscriber.objects.select_for_update(of=("self",)).select_related("organisation")
    held = people.get(pk=subscriber.pk)
    return hold(held.merged_into) if held.merged_into else held


def propose(subscriber: Subscriber) -> list[Subscriber]:
    """Who may be the same person: of the same name, or with the same mailbox written in another way."""
    others = Subscriber.objects.filter(organisation=subscriber.organisation, erased_at=None).exclude(pk=subscriber.pk)
    found: dict[int, Subscriber] = {}
    by_mailbox = _of_the_same_mailbox(subscriber)
    by_name = others.filter(sort_key=subscriber.sort_key) if subscriber.sort_key else others.none()
    for rows in (others.filter(pk__in=by_mailbox), by_name.order_by("sort_key", "pk")):
        found |= {row.pk: row for row in rows.prefetch_related("addresses")[: MOST_PROPOSED - len(found)]}
    return list(found.values())


def _of_the_same_mailbox(subscriber: Subscriber) -> QuerySet[Address, int]:
    """Owners of `ana+news@example.org` where the person has `ana@example.org`, and the other way round."""
    same = Q()
    for address in subscriber.addresses.all():
        if address.channel == Channel.EMAIL:
            local, _at, domain = address.normalised.rpartition("@")
            base = local.partition("+")[0]
            tagged = Q(normalised__startswith=f"{base}+", normalised__endswith=f"@{domain}")
            same |= Q(normalised=f"{base}@{domain}") | tagged
    mailboxes = Address.objects.filter(organisation=subscriber.organisation, channel=Channel.EMAIL)
    return (mailboxes.filter(same) if same else mailboxes.none()).values_list("subscriber", flat=True)


@transaction.atomic
def merge(actor: Actor, kept: Subscriber, other: Subscriber, *, taken: Collection[str] = ()) -> Subscriber:
    """Make `other` part of `kept`: addresses, subscriptions, consents, answers and what was sent are the person's.

    Where both say something, `kept` is believed, but for what `taken` names: fields, and attributes as
    `attributes/NAME`. Who left a topic in either record has left it, unless the other gave a consent later; of two
    wishes how often to write the later counts. It cannot be undone.

    Raises:
        Invalid: they are one record, of different organisations, or `taken` names what there is not.
        StateConflict: one of them is gone, or a message to one is on its way.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    if kept.pk == other.pk:
        raise Invalid({"other": [_("This is the same record.")]})
    ids = [kept.pk, other.pk]
    # In the order of ids, so that two merges at once do not wait for each other.
    locked = {row.pk: row for row in Subscriber.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    mine, gone = locked[kept.pk], locked[other.pk]
    if mine.organisation_id != gone.organisation_id:
        raise Invalid({"other": [_("They belong to different organisations, each of which has its own consents.")]})
    if mine.erased_at or gone.erased_at:
        raise StateConflict(_("This person was erased."))
    _check_taken(gone, taken)
    for follow in on_merge:
        follow(gone.pk, mine.pk)
    _lay_over(mine, gone, taken)
    mine.is_measured = _is_measured(mine, gone)
    _join_subscriptions(mine, gone)
    _join_snapshots(mine, gone)
    addresses = Address.objects.filter(subscriber=gone).update(subscriber=mine)
    Subscriber.objects.filter(merged_into=gone.pk).update(merged_into=mine.pk)
    mine.save()
    _leave_nameless(gone, mine)
    audit.record(actor, "subscriber.merged", mine, other=gone.pk, addresses=addresses, taken=sorted(taken))
    return mine


def _check_taken(gone: Subscriber, taken: Collection[str]) -> None:
    known = {*PLAIN_FIELDS, *(f"attributes/{name}" for name in gone.attributes)}
    if unknown := sorted(set(taken) - known):
        raise Invalid({"taken": [_("The other record has no %(name)s.") % {"name": unknown[0]}]})


def _lay_over(mine: Subscriber, gone: Subscriber, taken: Collection[str]) -> None:
    for field in PLAIN_FIELDS:
        if field in taken or not getattr(mine, field):
            setattr(mine, field, getattr(gone, field))
    chosen = {name: value for name, value in gone.attributes.items() if f"attributes/{name}" in taken}
    mine.attributes = {**gone.attributes, **mine.attributes, **chosen}
    mine.sort_key = sort_key(mine.name)
    # Whoever asked to be left alone in either record is left alone.
    mine.paused_until = max(filter(None, (mine.paused_until, gone.paused_until)), default=None)
    # The person came with the first of them.
    mine.created_at = min(mine.created_at, gone.created_at)
    if mine.quiet_from is None:
        mine.quiet_from, mine.quiet_to = gone.quiet_from, gone.quiet_to


def _is_measured(mine: Subscriber, gone: Subscriber) -> bool:
    """What the person said last, in either record or in one that was joined with it before."""
    said = Consent.objects.filter(subscriber__in=[*all_ids(mine), *all_ids(gone)], purpose=ConsentPurpose.MEASUREMENT)
    last = said.order_by("-at", "-pk").values_list("action", flat=True).first()
    return last == ConsentAction.GIVEN if last else mine.is_measured and gone.is_measured


def _join_subscriptions(mine: Subscriber, gone: Subscriber) -> None:
    # Locked: a withdrawal that is written just now must not be deleted with its row.
    locked = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    rows = list(locked.filter(subscriber__in=[mine.pk, gone.pk]).order_by("pk"))
    known = {(row.topic_id, row.channel): row for row in rows if row.subscriber_id == mine.pk}
    for row in (row for row in rows if row.subscriber_id == gone.pk):
        present = known.get((row.topic_id, row.channel))
        if present is None:
            Subscription.objects.filter(pk=row.pk).update(subscriber=mine)
            continue
        if _counts_more(row, present):
            Subscription.objects.filter(pk=present.pk).update(
                state=row.state, changed_at=row.changed_at, frequency=row.frequency
            )
        row.delete()


def _join_snapshots(mine: Subscriber, gone: Subscriber) -> None:
    """Have the person be in each snapshot in which either record was."""
    snapshots = Segment.objects.filter(taken_at__isnull=False)  # by the key of each: there is no index on the person
    listed = SnapshotMember.objects.filter(segment__in=snapshots, subscriber=gone)
    rows = [SnapshotMember(segment_id=key, subscriber=mine) for key in listed.values_list("segment", flat=True)]
    SnapshotMember.objects.bulk_create(rows, ignore_conflicts=True)
    listed.delete()


def _counts_more(row: Subscription, present: Subscription) -> bool:
    if row.state == present.state:
        return row.changed_at > present.changed_at
    left, stays = (row, present) if row.state == SubscriptionState.UNSUBSCRIBED else (present, row)
    counts = stays if is_taken_back(_withdrawn_at(left), _given_at(stays)) else left
    return counts is row


def is_taken_back(withdrawn_at: datetime, given_at: datetime | None) -> bool:
    """Whether somebody who left a topic then wants it again: their last consent, if there is one, is later."""
    return given_at is not None and given_at > withdrawn_at


def _withdrawn_at(row: Subscription) -> datetime:
    """When they left; nothing but that touches what is not subscribed any more."""
    return _said(row, ConsentAction.WITHDRAWN).aggregate(last=Max("at"))["last"] or row.changed_at


def _given_at(row: Subscription) -> datetime | None:
    """When they themselves last consented: no file takes a withdrawal back, whatever it says of consents.

    It is not when the subscription changed: how often to write may have been chosen long after somebody left.
    """
    given = _said(row, ConsentAction.GIVEN).exclude(evidence__has_key="import")
    last: datetime | None = given.aggregate(last=Max("at"))["last"]
    return last


def _said(row: Subscription, action: str) -> QuerySet[Consent]:
    return Consent.objects.filter(
        subscriber__in=all_ids(row.subscriber), purpose=ConsentPurpose.TOPIC, topic=row.topic_id,
        channel__in=["", row.channel], action=action,
    )  # fmt: skip


def _leave_nameless(gone: Subscriber, mine: Subscriber) -> None:
    Subscriber.objects.filter(pk=gone.pk).update(
        name="", sort_key="", timezone="", preferred_channel="", region="", attributes={}, is_measured=False,
        paused_until=None, quiet_from=None, quiet_to=None,
        erased_at=clock.now(), merged_into=mine.pk,
    )  # fmt: skip


def facts_of(person: Subscriber) -> dict[str, Any]:
    """What two records are compared by: each field and attribute, by the name that `merge` takes."""
    plain = {field: getattr(person, field) for field in PLAIN_FIELDS}
    return plain | {f"attributes/{name}": value for name, value in sorted(person.attributes.items())}
