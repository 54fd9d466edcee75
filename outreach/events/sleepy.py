"""Rules for people who read nothing any more: after how long they are asked, and when no answer is one.

A rule by itself writes to nobody and ends nothing. `sleepy_question` asks the people it means by a campaign of its own,
and `sunset` lets go, some time after that arrived, of those who gave no sign. Who can be called asleep at all is
`sleepy_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import IntegrityError, models, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Segment, Topic
from outreach.campaigns.models import Campaign
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.vocabulary import CampaignState, Permission

#: Least and most of each number of a rule.
BOUNDS: Final = {"days": (60, 1095), "messages": (3, 100), "grace": (14, 180)}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long silence is no answer."""

    #: Days in which the person looked at nothing,
    days: int = 180
    #: and the messages that they got in them at least.
    messages: int = 5
    #: Days that they have for an answer to the question.
    grace: int = 30


class SleepRule(models.Model):
    """What an organisation does about subscribers who are asleep: for one topic, or for all that have no own rule."""

    objects = OwnedQuerySet["SleepRule"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    #: Null for the organisation's other topics.
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, null=True, related_name="+")
    days = models.PositiveSmallIntegerField()
    messages = models.PositiveSmallIntegerField()
    grace = models.PositiveSmallIntegerField()
    #: Whether whoever does not answer is let go; else it is only foreseen who would be.
    is_active = models.BooleanField(default=False)
    #: The people whom it means, as campaigns take them; null until it first asks.
    segment = models.ForeignKey(Segment, on_delete=models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "topic"], name="sleep_rule_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return str(self.topic or self.organisation)

    @property
    def patience(self) -> Patience:
        return Patience(days=self.days, messages=self.messages, grace=self.grace)


class SleepQuestion(models.Model):
    """A campaign that asked a rule's people whether to go on, with the numbers that it was asked under."""

    rule = models.ForeignKey(SleepRule, on_delete=models.CASCADE, related_name="questions")
    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveSmallIntegerField()
    messages = models.PositiveSmallIntegerField()
    grace = models.PositiveSmallIntegerField()
    #: `Delivery.id` of the campaign's run up to which it is decided.
    decided_to = models.BigIntegerField(default=0, db_default=0)
    #: What became of those: fate -> people.
    fates = models.JSONField(default=dict)
    #: When the last of them was decided.
    decided_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["campaign"], condition=models.Q(decided_at=None), name="sleep_question_open"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.campaign_id}"


def make_rule(actor: Actor, *, topic: Topic | None, patience: Patience, is_active: bool) -> SleepRule:
    """Make the rule of a topic, or of the other topics of the actor's organisation.

    Raises:
        Invalid: a number is out of bounds, or there is such a rule.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    _check(patience)
    rule = SleepRule(organisation=topic.organisation if topic else actor.organisation, topic=topic)
    try:
        with transaction.atomic():
            _write(actor, rule, patience=patience, is_active=is_active)
    except IntegrityError as err:
        raise Invalid({"topic": [_("There is a rule for this already.")]}) from err
    return rule


@transaction.atomic
def change_rule(actor: Actor, rule: SleepRule, *, patience: Patience, is_active: bool) -> SleepRule:
    """Change a rule; questions that were asked keep the numbers that they named.

    Raises:
        Invalid: a number is out of bounds.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    _check(patience)
    locked = SleepRule.objects.select_for_update().get(pk=rule.pk)
    if (locked.patience, locked.is_active) != (patience, is_active):
        _write(actor, locked, patience=patience, is_active=is_active)
    return locked


def _write(actor: Actor, rule: SleepRule, *, patience: Patience, is_active: bool) -> None:
    rule.days, rule.messages, rule.grace = patience.days, patience.messages, patience.grace
    rule.is_active = is_active
    rule.save()
    audit.record(actor, "sleep_rule.set", rule, **patience.__dict__, is_active=is_active)


@transaction.atomic
def remove_rule(actor: Actor, rule: SleepRule) -> None:
    """Take a rule away: nobody is let go by it any more, not even of those who were asked."""
    actor.require(Permission.EDIT_AUDIENCE)
    audit.record(actor, "sleep_rule.removed", rule)
    rule.delete()


def topics_of(rule: SleepRule) -> list[Topic]:
    """The topics that a rule is about: its own, or those of the organisation that have no rule themselves."""
    if rule.topic:
        return [rule.topic]
    ruled = SleepRule.objects.filter(topic__organisation=rule.organisation).values("topic")
    return list(Topic.objects.filter(organisation=rule.organisation).exclude(pk__in=ruled))


def open_questions(rule: SleepRule) -> QuerySet[SleepQuestion]:
    """Questions that are being prepared, asked or waited for."""
    going = rule.questions.filter(decided_at=None, campaign__archived_at=None)
    return going.exclude(campaign__state=CampaignState.CANCELLED)


def _check(patience: Patience) -> None:
    problems: dict[str, list[Any]] = {}
    for name, (least, most) in BOUNDS.items():
        if not least <= getattr(patience, name) <= most:
            problems[name] = [_("Give a number from %(least)s to %(most)s.") % {"least": least, "most": most}]
    if problems:
        raise Invalid(problems)
