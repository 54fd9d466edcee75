"""Digests: what fan-out kept for readers who chose one is told together, once, at their hour.

A kept message is a row of the ledger, `skipped(digested)`, and an item that waits. Its digest is the first that is due
after it was kept: `schedules.digest` says when. Where nobody looked in time, the next look tells what was missed. A
digest is a delivery like any other, in a run of its own; what it may still tell is decided when it leaves.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from outreach.audience.erasure import Erased, on_erase
from outreach.audience.merging import on_merge
from outreach.campaigns.models import Run
from outreach.campaigns.senders import resolve_accounts
from outreach.core import alerts, failpoints
from outreach.core.models import Organisation
from outreach.core.queue import enqueue, is_stopping
from outreach.core.vocabulary import CampaignState, DeliveryState, Lane, RunKind
from outreach.delivery import counters, digest_queries
from outreach.delivery.connection import Link, callers_link, change, fetch, fetch_one, identity
from outreach.delivery.digest_plan import plan_digests
from outreach.delivery.models import Delivery, DigestItem
from schedules.digest import next_digest
from schedules.zones import UnknownZone

logger = logging.getLogger(__name__)

#: Readers a run, and so a transaction.
MOST: Final = 10_000
#: Kept messages that are given their time in a transaction.
MOST_RECKONED: Final = 50_000
#: Rows a batch, as in fan-out.
BATCH: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Absence:
    """The last time for which nobody looked longer than the grace, as in a copy of the database that was restored."""

    since: datetime
    until: datetime

    def trouble(self) -> dict[str, Any]:
        """What a run says that asks for it."""
        return {"code": "away", "from": self.since.isoformat(), "to": self.until.isoformat()}


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What an organisation's turn did."""

    made: int = 0
    #: As much as one may do: there may be more.
    is_full: bool = False


def send_digests() -> int:
    """Make the digests whose time has come; how many. Twice or at once does no harm: a period has one digest.

    The organisations take turns, and each turn is a transaction for a limited number of readers: an organisation that
    has many, or whose digests cannot be made, holds up no other.
    """
    absence, made = _note_look(), 0
    waiting = [row[0] for row in fetch(callers_link(), digest_queries.WAITING)]
    while waiting and not is_stopping():
        turns = {organisation: _take_turn(organisation, absence) for organisation in waiting}
        made += sum(turn.made for turn in turns.values())
        waiting = [organisation for organisation, turn in turns.items() if turn.is_full]
    return made


def _note_look() -> Absence | None:
    row = fetch_one(callers_link(), digest_queries.NOTE_LOOK, grace=settings.GRACE)
    return None if row is None or row[1] is None else Absence(since=row[0], until=row[1])


def _take_turn(organisation_id: int, absence: Absence | None) -> Turn:
    """Make the next digests of an organisation; none where they cannot be made, which is said to its people."""
    organisation = Organisation.objects.get(pk=organisation_id)
    link = callers_link()
    try:
        with transaction.atomic():
            turn = _make_due(link, organisation, absence)
    except Exception:  # an organisation's boundary: whatever is wrong with its texts, the others' readers wait
        logger.exception("Digests cannot be made", extra={"action": "digests", "organisation": organisation_id})
        alerts.raise_alert("digests_failed", organisation, organisation=organisation)
        return Turn()
    failpoints.hit("digests.after_commit")
    alerts.resolve_alerts(organisation, "digests_failed")
    return turn


def _make_due(link: Link, organisation: Organisation, absence: Absence | None) -> Turn:
    """Make the digests of the organisation's next readers, some of each channel; none where another process is at it,
    nor before each message has its time: a digest that went would be too early for the others.
    """
    mine = {"organisation": organisation.pk}
    if not fetch(link, digest_queries.LOCK, **mine)[0][0]:
        return Turn()
    if reckon(link, organisation.pk) >= MOST_RECKONED:
        return Turn(is_full=True)
    change(link, digest_queries.DROP_USELESS, **mine)
    if change(link, digest_queries.PUT_OFF, **mine):
        reckon(link, organisation.pk)
    made, waiting = 0, []
    for channel, runs, first_due in fetch(link, digest_queries.DUE, **mine):
        account = resolve_accounts(organisation, [channel]).get(channel)
        if account is None:
            waiting.append(channel)
            continue
        trouble = absence.trouble() if absence and first_due <= absence.until else {}
        frozen = plan_digests(organisation, channel, runs, account)
        made += _make_run(link, organisation, frozen, runs, account=account.pk, trouble=trouble)
    _say_what_waits(organisation, waiting)
    return Turn(made=made, is_full=made >= MOST)


def _say_what_waits(organisation: Organisation, channels: list[str]) -> None:
    """Tell the organisation's people on which channels digests wait for an account; nothing is lost meanwhile."""
    if channels:
        alerts.raise_alert("digests_wait", organisation, organisation=organisation, channels=channels)
    else:
        alerts.resolve_alerts(organisation, "digests_wait")


