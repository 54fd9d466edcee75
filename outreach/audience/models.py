"""WHO: people and businesses, their addresses, subscriptions and consents, and whom not to write to.

The four tables that grow with the people (subscriber, address, subscription, consent) have no foreign keys: ADR 13 says
what keeps their references instead. Each of their indexes says here whom it serves. What the database fills in by
itself (`db_default`) an import need not send: reading five times of every row is a tenth of its price there.
"""

from __future__ import annotations

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from outreach.core.models import Organisation, OwnedQuerySet, in_language
from outreach.core.vocabulary import (
    AddressState,
    AttributeType,
    Channel,
    ConsentAction,
    ConsentPurpose,
    JobState,
    KnownPeople,
    Language,
    SubscriberKind,
    SubscriptionState,
    SuppressionReason,
    SuppressionSource,
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
    #: ISO 3166-2 code of the part of a country, `BG-16`; '' where we do not know. `audience.regions` names them.
    region = models.CharField(max_length=6, default="", db_default="", blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    #: Consented to measurement per person (the last Consent of that purpose).
    is_measured = models.BooleanField(default=False, db_default=False)
    #: Until when campaigns are not to write to the person; see `audience.pause`.
    paused_until = models.DateTimeField(null=True)
    #: Minutes of the person's day, in their zone: campaigns do not disturb them from the one to the other; null for
    #: none. See `audience.quiet_hours`.
    quiet_from = models.PositiveSmallIntegerField(null=True)
    quiet_to = models.PositiveSmallIntegerField(null=True)
    erased_at = models.DateTimeField(null=True)
    #: The record of the same person that is kept, where this one was made part of it (`audience.merging`).
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        indexes = [
            # Lists by name, pages and search by a name's beginning; everybody of an organisation.
            models.Index(fields=["organisation", "sort_key", "id"], name="subscriber_by_name"),
            # Segments by region, also with language and kind: counted without reading a person's row, which with ten
            # million people lies on nearly every page. Who has no region costs an import nothing.
            models.Index(
                fields=["organisation", "region", "language", "kind", "id"],
                condition=~Q(region="") & Q(erased_at=None),
                name="subscriber_in_region",
            ),
            # Lists of the few who are no citizens and no businesses.
            models.Index(
                fields=["organisation", "kind", "sort_key", "id"],
                condition=Q(kind__in=["official", "partner"], erased_at=None),
                name="subscriber_of_kind",
            ),
            # The other ids of a person. Nearly nobody has any.
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="subscriber_merged"),
        ]

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
        indexes = [
            # Whose address is written to again once it is off the list. Nobody's, nearly: an import pays nothing.
            models.Index(fields=["digest"], condition=Q(state="bouncing"), name="address_bouncing"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} #{self.pk}"


class FormerAddress(models.Model):
    """An address that a person had, kept for one thing alone: an erasure finds what was written from it or to it."""

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: As it was compared.
    normalised = models.CharField(max_length=320)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "channel", "normalised"], name="former_address_once")
        ]

    def __str__(self) -> str:
        return f"{self.channel} of #{self.subscriber_id}"


class AttributeField(models.Model):
    """An attribute that an organisation declared: it holds for the organisation's people and for those below it."""

    objects = OwnedQuerySet["AttributeField"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="attribute_fields")
    #: The key in `Subscriber.attributes`; stays as it was declared, since texts and segments name it.
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=10, choices=AttributeType.choices)
    #: {"bg": ..., "en": ...}
    label = models.JSONField(default=dict)
    #: The words of a choice, in their order; [] for other types.
    choices = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="attribute_once")]

    def __str__(self) -> str:
        return in_language(self.label) or self.name


