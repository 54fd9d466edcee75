"""Rows of what readers answered to the questions of our messages and of our surveys."""

from __future__ import annotations

from django.db import models

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Campaign, Run, Service
from outreach.campaigns.survey import Survey
from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.vocabulary import Channel, Question


class Feedback(models.Model):
    """What one reader answered to one question of one message; who answers again corrects it.

    Delivery and person are null unless the person agreed to be measured and the campaign measures.
    """

    objects = OwnedQuerySet["Feedback"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    #: What the question was about; null where the message named no service.
    service = models.ForeignKey(Service, on_delete=models.SET_NULL, null=True, related_name="feedback", db_index=False)
    campaign = models.ForeignKey(
        Campaign, on_delete=models.SET_NULL, null=True, related_name="feedback", db_index=False
    )
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    question = models.CharField(max_length=12, choices=Question.choices)
    #: A digest under the installation's key that tells a second answer of the same reader; null once answers are final.
    voter = models.BinaryField(max_length=16, null=True)
    #: On the question's scale; null where only words were written.
    value = models.SmallIntegerField(null=True)
    text = models.TextField(default="")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    language = models.CharField(max_length=5, default="")
    #: `page`, or how a reply came: an adapter's name, `mail`.
    source = models.CharField(max_length=20)
    #: `Delivery.id`.
    delivery = models.BigIntegerField(null=True)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    #: When it was corrected last.
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["voter", "question"], name="feedback_once")]
        indexes = [
            models.Index(fields=["campaign", "question", "value"], name="feedback_of_campaign"),
            models.Index(fields=["service", "question", "value"], name="feedback_of_service"),
            models.Index(fields=["at"], name="feedback_open", condition=models.Q(voter__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.question} {self.value}"

    @property
    def said(self) -> str:
        """The answer in one line."""
        number = "" if self.value is None else f": {self.value}"
        return f"{self.get_question_display()}{number}{f'. {self.text}' if self.text else ''}"


class SurveyResponse(models.Model):
    """One reader's answers to a survey; delivery and person are kept as in `Feedback`."""

    survey = models.ForeignKey(Survey, on_delete=models.CASCADE, related_name="responses")
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="+")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    #: As in `Feedback`, of the survey.
    voter = models.BinaryField(max_length=16, null=True)
    #: Place of the question -> number on its scale, place of the chosen option, or words.
    answers = models.JSONField(default=dict)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    language = models.CharField(max_length=5, default="")
    delivery = models.BigIntegerField(null=True)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["survey", "voter"], name="survey_response_once")]
        indexes = [
            models.Index(fields=["at"], name="survey_response_open", condition=models.Q(voter__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.survey_id} #{self.pk}"

    @property
    def said(self) -> str:
        """Survey and answers in one line."""
        return f"{self.survey}: {', '.join(f'{int(place) + 1}: {one}' for place, one in sorted(self.answers.items()))}"


__all__ = ["Feedback", "SurveyResponse"]
