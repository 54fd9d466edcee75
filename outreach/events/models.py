"""BACK: what came back. `event` is partitioned by month."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Campaign, Run, Service
from outreach.core.models import Account, Organisation, OwnedQuerySet
from outreach.core.vocabulary import Channel, EventKind, ReplyKind, ReportKind, Verdict


class Event(models.Model):
    """One thing that happened after hand-over. Delivery and person are null where tracking is aggregate."""

    pk = models.CompositePrimaryKey("at", "id")
    id = models.BigIntegerField(editable=False)
    at = models.DateTimeField()
    kind = models.TextField(choices=EventKind.choices)
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    #: `Delivery.id`.
    delivery = models.BigIntegerField(null=True)
    channel = models.TextField(default="")
    language = models.TextField(default="")
    #: Position of the link in its content (`delivery.links` knows the URL); null for kinds without one.
    link = models.SmallIntegerField(null=True)
    verdict = models.TextField(choices=Verdict.choices, default=Verdict.HUMAN)
    #: Why that verdict, or the provider's reason of a bounce.
    reason = models.TextField(default="")
    #: `pixel`, `redirect`, an adapter's name, `imap` ...
    source = models.TextField(default="")
    #: The provider's own words; emptied after 30 days.
    raw = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["run", "kind", "at"], name="event_of_run"),
            # What a provider told of a message, for an erasure; nothing of what readers do is in it.
            models.Index(fields=["run", "delivery"], condition=~models.Q(raw={}), name="event_told"),
            # What a person did with a message, for segments: only where a person may be known, and no machine's.
            models.Index(
                fields=["delivery", "kind", "at"],
                name="event_of_person",
                condition=models.Q(
                    delivery__isnull=False, kind__in=["opened", "clicked"], verdict__in=["human", "uncertain"]
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.run_id}-{self.delivery}"


class FirstEvent(models.Model):
    """The first open, click on a link ... of a delivery by a person: what 'how many people' counts."""

    pk = models.CompositePrimaryKey("run_id", "delivery", "kind", "link")
    run_id = models.BigIntegerField()
    delivery = models.BigIntegerField()
    kind = models.TextField(choices=EventKind.choices)
    #: Position of the link, -1 for kinds without one.
    link = models.SmallIntegerField(default=-1)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.run_id}-{self.delivery} {self.kind}"


class LookedAt(models.Model):
    """How far events were judged together (`events.bursts`): one row."""

    id = models.SmallIntegerField(primary_key=True)
    until = models.DateTimeField()
    #: The first of those that were written long after they happened, and wait to be judged.
    again_from = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.until}"


class HookCall(models.Model):
    """One verified provider event, raw: the key of idempotency, and kept until its delivery is known."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    event_id = models.CharField(max_length=200)
    #: `outreach.channels.base.ProviderEvent`, as JSON.
    event = models.JSONField(default=dict)
    received_at = models.DateTimeField(auto_now_add=True)
    #: Null while nothing could be made of it: its delivery is not known yet.
    applied_at = models.DateTimeField(null=True)
    #: When one that waits is tried again: the longer it waits, the less often.
    next_try_at = models.DateTimeField(db_default=Now())
    #: How often applying it failed, and why it did last, in the words of the program; `no_message` where it waited in
    #: vain for its delivery to be known.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    trouble = models.CharField(max_length=300, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "event_id"], name="provider_event_once")]
        indexes = [models.Index(fields=["next_try_at"], name="hook_call_due", condition=models.Q(applied_at=None))]

    def __str__(self) -> str:
        return self.event_id


