"""Letting go: whoever was asked, got the question, and gave no sign in the days that it named, is written to no more.

Only subscriptions by e-mail to what the question was about end, each with a record of consent that says why; the link
of the question takes that back at any time. Each person is decided once, in chunks: a worker that dies loses nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from outreach.audience.models import Subscriber
from outreach.audience.rule_sql import Asking
from outreach.audience.segment_people import PATIENCE, run_within
from outreach.audience.subscriptions import unsubscribe_many
from outreach.campaigns.models import Run
from outreach.core import audit, clock
from outreach.core.access import product_itself
from outreach.core.vocabulary import CampaignState, Channel, RunKind, SleepFate
from outreach.events.keeping import SOURCE, SUNSET
from outreach.events.sleepy import SleepQuestion
from outreach.events.sleepy_facts import asleep

CHUNK: Final = 500
#: How long one call goes on; the next one continues.
SECONDS: Final = 20.0
#: People shown of those who would be let go.
SHOWN: Final = 5
#: Of how many asked people those are looked for.
LOOKED_AT: Final = 2_000

_ASKED: Final = """
SELECT d.id, d.subscriber_id, d.state, d.receipt, d.settled_at FROM outreach_delivery d
WHERE d.run_id = %(run)s AND d.id > %(after)s AND d.channel = 'email' AND d.target LIKE 's:%%'
ORDER BY d.id LIMIT %(most)s
"""
_LOCK: Final = f"""
SELECT s.id FROM outreach_subscriber s WHERE s.id IN (SELECT a.subscriber_id FROM ({_ASKED}) AS a)
ORDER BY s.id FOR UPDATE
"""  # noqa: S608 -- put together from the constants of this file
#: The order is that of the better reasons to leave somebody as they are.
_JUDGED: Final = f"""
SELECT a.id, a.subscriber_id, a.settled_at, CASE
    WHEN a.state <> 'accepted' OR a.receipt = 'bounced' THEN 'undelivered'
    WHEN s.id IS NULL OR s.erased_at IS NOT NULL OR NOT EXISTS (
        SELECT FROM outreach_subscription n WHERE n.subscriber_id = s.id AND n.topic_id = ANY (%(topics)s::bigint[])
            AND n.channel = 'email' AND n.state = 'subscribed') THEN 'left'
    WHEN EXISTS (
        SELECT FROM outreach_consent k WHERE k.subscriber_id = s.id AND k.source = %(keep)s AND k.at > %(asked_at)s
    ) THEN 'kept'
    WHEN {{asleep}} THEN 'ended' ELSE 'awake' END AS fate
FROM ({_ASKED}) AS a LEFT JOIN outreach_subscriber s ON s.id = a.subscriber_id
ORDER BY a.id
"""  # noqa: S608 -- put together from the constants of this file
_COUNT: Final = "SELECT fate, count(*) FROM ({judged}) AS judged GROUP BY fate"
_SOME: Final = "SELECT subscriber_id FROM ({judged}) AS judged WHERE fate = 'ended' LIMIT %(shown)s"
#: More than any run has.
_ALL: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """What would become of a question's people if it were decided now, or did."""

    question: SleepQuestion
    #: When those who gave no sign are let go; None while the campaign is not over.
    due_at: datetime | None
    #: SleepFate -> people; None where a moment did not tell.
    fates: Mapping[str, int] | None
    #: Some of those who would be let go.
    people: list[Subscriber] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Statement:
    sql: str
    params: Mapping[str, Any]


def decide_questions(*, seconds: float = SECONDS) -> int:
    """Decide the questions whose time has come, of rules that are active; how many people were let go."""
    until, ended = time.monotonic() + seconds, 0
    for key in _due():
        while time.monotonic() < until:
            decided = _decide_chunk(key)
            if decided is None:
                break
            ended += decided
    return ended


def foresee(question: SleepQuestion) -> Foresight:
    """What would become of the people of a question, and when. Changes nothing."""
    if question.decided_at:
        return Foresight(question=question, due_at=question.decided_at, fates=question.fates)
    run = _run_of(question)
    if run is None:
        return Foresight(question=question, due_at=None, fates={})
    judged = _judged(question, run, most=_ALL)
    rows = run_within(PATIENCE, _COUNT.replace("{judged}", judged.sql), judged.params)
    fates = None if rows is None else dict(Counter(question.fates) + Counter(dict(rows)))
    return Foresight(question=question, due_at=_due_at(question, run), fates=fates, people=_some(question, run))