def reckon(link: Link, organisation_id: int) -> int:
    """Give messages that are kept for the organisation's readers the time of their digest; how many got one."""
    kinds = [(*kind[:3], _due(*kind)) for kind in fetch(link, digest_queries.UNRECKONED, organisation=organisation_id)]
    if not kinds:
        return 0
    zones, days, afters, dues = (list(column) for column in zip(*kinds, strict=True))
    given = {"zones": zones, "days": days, "afters": afters, "dues": dues}
    return change(link, digest_queries.RECKON, organisation=organisation_id, most=MOST_RECKONED, **given)


def _due(zone: str, days: int, after: datetime, minute: int, weekday: int) -> datetime:
    try:
        return next_digest(after, days=days, minute=minute, weekday=weekday, zone_name=zone)
    except UnknownZone:  # one person's broken zone must not hold up everybody's
        return next_digest(after, days=days, minute=minute, weekday=weekday, zone_name="UTC")


def _make_run(
    link: Link, organisation: Organisation, frozen: dict[str, Any], runs: list[int], *, account: int, trouble: Any
) -> int:
    """One run with the digests of some readers, whole or not at all."""
    run = _new_run(link, organisation, frozen, trouble)
    [channel] = frozen["channels"]
    rows = fetch(
        link,
        digest_queries.INSERT_DIGESTS,
        run=run.pk,
        organisation=organisation.pk,
        channel=channel,
        account=account,
        runs=runs,
        most=MOST,
        size=BATCH,
    )
    failpoints.hit("digests.written")
    count = sum(int(row[1]) for row in rows)
    if not count:
        run.delete()
        return 0
    Run.objects.filter(pk=run.pk).update(audience_count=count)
    deltas: counters.Deltas = Tally()
    for language, number in rows:
        counters.born(deltas, channel=channel, language=language, state=DeliveryState.PLANNED, reason="", count=number)
    enqueue("outreach.work", Lane.CAMPAIGNS.value, lane=Lane.CAMPAIGNS)
    counters.write(link, run.pk, deltas)
    return count


def _new_run(link: Link, organisation: Organisation, frozen: dict[str, Any], trouble: dict[str, Any]) -> Run:
    here, now = identity(link), fetch(link, "SELECT clock_timestamp()")[0][0]
    run = Run.objects.create(
        organisation=organisation,
        kind=RunKind.DIGEST,
        occurrence=now,
        state=CampaignState.HELD if trouble else CampaignState.RUNNING,
        trouble=trouble,
        salt=secrets.token_bytes(16),
        frozen=frozen,
        as_of=now,
        fanned_out_at=now,
        started_at=now,
        system_identifier=here.system,
        timeline=here.timeline,
    )
    if trouble:
        alerts.raise_alert("run_held", run, organisation=organisation, name=run.title, **trouble)
    return run


def told_by(delivery: Delivery) -> list[Run]:
    """The runs whose messages this digest told."""
    told = DigestItem.objects.filter(digest__run=delivery.run_id, digest__delivery=delivery.id, dropped="")
    return list(Run.objects.select_related("campaign").filter(pk__in=told.values("run")).order_by("pk"))


def carried_by(deliveries: Sequence[Delivery]) -> Mapping[int, dict[str, Any]]:
    """Delivery id -> what this digest told, in the shape of the window's rows. The digests are those of one run."""
    carried: dict[int, list[list[int]]] = {delivery.id: [] for delivery in deliveries}
    of_runs = {delivery.run_id for delivery in deliveries}
    told = DigestItem.objects.filter(digest__run__in=of_runs, digest__delivery__in=list(carried), dropped="")
    for digest, run, kept in told.order_by("run", "delivery").values_list("digest__delivery", "run_id", "delivery"):
        carried[digest].append([run, kept])
    return {delivery.id: {"channel": delivery.channel, "carried": carried[delivery.id]} for delivery in deliveries}


def forget_items(erased: Erased) -> None:
    """Tell nothing any more to somebody who is erased."""
    # By two indexes: what waits for the person, and what was told.
    DigestItem.objects.filter(subscriber=erased.subscriber, digest=None, dropped="").delete()
    DigestItem.objects.filter(digest__subscriber=erased.subscriber).delete()


def follow_merge(gone: int, kept: int) -> None:
    """Tell the person what was kept for the record that goes."""
    DigestItem.objects.filter(subscriber=gone, digest=None, dropped="").update(subscriber=kept, due_at=None)


def register() -> None:
    """Have erasures and merges come by here; once, at start-up."""
    if forget_items not in on_erase:
        on_erase.append(forget_items)
    if follow_merge not in on_merge:
        on_merge.append(follow_merge)
