"""What the local peers of the demonstration got, written by them before they answer."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from outreach.core.vocabulary import Channel


class SandboxMessage(models.Model):
    """A message as it arrived at the local mailbox, phone or social peer."""

    channel = models.CharField(max_length=10, choices=Channel.choices)
    recipient = models.CharField(max_length=320, default="", db_index=True)
    sender = models.CharField(max_length=320, default="")
    subject = models.TextField(default="")
    body = models.TextField(default="")
    raw = models.BinaryField(default=b"")
    provider_id = models.CharField(max_length=100, default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "sandbox_message"

    def __str__(self) -> str:
        return f"{self.channel} #{self.pk}"