def _some(question: SleepQuestion, run: Run) -> list[Subscriber]:
    judged = _judged(question, run, most=LOOKED_AT)
    rows = run_within(PATIENCE, _SOME.replace("{judged}", judged.sql), {**judged.params, "shown": SHOWN}) or []
    return list(Subscriber.objects.filter(pk__in=[key for (key,) in rows]).prefetch_related("addresses").order_by("pk"))


def _due() -> list[int]:
    """Questions whose days have passed; one query where no rule is active."""
    now, due = clock.now(), []
    for question in SleepQuestion.objects.filter(decided_at=None, rule__is_active=True).order_by("pk"):
        run = _run_of(question)
        at = _due_at(question, run) if run else None
        if at is not None and at <= now:
            due.append(question.pk)
    return due


def _run_of(question: SleepQuestion) -> Run | None:
    """The campaign's run, while its rows are there."""
    runs = Run.objects.filter(campaign=question.campaign_id, kind=RunKind.CAMPAIGN, retired_at=None)
    return runs.select_related("organisation").first()


def _due_at(question: SleepQuestion, run: Run) -> datetime | None:
    """Counted from the run's end, so that whoever got the question last has the days that it named."""
    if run.state != CampaignState.FINISHED or run.finished_at is None:
        return None
    return run.finished_at + timedelta(days=question.grace)


@transaction.atomic
def _decide_chunk(key: int) -> int | None:
    """Decide the next people of a question; how many were let go, None where none is left or another decides."""
    open_ = SleepQuestion.objects.select_for_update(skip_locked=True, of=("self",)).select_related("rule__organisation")
    question = open_.filter(pk=key, decided_at=None, rule__is_active=True).first()
    run = _run_of(question) if question else None
    if question is None or run is None:
        return None
    judged = _judged(question, run, most=CHUNK)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, judged.params)  # who answers at this moment is seen by the next statement
        cursor.execute(judged.sql, judged.params)
        rows = cursor.fetchall()
    if not rows:
        _close(question)
        return None
    ended = {
        person: _evidence(question, run, delivery, at) for delivery, person, at, fate in rows if fate == SleepFate.ENDED
    }
    topics = [int(topic) for topic in run.frozen["topics"]]
    unsubscribe_many(ended, topics=topics, channels=[Channel.EMAIL], source=SUNSET)
    question.fates = dict(Counter(question.fates) + Counter(fate for *_row, fate in rows))
    question.decided_to = rows[-1][0]
    question.save(update_fields=["fates", "decided_to"])
    return len(ended)


def _close(question: SleepQuestion) -> None:
    question.decided_at = clock.now()
    question.save(update_fields=["decided_at"])
    organisation = question.rule.organisation
    actor = product_itself(organisation)
    audit.record(actor, "sleep_question.decided", question, organisation=organisation, **question.fates)


def _evidence(question: SleepQuestion, run: Run, delivery: int, at: datetime) -> dict[str, Any]:
    """Why: by which message the person was asked and when, and what their silence was measured by."""
    return {
        "delivery": f"{run.pk}-{delivery}",
        "asked_at": at.isoformat(),
        "days": question.days,
        "messages": question.messages,
        "grace": question.grace,
    }


def _judged(question: SleepQuestion, run: Run, *, most: int) -> _Statement:
    """One more message than the rule names: the question itself was not looked at either."""
    now = clock.now()
    asking = Asking({}, now)
    since = run.as_of - timedelta(days=question.days)
    condition = asleep(asking, since=since, until=now, messages=question.messages + 1)
    params = {
        **asking.params,
        "run": run.pk,
        "after": question.decided_to,
        "most": most,
        "topics": [int(topic) for topic in run.frozen["topics"]],
        "keep": SOURCE,
        "asked_at": run.as_of,
    }
    return _Statement(sql=_JUDGED.replace("{asleep}", condition), params=params)
