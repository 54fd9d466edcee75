"""WHAT and WHEN: the services that campaigns promote, campaigns with their contents and approvals, and their runs."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from outreach.audience.models import Segment, Topic
from outreach.core.models import Account, Organisation, OwnedQuerySet, User, in_language
from outreach.core.vocabulary import (
    ApprovalDecision,
    CampaignState,
    Channel,
    ChannelMode,
    ContentFormat,
    Goal,
    Language,
    LawfulBasis,
    Pictures,
    RunKind,
    Tracking,
)


class Service(models.Model):
    """An e-service: what a campaign promotes, with the steps 'where and how' in each language."""

    objects = OwnedQuerySet["Service"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="services")
    slug = models.SlugField(max_length=60, unique=True)
    name = models.JSONField(default=dict)
    url = models.URLField(max_length=500)
    steps = models.JSONField(default=dict)
    #: Whom it is for: SubscriberKind values.
    kinds = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    topics = models.ManyToManyField(Topic, related_name="services", blank=True)
    #: Name of the parameter in which a click hands its token on to the service; '' where it asks for none.
    click_parameter = models.CharField(max_length=40, default="", db_default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return in_language(self.name) or self.slug


class Campaign(models.Model):
    """What a manager plans: whom, what, by which channels, when."""

    objects = OwnedQuerySet["Campaign"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=200)
    goal = models.CharField(max_length=12, choices=Goal.choices, default=Goal.KNOWS)
    state = models.CharField(max_length=12, choices=CampaignState.choices, default=CampaignState.DRAFT)
    topics = models.ManyToManyField(Topic, related_name="campaigns", blank=True)
    excluded_topics = models.ManyToManyField(Topic, related_name="+", blank=True)
    #: Narrows the people of the topics.
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, null=True, blank=True, related_name="campaigns")
    excluded_segments = models.ManyToManyField(Segment, through="Exclusion", related_name="+", blank=True)
    services = models.ManyToManyField(Service, related_name="campaigns", blank=True)
    #: SubscriberKind values; empty for everybody.
    kinds = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    channel_mode = models.CharField(max_length=10, choices=ChannelMode.choices, default=ChannelMode.ALL)
    #: Channels in order of preference.
    channels = ArrayField(models.CharField(max_length=10, choices=Channel.choices), default=list, blank=True)
    #: Mode `preferred`: whether the next channel is tried after one that failed for good.
    fallback = models.BooleanField(default=True, db_default=True)
    #: Minutes without a receipt after which the next channel is tried as well; null: silence is no failure.
    fallback_after = models.PositiveIntegerField(null=True, blank=True)
    tracking = models.CharField(max_length=10, choices=Tracking.choices, default=Tracking.AGGREGATE)
    #: Tags for the web statistics of the sites that its links lead to, or {}: `campaigns.web_tags` holds its shape.
    utm = models.JSONField(default=dict, db_default={}, blank=True)
    #: Share of the audience held out to compare, 0 to 0.5.
    holdout = models.FloatField(default=0.0)
    #: Days after its message within which a use of the service counts for the campaign; frozen at the start.
    attribution_days = models.PositiveSmallIntegerField(default=30, db_default=30)
    #: Null: at once when started.
    starts_at = models.DateTimeField(null=True, blank=True)
    #: IANA zone in which the manager named the time.
    timezone = models.CharField(max_length=50, default="Europe/Sofia")
    #: After this, what is still open is skipped as expired.
    not_after = models.DateTimeField(null=True, blank=True)
    #: Whether it cannot wait: it goes at once to those too who chose a digest.
    is_pressing = models.BooleanField(default=False, db_default=False)
    #: The feed item that it was drafted from, if any: its public link.
    source_link = models.URLField(max_length=1000, default="", blank=True)
    archived_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    #: The last editor: under four eyes somebody else approves.
    edited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    edited_by_token = models.ForeignKey("outreach.ApiToken", on_delete=models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField(auto_now_add=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name


class Exclusion(models.Model):
    """That a campaign leaves out whom a segment means; the segment stays as long."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "segment"], name="exclusion_once")]

    def __str__(self) -> str:
        return f"{self.campaign_id} without {self.segment_id}"


