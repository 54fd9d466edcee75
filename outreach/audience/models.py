"""WHO: people and businesses, their addresses, subscriptions and consents, and whom not to write to.

The four tables that grow with the people (subscriber, address, subscription, consent) have no foreign keys: ADR 13 says
what keeps their references instead. Each of their indexes says here whom it serves. What the database fills in by
itself (`db_default`) an import need not send: reading five times of every row is a tenth of its price there.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from outreach.core.models import Organisation, OwnedQuerySet, in_language
from outreach.core.vocabulary import (
    AddressState,
    Channel,
    ConsentAction,
    ConsentPurpose,
    JobState,
    Language,
    SubscriberKind,
    SubscriptionState,
    SuppressionReason,
)


class Subscriber(models.Model):
    """A person or a business that an organisation may write to."""

    objects = OwnedQuerySet["Subscriber"].as_manager()

    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="subscribers"
    )
    kind = models.CharField(max_length=10, choices=SubscriberKind.choices, default=SubscriberKind.CITIZEN)
    name = models.CharField(max_length=200, default="", blank=True)
    #: Bulgarian collation key of the name (the embedded database has no ICU); made by `audience.names.sort_key`.
    sort_key = models.CharField(max_length=250, default="", blank=True)
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.BULGARIAN)
    #: IANA zone, '' for the organisation's.
    timezone = models.CharField(max_length=50, default="", blank=True)
    #: The channel that the person asked to be written to by, where one has to be chosen; '' for no wish.
    preferred_channel = models.CharField(max_length=10, choices=Channel.choices, default="", db_default="", blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    #: Consented to measurement per person (the last Consent of that purpose).
    is_measured = models.BooleanField(default=False, db_default=False)
    erased_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        # Lists by name, pages and search by a name's beginning; everybody of an organisation.
        indexes = [models.Index(fields=["organisation", "sort_key", "id"], name="subscriber_by_name")]

    def __str__(self) -> str:
        return self.name or f"#{self.pk}"


class Address(models.Model):
    """One channel's value of one subscriber: e-mail address, E.164 phone number, handle."""

    #: Copied from the subscriber so that an address is unique in its organisation.
    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, db_constraint=False, related_name="addresses")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: As the person wrote it.
    value = models.CharField(max_length=320)
    #: As we compare it: lower case, IDNA, E.164.
    normalised = models.CharField(max_length=320)
    #: HMAC-SHA-256 of channel and normalised value under the installation's key: the suppression list's key.
    digest = models.BinaryField(max_length=32)
    state = models.CharField(
        max_length=12, choices=AddressState.choices, default=AddressState.ACTIVE, db_default=AddressState.ACTIVE.value
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        # The index of `subscriber` serves fan-out, windows and a person's page.
        constraints = [
            # Also finds the owners of an import's addresses.
            models.UniqueConstraint(fields=["organisation", "channel", "normalised"], name="address_once"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} #{self.pk}"


class Topic(models.Model):
    """Something that people subscribe to, in a tree, with names in each language."""

    objects = OwnedQuerySet["Topic"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="topics")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    #: Unique over the installation: public feeds are addressed by it.
    slug = models.SlugField(max_length=60, unique=True)
    name = models.JSONField(default=dict)
    description = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return in_language(self.name) or self.slug


class Subscription(models.Model):
    """That a subscriber wants a topic by a channel."""

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="subscriptions"
    )
    topic = models.ForeignKey(
        Topic, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="subscriptions"
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    state = models.CharField(
        max_length=12,
        choices=SubscriptionState.choices,
        default=SubscriptionState.SUBSCRIBED,
        db_default=SubscriptionState.SUBSCRIBED.value,
    )
    changed_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        constraints = [
            # Also a person's own.
            models.UniqueConstraint(fields=["subscriber", "topic", "channel"], name="subscription_once"),
        ]
        indexes = [
            # Fan-out walks a topic's subscribers in key order.
            models.Index(fields=["topic", "subscriber", "channel", "state"], name="subscription_fanout"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.topic_id} {self.channel}"


class Consent(models.Model):
    """Append-only: what a person agreed to or withdrew, when, where, and which text they were shown."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, db_constraint=False, related_name="consents")
    purpose = models.CharField(max_length=12, choices=ConsentPurpose.choices, default=ConsentPurpose.TOPIC)
    topic = models.ForeignKey(
        Topic, on_delete=models.SET_NULL, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    #: '' for every channel.
    channel = models.CharField(max_length=10, default="", blank=True)
    action = models.CharField(max_length=10, choices=ConsentAction.choices)
    #: `import`, `form`, `api`, `one_click`, `preferences`, `stop` ...
    source = models.CharField(max_length=40)
    text_version = models.CharField(max_length=60, default="", blank=True)
    #: Evidence as given: truncated network address, import and line, provider's message id.
    evidence = models.JSONField(default=dict)
    #: When the person acted; `recorded_at` is when we heard.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.purpose} {self.action}"


class Suppression(models.Model):
    """An address never to be written to, by digest, so that it survives the person's erasure."""

    #: Null for the whole installation.
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, null=True, related_name="suppressions")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    digest = models.BinaryField(max_length=32)
    reason = models.CharField(max_length=12, choices=SuppressionReason.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["digest", "channel", "organisation"], name="suppression_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.reason}"


class Import(models.Model):
    """A file of people on its way in: a job with progress, resumable by line."""

    objects = OwnedQuerySet["Import"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="imports")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="+")
    created_by = models.ForeignKey("outreach.User", on_delete=models.SET_NULL, null=True, related_name="+")
    #: The name it had on the manager's machine; the file itself lies in the data folder by id.
    file_name = models.CharField(max_length=255)
    file_size = models.BigIntegerField(default=0)
    encoding = models.CharField(max_length=20, default="", blank=True)
    delimiter = models.CharField(max_length=2, default="", blank=True)
    columns = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    #: Why it failed, in words.
    trouble = models.TextField(default="", blank=True)
    #: Data rows read so far, and what became of each: rows = created + updated + unchanged + rejected.
    rows = models.BigIntegerField(default=0)
    created = models.BigIntegerField(default=0)
    updated = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    #: Bytes read, for the progress bar.
    bytes_read = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.file_name


class ImportRejection(models.Model):
    """A row that was not taken: where, why, and the row itself."""

    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejections")
    #: Line of the file on which the row begins, from 1; the header counts.
    line = models.BigIntegerField()
    column = models.CharField(max_length=100, default="", blank=True)
    #: Code of the reason; `audience.imports` words it.
    reason = models.CharField(max_length=40)
    raw = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "line"], name="rejection_once")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
