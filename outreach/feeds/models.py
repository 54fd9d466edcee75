"""PRESS: outside feeds that we read. Feeds that we write are rendered from the ledger and have no table."""

from __future__ import annotations

from django.db import models

from outreach.audience.models import Topic
from outreach.campaigns.models import Campaign
from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.vocabulary import Language


class Source(models.Model):
    """An outside feed; each new item becomes a campaign draft."""

    objects = OwnedQuerySet["Source"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=200)
    url = models.URLField(max_length=1000)
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.BULGARIAN)
    etag = models.CharField(max_length=300, default="", blank=True)
    modified = models.CharField(max_length=100, default="", blank=True)
    #: What was wrong at the last reading, in words; '' when all went well.
    trouble = models.TextField(default="", blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    read_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "url"], name="source_once")]

    def __str__(self) -> str:
        return self.name


class SourceItem(models.Model):
    """An item that was read, so that it becomes a draft once."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="items")
    guid = models.CharField(max_length=1000)
    title = models.CharField(max_length=500, default="")
    link = models.URLField(max_length=1000, default="")
    #: Null for items that were there when the source was added, and where the draft was deleted.
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="+")
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "guid"], name="source_item_once")]

    def __str__(self) -> str:
        return self.title
