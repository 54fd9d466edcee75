"""What came back from a person who is erased: words, names and addresses go; that something came back stays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import connection
from django.db.models import Q

from outreach.audience.erasure import Erased, on_erase
from outreach.audience.merging import on_merge
from outreach.audience.undo_people import holds
from outreach.core import clock
from outreach.events import stages
from outreach.events.answering import forget_answers
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.models import Conversion, HookCall, Reply
from outreach.events.survey_answering import forget_responses
from outreach.events.talk import Attachment, Conversation

#: Evidence quotes providers, who quote addresses. By the ledger's unique key, run by run: there is no other index.
FORGET_EVIDENCE = """
UPDATE outreach_attempt a SET detail = ''
FROM outreach_delivery d
WHERE d.run_id = ANY (ARRAY(SELECT id FROM outreach_run)) AND d.target = %s
  AND a.run_id = d.run_id AND a.delivery = d.id AND a.detail <> ''
"""
#: What providers told of the person's messages, in their own words.
FORGET_RAW = """
UPDATE outreach_event e SET raw = '{}'
FROM outreach_delivery d
WHERE d.run_id = ANY (ARRAY(SELECT id FROM outreach_run)) AND d.target = %s
  AND e.run_id = d.run_id AND e.delivery = d.id AND NOT (e.raw = '{}')
"""


def forget_what_came_back(erased: Erased) -> None:
    """Empty the person's replies, the provider's words about the person, and call-backs that wait."""
    written = [normalised for _channel, normalised in erased.addresses]
    mine = Q(subscriber=erased.subscriber)
    for address in written:
        mine |= Q(sender__iexact=address, organisation__in=erased.organisations)
    replies = Reply.objects.filter(mine)
    Attachment.objects.filter(reply__in=replies).delete()
    Conversation.objects.filter(replies__in=replies).delete()
    replies.update(sender="", subject="", text="", answer="", html="", message_id="")
    forget_answers(erased.subscriber)
    forget_responses(erased.subscriber)
    # An applied call keeps only its key anyway; one that waits will find nobody.
    waiting = HookCall.objects.filter(applied_at=None, account__organisation__in=erased.organisations)
    waiting.filter(event__address__in=written).update(event={}, trouble="", applied_at=clock.now())
    stages.forget_person(erased.subscriber)
    with connection.cursor() as cursor:
        for statement in (FORGET_EVIDENCE, FORGET_RAW):
            cursor.execute(statement, [f"s:{erased.subscriber}"])


def follow_merge(gone: int, kept: int) -> None:
    """Have answers and conversions be those of the record that is kept."""
    Reply.objects.filter(subscriber=gone).update(subscriber=kept)
    Conversion.objects.filter(subscriber=gone).update(subscriber=kept)
    Feedback.objects.filter(subscriber=gone).update(subscriber=kept)
    SurveyResponse.objects.filter(subscriber=gone).update(subscriber=kept)
    stages.follow_merge(gone, kept)
    talks = Conversation.objects.filter(subscriber=kept)
    known = list(talks.values_list("organisation", flat=True))
    Conversation.objects.filter(subscriber=gone).update(subscriber=kept)
    # Where both wrote there stay two conversations of the one person; the next message goes on with the kept one's.
    talks.filter(key=f"s:{gone}").exclude(organisation__in=known).update(key=f"s:{kept}")


def heard_from(ids: Collection[int], _since: datetime) -> set[int]:
    """Who of these people wrote to us or used a service."""
    return {
        key
        for model in (Reply, Conversation, Conversion)
        for key in model.objects.filter(subscriber__in=ids).values_list("subscriber", flat=True)
        if key is not None
    }


def register() -> None:
    """Have erasures, merges, and imports that are taken back come by here; once, at start-up."""
    if heard_from not in holds:
        holds.append(heard_from)
    if follow_merge not in on_merge:
        on_merge.append(follow_merge)
    if forget_what_came_back not in on_erase:
        on_erase.append(forget_what_came_back)