class Content(models.Model):
    """What is said, for one channel and one language."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="contents")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    language = models.CharField(max_length=5, choices=Language.choices)
    variant = models.CharField(max_length=20, default="", blank=True)
    format = models.CharField(max_length=10, choices=ContentFormat.choices, default=ContentFormat.MARKDOWN)
    subject = models.CharField(max_length=300, default="", blank=True)
    body = models.TextField(default="", blank=True)
    #: What mail programs show beside the subject; '' for the beginning of the text.
    preheader = models.CharField(max_length=200, default="", db_default="", blank=True)
    #: The entry for the reader's calendar, or {}: `campaigns.calendar_entry` holds its shape.
    calendar = models.JSONField(default=dict, db_default={}, blank=True)
    pictures = models.CharField(
        max_length=10, choices=Pictures.choices, default=Pictures.HOSTED, db_default=Pictures.HOSTED.value
    )
    #: Null: the nearest default account of the channel.
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "channel", "language", "variant"], name="content_once"),
        ]
        ordering = ("channel", "language", "variant")

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.channel} {self.language}"


class Picture(models.Model):
    """A picture for e-mails, uploaded once; its path cannot be guessed, and what is behind it never changes."""

    objects = OwnedQuerySet["Picture"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="pictures")
    #: The unguessable part of its path, with the ending of its type: `Xy...z.png`.
    key = models.CharField(max_length=40, unique=True)
    #: SHA-256 of what was uploaded: the same file is kept once.
    digest = models.CharField(max_length=64)
    media_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    #: What it shows, in words, for those who do not see it.
    alt = models.CharField(max_length=300)
    data = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "digest"], name="picture_once")]
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.alt


class Branding(models.Model):
    """How an organisation's e-mails look; what is empty comes from the nearest node above it."""

    objects = OwnedQuerySet["Branding"].as_manager()

    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, related_name="branding")
    #: {"bg": ..., "en": ...} in the e-mails' heads; never inherited: {} is the organisation's own name.
    name = models.JSONField(default=dict, blank=True)
    logo = models.ForeignKey(Picture, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    #: Of heads and buttons, as #12397f.
    colour = models.CharField(max_length=7, default="", blank=True)
    #: '' for the colour itself, darkened until it is readable.
    link_colour = models.CharField(max_length=7, default="", blank=True)
    #: {"bg": ..., "en": ...}: address and contact, lines of text.
    footer = models.JSONField(default=dict, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.colour}"


class Approval(models.Model):
    """A decision about exactly one digest of content and audience; any edit voids it, since the digest changes."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="approvals")
    digest = models.CharField(max_length=64)
    decision = models.CharField(max_length=10, choices=ApprovalDecision.choices)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    token = models.ForeignKey("outreach.ApiToken", on_delete=models.SET_NULL, null=True, related_name="+")
    note = models.TextField(default="", blank=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.decision}"


class NoticeTemplate(models.Model):
    """What an organisation tells one person at a time, such as "your permit is ready", and why it may."""

    objects = OwnedQuerySet["NoticeTemplate"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="notice_templates")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=200)
    lawful_basis = models.CharField(max_length=20, choices=LawfulBasis.choices)
    #: Of each text `channel`, `language`, `format`, `subject`, `body`, `account` (null: the nearest of the channel).
    contents = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "slug"], name="notice_template_once")]
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One occurrence of a campaign, or a day's notices of one template; frozen when made, the root of its ledger."""

    objects = OwnedQuerySet["Run"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="runs")
    #: Null for notices and digests.
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, null=True, related_name="runs")
    kind = models.CharField(max_length=10, choices=RunKind.choices, default=RunKind.CAMPAIGN)
    #: The planned time of this occurrence; unique for a campaign's runs of kind `campaign`.
    occurrence = models.DateTimeField()
    state = models.CharField(max_length=12, choices=CampaignState.choices, default=CampaignState.RUNNING)
    #: Why it is held or paused, as a code with its facts.
    trouble = models.JSONField(default=dict, blank=True)
    #: Salt of the hold-out and variant draws.
    salt = models.BinaryField(max_length=16)
    #: Everything that sending needs, frozen: see `campaigns.planning.freeze` for its shape.
    frozen = models.JSONField(default=dict)
    #: SHA-256 of `frozen` in runs of notices: the next notice of the same text goes into the same run.
    digest = models.CharField(max_length=64, default="", db_default="")
    as_of = models.DateTimeField()
    #: Keyset position of fan-out: the last subscriber id done.
    fanned_out_to = models.BigIntegerField(default=0)
    fanned_out_at = models.DateTimeField(null=True)
    #: Whether rows of it may be followed by one on the next channel: as frozen, for the sweep to find.
    falls_back = models.BooleanField(default=False, db_default=False)
    #: When failures were looked for last, and how many the counters told of then.
    fallback_at = models.DateTimeField(null=True)
    fallback_seen = models.BigIntegerField(default=0, db_default=0)
    #: Primary rows written.
    audience_count = models.BigIntegerField(default=0)
    #: PostgreSQL's, when the run was made: a restored copy has others.
    system_identifier = models.CharField(max_length=30, default="")
    timeline = models.IntegerField(default=0)
    not_after = models.DateTimeField(null=True)
    #: When a worker last took a batch of it: the run served least lately goes first.
    served_at = models.DateTimeField(null=True)
    started_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    #: When its rows were dropped for their age; its counters stay.
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "occurrence"], condition=models.Q(kind="campaign"), name="run_once"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["notice", "digest"], campaign=None)
                | (~models.Q(kind__in=["notice", "digest"]) & models.Q(campaign__isnull=False)),
                name="run_of_campaign_or_notices",
            ),
        ]
        indexes = [
            models.Index(fields=["organisation", "-id"], name="run_newest"),
            models.Index(
                fields=["digest"], condition=models.Q(kind="notice", fanned_out_at=None), name="run_open_to_notices"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.occurrence:%Y-%m-%d %H:%M}"

    @property
    def title(self) -> str:
        """What people call it: its campaign's name, or that of its notices when they were frozen."""
        return self.campaign.name if self.campaign else str(self.frozen.get("campaign", {}).get("name", ""))