class Topic(models.Model):
    """Something that people subscribe to, in a tree, with names in each language."""

    objects = OwnedQuerySet["Topic"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="topics")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    #: Unique over the installation: public feeds are addressed by it.
    slug = models.SlugField(max_length=60, unique=True)
    name = models.JSONField(default=dict)
    description = models.JSONField(default=dict)
    #: Among its siblings; those at the same place stand by their slugs.
    position = models.PositiveIntegerField(default=0)
    #: At most so many messages in so many days to one person, whoever sends them; null for no cap.
    cap_messages = models.PositiveSmallIntegerField(null=True)
    cap_days = models.PositiveSmallIntegerField(null=True)
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
    #: Days that the reader's digest gathers: 1 or 7 (`vocabulary.DIGEST_DAYS`); null for each message at once.
    frequency = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            # Also a person's own.
            models.UniqueConstraint(fields=["subscriber", "topic", "channel"], name="subscription_once"),
        ]
        indexes = [
            # Fan-out walks a topic's subscribers in key order.
            models.Index(fields=["topic", "subscriber", "channel", "state"], name="subscription_fanout"),
            # Who chose a digest, for fan-out and for the topic's page. Few: an import pays nothing.
            models.Index(
                fields=["topic", "subscriber", "channel", "frequency"],
                condition=Q(frequency__isnull=False, state="subscribed"),
                name="subscription_digest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.topic_id} {self.channel}"


class Consent(models.Model):
    """Append-only: what a person agreed to or withdrew, when, where, and which text they were shown.

    `sealing` makes it a leaf of the chain within a minute. From then on the database refuses to delete it, and at any
    time to change it, except that an erasure empties it (`erasure.empty_consents`).
    """

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, db_constraint=False, related_name="consents")
    purpose = models.CharField(max_length=12, choices=ConsentPurpose.choices, default=ConsentPurpose.TOPIC)
    #: A topic that somebody consented to stays.
    topic = models.ForeignKey(
        Topic, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    #: '' for every channel.
    channel = models.CharField(max_length=10, default="", blank=True)
    action = models.CharField(max_length=10, choices=ConsentAction.choices)
    #: `import`, `form`, `api`, `one_click`, `preferences`, `stop` ...
    source = models.CharField(max_length=40)
    text_version = models.CharField(max_length=60, default="", blank=True)
    #: In which the text was shown; '' where it is not known.
    language = models.CharField(max_length=5, choices=Language.choices, default="", db_default="", blank=True)
    #: Evidence as given: truncated network address, import and line, provider's message id.
    evidence = models.JSONField(default=dict)
    #: When the person acted; `recorded_at` is when we heard.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    #: Keeps what the row said from being guessed by its hash; gone with an erasure.
    salt = models.UUIDField(null=True, db_default=RandomUUID())

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.purpose} {self.action}"


class Suppression(models.Model):
    """An address never to be written to, by digest, so that it survives the person's erasure."""

    objects = OwnedQuerySet["Suppression"].as_manager()

    #: Null for the whole installation.
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, null=True, related_name="suppressions")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    digest = models.BinaryField(max_length=32)
    reason = models.CharField(max_length=12, choices=SuppressionReason.choices)
    #: '' for entries of before sources were kept.
    source = models.CharField(max_length=10, choices=SuppressionSource.choices, default="", db_default="", blank=True)
    #: Why, in the words of who added it by hand; never the address.
    note = models.CharField(max_length=200, default="", db_default="", blank=True)
    created_by = models.ForeignKey("outreach.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        # The newest entries of one organisation's list, page by page.
        indexes = [models.Index(fields=["organisation", "id"], name="suppression_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["digest", "channel", "organisation"], name="suppression_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.reason}"


class Budget(models.Model):
    """How many messages at most a person gets of all organisations together that joined it."""

    #: Who offers it: to itself and to those below.
    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, related_name="budget")
    messages = models.PositiveSmallIntegerField()
    days = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.messages}/{self.days}"


class BudgetMember(models.Model):
    """That an organisation decided to keep within a budget."""

    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, related_name="+")
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="members")
    joined_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.budget_id}"


class Pressure(models.Model):
    """What an address was sent lately under a cap, by its digest: when, and of no message which or whose."""

    #: `t:<topic>` or `b:<budget>`.
    scope = models.CharField(max_length=24)
    #: As `Address.digest`.
    digest = models.BinaryField(max_length=32)
    #: [mark, seconds since 1970] of each message taken in hand; see `delivery.caps`.
    taken = models.JSONField(default=list)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "digest"], name="pressure_once")]
        # What is too old to count is forgotten.
        indexes = [models.Index(fields=["seen_at"], name="pressure_by_age")]

    def __str__(self) -> str:
        return self.scope


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
    #: Column -> what it is taken for, where not its name alone says so: a word of `import_columns.WORDS`.
    mapping = models.JSONField(default=dict)
    #: Whether each consent needs evidence; and what holds for rows that do not say it themselves, by column.
    is_opt_in = models.BooleanField(default=False)
    evidence = models.JSONField(default=dict)
    known = models.CharField(max_length=10, choices=KnownPeople.choices, default=KnownPeople.OVERWRITE)
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


class Segment(models.Model):
    """A rule that says whom it means: evaluated anew whenever it is asked, so that it follows the people.

    A snapshot is one whose rule names itself: it means those whom another segment meant when it was taken.
    """

    objects = OwnedQuerySet["Segment"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="segments")
    name = models.CharField(max_length=200)
    #: The rule as `audience.rules` reads it.
    where = models.JSONField(default=dict)
    #: Of a snapshot: when it was taken.
    taken_at = models.DateTimeField(null=True)
    #: Of a snapshot: whether all who are meant are listed already, by `audience.snapshots`. Other segments are done.
    state = models.CharField(
        max_length=10, choices=JobState.choices, default=JobState.DONE, db_default=JobState.DONE.value
    )
    #: What it lists, frozen, until it is whole: the people up to `listed_to`, of those up to `list_until`.
    taking = models.JSONField(default=dict, db_default={}, blank=True)
    listed = models.BigIntegerField(default=0, db_default=0)
    listed_to = models.BigIntegerField(default=0, db_default=0)
    list_until = models.BigIntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey("outreach.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="segment_once")]
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def is_whole(self) -> bool:
        return self.state == JobState.DONE

    @property
    def share_listed(self) -> float:
        """How far a snapshot is."""
        return 1.0 if self.is_whole else self.listed_to / max(self.list_until, 1)


class SnapshotMember(models.Model):
    """That a snapshot means a person."""

    pk = models.CompositePrimaryKey("segment_id", "subscriber_id")
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, db_index=False, related_name="members")
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.segment_id} {self.subscriber_id}"
