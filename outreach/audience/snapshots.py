"""Snapshots: whom a segment meant at one time, kept as a segment of its own that does not follow the people any more.

Taken by a job, some people at a time: of few, the request that asks for it is done with all of them.
"""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from outreach.audience import file_jobs
from outreach.audience.models import Segment, Subscriber
from outreach.audience.rule_sql import freeze_rules, thaw_rule
from outreach.audience.segments import keep_segment, rule_of, wrong_in_name
from outreach.core import clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.queue import enqueue
from outreach.core.vocabulary import JobState, Permission
from schedules.zones import local_time

#: People looked at by one transaction.
CHUNK: Final = 10_000

#: The last of the next people, of whatever organisation; null where there are none.
_BOUND: Final = """
SELECT max(id) FROM (
    SELECT id FROM outreach_subscriber WHERE id > %(after)s AND id <= %(until)s ORDER BY id LIMIT %(chunk)s
) AS people
"""
_LIST: Final = """
INSERT INTO outreach_snapshotmember (segment_id, subscriber_id)
SELECT %(into)s, s.id FROM outreach_subscriber s
WHERE s.id > %(after)s AND s.id <= %(last)s AND s.organisation_id = ANY (%(owners)s::bigint[])
    AND s.erased_at IS NULL AND {rule}
ORDER BY s.id ON CONFLICT DO NOTHING
"""


@transaction.atomic
def take_snapshot(actor: Actor, segment: Segment, *, name: str = "") -> Segment:
    """Begin a snapshot of whom the segment means now; where it takes long, a job goes on with it.

    What depends on time is asked as of now, all else when the job comes to a person. Who is erased later is in no
    snapshot; it stays as it is otherwise, whatever becomes of the segment.

    Raises:
        Invalid: the name is not acceptable, or the segment names something that is gone.
        StateConflict: the segment is a snapshot that is still being taken.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    if segment.state != JobState.DONE:
        raise StateConflict(_("This snapshot is not whole yet."))
    at = clock.now()
    day = local_time(at, segment.organisation.timezone).strftime("%d.%m.%Y %H:%M:%S")
    name = name or _("%(name)s, as of %(day)s") % {"name": segment.name[:150], "day": day}
    if wrong := wrong_in_name(name):
        raise Invalid(wrong)
    taken = Segment(
        organisation=segment.organisation,
        name=name.strip(),
        taken_at=at,
        created_by=actor.user,
        state=JobState.RUNNING,
        taking=freeze_rules([rule_of(segment)], [], as_of=at),
        list_until=Subscriber.objects.aggregate(last=Max("pk"))["last"] or 0,
        lease_until=at + file_jobs.LEASE,
    )
    keep_segment(actor, taken, "segment.snapshot")
    taken.where = {"snapshot": {"in": [str(taken.pk)]}}
    taken.save(update_fields=["where"])
    if _list_chunk(taken):
        Segment.objects.filter(pk=taken.pk).update(state=JobState.QUEUED, lease_until=None)
        enqueue("outreach.list_snapshot", taken.pk)
    taken.refresh_from_db()
    return taken


def list_snapshot(key: int) -> None:
    """Go on with a snapshot until it is whole. A worker that dies leaves it for the next, behind its last chunk."""
    if not file_jobs.claim(Segment.objects.all(), key):
        return
    while _go_on(key):
        pass


@transaction.atomic
def _go_on(key: int) -> bool:
    """Whoever holds the row lists the next chunk; whether more is left. It may be gone, or whole by another's hand."""
    rows = Segment.objects.select_for_update(of=("self",)).select_related("organisation")
    taken = rows.filter(pk=key, state=JobState.RUNNING).first()
    return taken is not None and _list_chunk(taken)


def resume_snapshots() -> int:
    """Queue again the snapshots whose worker died, or whose message was lost."""
    return file_jobs.resume(Segment.objects.all(), "outreach.list_snapshot")


def _list_chunk(taken: Segment) -> bool:
    """List those of the next people who are meant; whether there are more behind them."""
    with connection.cursor() as cursor:
        given = {"after": taken.listed_to, "until": taken.list_until, "chunk": CHUNK}
        cursor.execute(_BOUND, given)
        (last,) = cursor.fetchone()
        if last is not None:
            rule = thaw_rule(taken.taking)
            owners = list(taken.organisation.subtree().values_list("pk", flat=True))
            params = {**rule.params, **given, "last": last, "into": taken.pk, "owners": owners}
            cursor.execute(_LIST.replace("{rule}", rule.sql), params)
            taken.listed, taken.listed_to = taken.listed + cursor.rowcount, last
    is_whole = last is None or last >= taken.list_until
    if is_whole:
        taken.state, taken.lease_until, taken.taking = JobState.DONE, None, {}
    else:
        taken.lease_until = clock.now() + file_jobs.LEASE
    taken.save(update_fields=["listed", "listed_to", "state", "lease_until", "taking"])
    return not is_whole