class SuppressionSync(models.Model):
    """How far an account's list of whom not to write to was compared with its provider's."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="+")
    #: When somebody began last: who comes too soon afterwards lets it be.
    tried_at = models.DateTimeField(null=True)
    #: The provider knows ours until then, and we its.
    told_until = models.DateTimeField(null=True)
    fetched_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"suppressions of account {self.account_id}"


class Reply(models.Model):
    """What somebody wrote back."""

    objects = OwnedQuerySet["Reply"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="replies")
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="+")
    #: The provider's or mailbox's id of it: unique in the account, so that nothing is read twice.
    external_id = models.CharField(max_length=300)
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="replies")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    #: `Delivery.id`.
    delivery = models.BigIntegerField(null=True)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.SET_NULL, null=True, related_name="replies")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    kind = models.CharField(max_length=12, choices=ReplyKind.choices)
    #: Address or handle it came from.
    sender = models.CharField(max_length=320)
    subject = models.CharField(max_length=300, default="")
    #: Without quotes and signature.
    text = models.TextField(default="")
    #: What matched it: `token`, `message_id`, `address`, or '' where nothing did.
    matched_by = models.CharField(max_length=12, default="")
    received_at = models.DateTimeField()
    #: Its own Message-ID, which an answer names; '' by other channels.
    message_id = models.CharField(max_length=300, default="")
    #: As its author laid it out, cleaned; '' where there is nothing but text.
    html = models.TextField(default="")
    conversation = models.ForeignKey(
        "outreach.Conversation", on_delete=models.SET_NULL, null=True, related_name="replies"
    )
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "external_id"], name="reply_once")]
        indexes = [models.Index(fields=["organisation", "-received_at"], name="reply_newest")]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Conversion(models.Model):
    """Somebody used a service, was satisfied with it, or recommended it: told by the service itself."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="conversions")
    #: `used`, `satisfied`, `recommended`, or the service's own word.
    name = models.CharField(max_length=40)
    value = models.FloatField(null=True)
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    #: `Delivery.id`; null where the click was counted in aggregate.
    delivery = models.BigIntegerField(null=True)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    #: Came after the days that its campaign had declared: kept, and not counted for the campaign.
    is_late = models.BooleanField(default=False, db_default=False)
    #: Whether the service had told the same of the person before; null where nobody knows whose it is.
    is_repeated = models.BooleanField(null=True)
    recorded_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.service_id} {self.name}"


class DomainReport(models.Model):
    """A receiver's report to a domain: who sends in its name (DMARC), whether mail to it was encrypted (TLS-RPT)."""

    objects = OwnedQuerySet["DomainReport"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+", db_index=False)
    #: Whose mailbox it came to.
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=ReportKind.choices)
    domain = models.CharField(max_length=260)
    #: Who reports, in its own words.
    reporter = models.CharField(max_length=200)
    report_id = models.CharField(max_length=200)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    #: Messages that passed DMARC, or connections that were encrypted; and those that were not.
    passed = models.PositiveBigIntegerField()
    failed = models.PositiveBigIntegerField()
    #: The policy as the receiver read it.
    policy = models.JSONField(default=dict)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "domain", "reporter", "report_id"], name="domain_report_once"
            )
        ]
        indexes = [models.Index(fields=["organisation", "kind", "-begins_at"], name="domain_report_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.domain} {self.report_id}"


class ReportedSource(models.Model):
    """Mail from one address in the domain's name, judged alike by the reporter."""

    report = models.ForeignKey(DomainReport, on_delete=models.CASCADE, related_name="sources")
    address = models.GenericIPAddressField()
    messages = models.PositiveBigIntegerField()
    #: Whether each passed and was of the domain in From; DMARC asks for one of them.
    dkim = models.BooleanField()
    spf = models.BooleanField()
    #: `none`, `quarantine` or `reject`: what the receiver did.
    disposition = models.CharField(max_length=10)
    header_from = models.CharField(max_length=200, default="")
    #: Domains whose signatures were valid.
    signed_by = models.CharField(max_length=200, default="")
    #: The domain that SPF was asked about.
    returned_to = models.CharField(max_length=200, default="")
    #: Why the receiver did not do as asked: `forwarded`, `mailing_list` ...
    override = models.CharField(max_length=200, default="")

    def __str__(self) -> str:
        return f"{self.address} {self.messages}"


class ReportedTlsFailure(models.Model):
    """Connections to the domain's mail servers that could not be encrypted, for one reason."""

    report = models.ForeignKey(DomainReport, on_delete=models.CASCADE, related_name="tls_failures")
    #: RFC 8460, 4.3: `certificate-expired` ...
    result = models.CharField(max_length=200)
    sessions = models.PositiveBigIntegerField()
    server = models.CharField(max_length=200, default="")
    address = models.CharField(max_length=200, default="")
    detail = models.CharField(max_length=200, default="")

    def __str__(self) -> str:
        return f"{self.result} {self.sessions}"


__all__ = [
    "Conversion",
    "DomainReport",
    "Event",
    "EventKind",
    "FirstEvent",
    "HookCall",
    "LookedAt",
    "Reply",
    "ReportedSource",
    "ReportedTlsFailure",
    "SuppressionSync",
]
