"""Rows of the inbox: a conversation with one person, what we answered, answers kept ready, files that came along."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from outreach.audience.models import Subscriber
from outreach.core.models import Account, Organisation, OwnedQuerySet, User
from outreach.core.vocabulary import Channel, ConversationState, Language
from outreach.delivery.models import Notice


class Conversation(models.Model):
    """Everything that one person wrote to one organisation, by whatever channel, and what we answered."""

    objects = OwnedQuerySet["Conversation"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+", db_index=False)
    #: `s:<subscriber>`, or channel and digest of an address that is nobody's.
    key = models.CharField(max_length=80)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.SET_NULL, null=True, related_name="+")
    #: By which the newest message came: the answer goes the same way.
    channel = models.CharField(max_length=10, choices=Channel.choices)
    sender = models.CharField(max_length=320, default="")
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="+")
    #: Of the newest message, without any Re:.
    subject = models.CharField(max_length=300, default="")
    #: The beginning of the newest message.
    excerpt = models.CharField(max_length=300, default="")
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.BULGARIAN)
    state = models.CharField(max_length=10, choices=ConversationState.choices, default=ConversationState.WAITING)
    assignee = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    labels = ArrayField(models.CharField(max_length=40), default=list)
    #: When the oldest message came that has no answer yet; null where none waits.
    waiting_since = models.DateTimeField(null=True)
    #: Until when it should be answered.
    due_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "key"], name="conversation_once")]
        indexes = [
            models.Index(fields=["organisation", "-last_at", "-id"], name="conversation_newest"),
            models.Index(fields=["organisation", "due_at"], name="conversation_due"),
        ]

    def __str__(self) -> str:
        return str(self.subscriber or self.sender or self.pk)


class Answer(models.Model):
    """What somebody of ours answered; its fate is that of its notice."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="answers")
    text = models.TextField()
    #: Null where a token of the API answered.
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    notice = models.ForeignKey(Notice, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"answer #{self.pk}"


class CannedAnswer(models.Model):
    """An answer that is kept ready, since its question comes again and again."""

    objects = OwnedQuerySet["CannedAnswer"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=80)
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="canned_answer_once")]

    def __str__(self) -> str:
        return self.name


class Attachment(models.Model):
    """A file that came with a reply: kept apart from it, and given out as a download alone."""

    reply = models.ForeignKey("outreach.Reply", on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=120)
    #: What its own first octets say that it is; '' for what is not kept.
    kind = models.CharField(max_length=100, default="")
    size = models.PositiveBigIntegerField()
    #: Empty for what is not kept: of another type, or too large.
    content = models.BinaryField(default=b"")

    def __str__(self) -> str:
        return self.name


__all__ = ["Answer", "Attachment", "CannedAnswer", "Conversation"]
