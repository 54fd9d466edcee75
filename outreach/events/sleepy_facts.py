"""Who sleeps: a fact for segments, of people whose silence can be told from our not looking.

Silence says something of a person only where a look would have been seen: they agree to be measured, and got messages
of campaigns that measure. Of everybody else nothing is known, so nobody of them is ever judged asleep. Who opened a
message reads it, whether or not they follow a link; an opening that may have been a privacy proxy's counts for the
person, too, and so does everything that people do by themselves: answer, use a service, choose, consent, pause.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outreach.audience.facts import ALL_IDS, Argument, Asked, Fact, Takes, Told, register_facts
from outreach.audience.people_facts import Given, recently, within
from outreach.events.segment_facts import LATE

#: Signs of life, the cheap ones first, and that enough was sent of which none was looked at. No sign has an end in
#: time: who opens a message while a campaign is being prepared is awake.
_ASLEEP: Final = """s.is_measured
    AND (s.paused_until IS NULL OR s.paused_until <= {since})
    AND NOT EXISTS (SELECT FROM outreach_subscription w WHERE w.subscriber_id = s.id AND w.changed_at > {since})
    AND NOT EXISTS (SELECT FROM {ids} JOIN outreach_consent c ON c.subscriber_id = p.id WHERE c.at > {since})
    AND NOT EXISTS (SELECT FROM outreach_reply y WHERE y.subscriber_id = s.id AND y.received_at > {since}
        AND y.kind NOT IN ('auto_reply', 'bounce'))
    AND NOT EXISTS (SELECT FROM outreach_conversion v WHERE v.subscriber_id = s.id AND v.at > {since})
    AND NOT EXISTS (SELECT FROM outreach_feedback f WHERE f.subscriber_id = s.id
        AND coalesce(f.changed_at, f.at) > {since})
    AND NOT EXISTS (SELECT FROM outreach_surveyresponse q WHERE q.subscriber_id = s.id
        AND coalesce(q.changed_at, q.at) > {since})
    AND EXISTS (
        SELECT FROM {ids} CROSS JOIN outreach_run r JOIN outreach_campaign g ON g.id = r.campaign_id
            JOIN outreach_delivery d ON d.run_id = r.id AND d.target = 's:' || p.id::text
        WHERE r.kind = 'campaign' AND r.retired_at IS NULL AND (r.finished_at IS NULL OR r.finished_at >= {early})
        HAVING count(*) FILTER (
                WHERE g.tracking = 'individual' AND d.channel = 'email' AND d.state = 'accepted'
                    AND d.receipt <> 'bounced' AND d.settled_at > {since} AND d.settled_at <= {until}
            ) >= {messages}
            AND NOT bool_or(d.receipt IN ('read', 'complained') OR EXISTS (
                SELECT FROM outreach_event e WHERE e.delivery = d.id AND e.run_id = d.run_id
                    AND e.kind IN ('opened', 'clicked') AND e.verdict IN ('human', 'uncertain') AND e.at > {since}))
    )"""


def asleep(asked: Asked, *, since: datetime, until: datetime, messages: int) -> str:
    """SQL, true or false: the person got at least so many messages between the two times and gave no sign since the
    first of them, though each would have been seen.
    """
    return _ASLEEP.format(
        ids=ALL_IDS,
        since=asked(since),
        until=asked(until),
        early=asked(since - LATE),
        messages=f"{asked(messages)}::int",
    )


def _asleep_sql(given: Given, asked: Asked) -> str:
    since = asked.since(given["within"])
    return asleep(asked, since=since, until=asked.as_of, messages=given["messages"])


def _asleep_words(given: Given, told: Told) -> tuple[str, str]:
    count = given["messages"]
    messages = ngettext("at least one message", "at least %(count)s messages", count) % {"count": count}
    facts = {"messages": messages, "when": recently(given)}
    return (
        _("who got %(messages)s%(when)s and looked at none, though it would have been seen") % facts,
        _("of whom it is not known that they got %(messages)s%(when)s and looked at none") % facts,
    )


SLEEPY: Final = Fact(
    name="sleepy",
    label=gettext_lazy("Asleep"),
    arguments=(
        within(is_required=True),
        Argument(name="messages", label=gettext_lazy("Messages at least"), takes=Takes.COUNT, is_required=True),
    ),
    sql=_asleep_sql,
    words=_asleep_words,
)


def register() -> None:
    """Have segments ask who is asleep; once, at start-up."""
    register_facts(SLEEPY)
