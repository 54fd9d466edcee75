"""Asking people who are asleep whether to go on: a draft campaign with its segment and a text ready in each language.

The draft goes the way of every campaign: it may be changed, is reviewed, approved and started by people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from outreach.audience.models import Segment, Subscriber, Topic
from outreach.audience.rules import Rule, read_rule
from outreach.audience.segment_people import Count, count_people, sample_people
from outreach.audience.segments import change_segment, create_segment
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Campaign
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import StateConflict
from outreach.core.models import in_language
from outreach.core.vocabulary import Channel, Goal, Language, Permission, Tracking
from outreach.events.sleepy import SleepQuestion, SleepRule, open_questions, topics_of
from schedules.zones import local_time

NOBODY: Final = Count(count=0, low=0, high=0, is_exact=True)
_SUBJECT: Final = gettext_lazy("Shall we go on writing to you?")
#: Paragraphs of the text.
_TEXT: Final = (
    gettext_lazy("Hello{%% if subscriber.name %%}, {{ subscriber.name }}{%% endif %%}!"),
    gettext_lazy(
        "For a long time we have not seen you look at what we send about %(topics)s. We may be wrong: some mail"
        " programs do not show that a message was read."
    ),
    gettext_lazy("[Yes, keep writing to me]({{ keep_url }})"),
    gettext_lazy(
        "If you do not follow this link and open no other message of ours within %(days)s days, we will stop writing to"
        " you about this by e-mail. Nothing else changes, and the same link brings you back at any time."
    ),
    gettext_lazy("You can also [choose what you want to hear of, and how often]({{ preferences_url }})."),
)


def rule_for(rule: SleepRule) -> Rule:
    """The segment's rule: who gets one of the topics by e-mail and is asleep."""
    topics = [topic.slug for topic in topics_of(rule)]
    return {
        "and": [
            {"topic": {"in": topics, "channel": Channel.EMAIL.value}},
            {"sleepy": {"within": rule.days, "messages": rule.messages}},
        ]
    }


@transaction.atomic
def ask(actor: Actor, rule: SleepRule) -> Campaign:
    """Draft the campaign that asks the rule's people.

    Raises:
        StateConflict: there is no topic to ask about, or the last question still waits for its answers.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    rule = SleepRule.objects.select_for_update(of=("self",)).select_related("organisation", "topic").get(pk=rule.pk)
    topics = topics_of(rule)
    if not topics:
        raise StateConflict(_("There is no topic that this rule is about."))
    if open_questions(rule).exists():
        raise StateConflict(_("The last question of this rule is not decided yet."))
    segment = _keep_segment(actor, rule)
    campaign = create_campaign(actor, _data(rule, topics, segment))
    numbers = rule.patience.__dict__
    question = SleepQuestion.objects.create(rule=rule, campaign=campaign, **numbers)
    audit.record(actor, "sleep_question.drafted", question, organisation=rule.organisation, campaign=campaign.pk)
    return campaign


def _keep_segment(actor: Actor, rule: SleepRule) -> Segment:
    """The rule's segment, as the rule is now."""
    where = rule_for(rule)
    if rule.segment:
        return change_segment(actor, rule.segment, where=where)
    name = _("Asleep: %(rule)s (rule %(number)s)") % {"rule": str(rule)[:120], "number": rule.pk}
    rule.segment = create_segment(actor.at(rule.organisation), name=name, where=where)
    rule.save(update_fields=["segment"])
    return rule.segment


def _data(rule: SleepRule, topics: list[Topic], segment: Segment) -> dict[str, Any]:
    day = local_time(clock.now(), rule.organisation.timezone).strftime("%d.%m.%Y")
    return {
        "name": _("Shall we go on? %(rule)s, %(day)s") % {"rule": str(rule)[:150], "day": day},
        "organisation": rule.organisation.slug,
        "goal": Goal.INTERESTED.value,
        "audience": {"topics": [topic.slug for topic in topics], "segment": str(segment.pk)},
        "channels": {"mode": "all", "order": [Channel.EMAIL.value]},
        "contents": [_content(language, topics, rule.grace) for language in Language.values],
        # What cannot be seen cannot be an answer.
        "tracking": Tracking.INDIVIDUAL.value,
    }


def _content(language: str, topics: list[Topic], grace: int) -> dict[str, Any]:
    with override(language):
        names = ", ".join(in_language(topic.name, language) or topic.slug for topic in topics)
        facts = {"topics": f"**{names}**", "days": grace}
        body = "\n\n".join(str(paragraph) % facts for paragraph in _TEXT)
        return {"channel": Channel.EMAIL.value, "language": language, "subject": str(_SUBJECT), "body": body}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How things stand with a rule's topics."""

    #: Who gets one of them by e-mail; of these, whose looking would be seen; of these, who is asleep.
    subscribed: Count
    measured: Count
    asleep: Count
    #: Some of those who are asleep.
    people: list[Subscriber]


def standing_of(rule: SleepRule) -> Standing:
    """Whom the rule means now; it means nobody where it is about no topic. Changes nothing."""
    if not topics_of(rule):
        return Standing(subscribed=NOBODY, measured=NOBODY, asleep=NOBODY, people=[])
    subscribed, sleepy = rule_for(rule)["and"]
    rules: list[Rule] = [subscribed, {"and": [subscribed, {"measured": {}}]}, {"and": [subscribed, sleepy]}]
    known = [read_rule(one, rule.organisation) for one in rules]
    counts = [count_people(rule.organisation, one) for one in known]
    people = sample_people(rule.organisation, known[-1])
    return Standing(subscribed=counts[0], measured=counts[1], asleep=counts[2], people=people)
