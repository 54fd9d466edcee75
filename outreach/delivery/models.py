"""OUT: the ledger's tables. `delivery` is partitioned by run; its physical rules are in docs/explanation/ledger.md."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.vocabulary import (
    BatchState,
    Channel,
    CounterKind,
    DeliveryState,
    Lane,
    LawfulBasis,
    PriceUnit,
    Reason,
    Receipt,
)


class Delivery(models.Model):
    """One message to one address: its state always tells its fate and why.

    No foreign key has a constraint or an index, and no index names a column that a settle writes: HOT updates need it.
    """

    pk = models.CompositePrimaryKey("run_id", "id")
    run = models.ForeignKey(
        "outreach.Run", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="deliveries"
    )
    #: From one sequence over all partitions.
    id = models.BigIntegerField(editable=False)
    #: `s:<subscriber>`, `a:<account>:<language>` (a post, a feed entry) or `n:<notice>`.
    target = models.TextField()
    channel = models.TextField(choices=Channel.choices)
    subscriber = models.ForeignKey(
        "outreach.Subscriber",
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    address = models.ForeignKey(
        "outreach.Address",
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    account = models.ForeignKey(
        "outreach.Account",
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    language = models.TextField(default="")
    #: In [0, 1): fixed at fan-out by salted hash; hold-out and variant are functions of it.
    draw = models.FloatField(default=0.0)
    batch = models.ForeignKey(
        "outreach.Batch",
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="deliveries",
    )
    #: Came to its batch later, so that the range of ids of none holds it: after a retry, or to another account.
    is_moved = models.BooleanField(default=False, db_default=False)
    state = models.TextField(choices=DeliveryState.choices, default=DeliveryState.PLANNED)
    reason = models.TextField(choices=Reason.choices, default="")
    #: Why this channel, where one was chosen: see `delivery.choice`; '' where nothing was chosen.
    choice = models.TextField(default="", db_default="")
    receipt = models.TextField(choices=Receipt.choices, default="")
    attempts = models.SmallIntegerField(default=0)
    #: May have been handed over before a crash.
    uncertain = models.BooleanField(default=False)
    provider_id = models.TextField(default="")
    #: Id of the delivery of the same run that this one stands in for.
    fallback_of = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    #: When its state last changed.
    settled_at = models.DateTimeField(null=True)
    receipt_at = models.DateTimeField(null=True)

    class Meta:
        managed = True
        constraints = [models.UniqueConstraint(fields=["run", "target", "channel"], name="delivery_once")]
        indexes = [models.Index(fields=["batch"], condition=models.Q(is_moved=True), name="delivery_moved")]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """What the API and the tokens call it: `RUN-ID`; `X-Outreach-Delivery` begins with it."""
        return f"{self.run_id}-{self.id}"


class Notice(models.Model):
    """One message to one person now: whom it names and what it tells them. Its fate is that of its delivery."""

    objects = OwnedQuerySet["Notice"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="notices")
    run = models.ForeignKey("outreach.Run", on_delete=models.CASCADE, related_name="notices", db_index=False)
    #: `Delivery.id`.
    delivery = models.BigIntegerField()
    #: Null where it came with a text of its own.
    template = models.ForeignKey(
        "outreach.NoticeTemplate", on_delete=models.SET_NULL, null=True, related_name="notices"
    )
    lawful_basis = models.CharField(max_length=20, choices=LawfulBasis.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: The address as it was given; '' once the person was erased.
    value = models.CharField(max_length=320)
    #: As we compare it, and the suppression list's key.
    normalised = models.CharField(max_length=320)
    digest = models.BinaryField(max_length=32)
    #: The person, where the call named one; nobody becomes a subscriber by a notice.
    subscriber = models.ForeignKey("outreach.Subscriber", on_delete=models.SET_NULL, null=True, related_name="notices")
    #: The person's address that was chosen.
    address = models.ForeignKey("outreach.Address", on_delete=models.SET_NULL, null=True, related_name="+")
    #: What `{{ data }}` holds; forgotten some days after the message left.
    data = models.JSONField(default=dict)
    token = models.ForeignKey("outreach.ApiToken", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "delivery"], name="notice_of_delivery")]
        indexes = [
            models.Index(fields=["organisation", "-id"], name="notice_newest"),
            models.Index(fields=["digest"], name="notice_to_address"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}-{self.delivery}"


class Digest(models.Model):
    """What one reader was told together at one time on one channel. Its fate is that of its delivery."""

    objects = OwnedQuerySet["Digest"].as_manager()

    #: Whose messages it tells.
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+", db_index=False)
    subscriber = models.ForeignKey(
        "outreach.Subscriber", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: When it was to come: a period of the reader's ends here, and has no second one.
    due_at = models.DateTimeField()
    run = models.ForeignKey("outreach.Run", on_delete=models.CASCADE, related_name="digests", db_index=False)
    #: `Delivery.id`.
    delivery = models.BigIntegerField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "organisation", "channel", "due_at"], name="digest_once"),
            models.UniqueConstraint(fields=["run", "delivery"], name="digest_of_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}-{self.delivery}"


class DigestItem(models.Model):
    """A message that was kept for a reader who chose a digest: a row of the ledger, `skipped(digested)`."""

    #: Of the campaign.
    run = models.ForeignKey(
        "outreach.Run", on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="kept_for_digests"
    )
    #: `Delivery.id`.
    delivery = models.BigIntegerField()
    #: The run's.
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, db_index=False, related_name="+")
    subscriber = models.ForeignKey(
        "outreach.Subscriber", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: 1 for the next daily digest, 7 for the next weekly one.
    days = models.PositiveSmallIntegerField()
    #: Its digest is the first that is due after this moment.
    since = models.DateTimeField()
    #: When that is; null until somebody has reckoned it, or where it has to be reckoned again.
    due_at = models.DateTimeField(null=True)
    #: Which digest told it.
    digest = models.ForeignKey(Digest, on_delete=models.CASCADE, null=True, db_index=False, related_name="items")
    #: Why none tells it: a Reason.
    dropped = models.CharField(max_length=20, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "delivery"], name="digest_item_once")]
        indexes = [
            # What waits of one organisation, by the time at which it is due.
            models.Index(
                fields=["organisation", "due_at"],
                condition=models.Q(digest__isnull=True, dropped=""),
                name="digest_item_waits",
            ),
            # What waits for one reader.
            models.Index(
                fields=["subscriber", "channel"],
                condition=models.Q(digest__isnull=True, dropped=""),
                name="digest_item_of_reader",
            ),
            models.Index(fields=["digest"], condition=models.Q(digest__isnull=False), name="digest_items"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}-{self.delivery}"


class Batch(models.Model):
    """A range of one run's deliveries on one account, leased by one worker at a time."""

    run = models.ForeignKey("outreach.Run", on_delete=models.CASCADE, related_name="batches")
    account = models.ForeignKey("outreach.Account", on_delete=models.PROTECT, related_name="+")
    lane = models.CharField(max_length=10, choices=Lane.choices, default=Lane.CAMPAIGNS)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=BatchState.choices, default=BatchState.READY)
    lease_until = models.DateTimeField(null=True)
    #: Grows with each lease; only its holder writes hand-over states.
    fence = models.BigIntegerField(default=0)
    #: The exact ids of committed, unsettled windows (at most two).
    in_hand = ArrayField(models.BigIntegerField(), default=list)
    #: How often it was taken over from a worker that died with ids in hand.
    inherited = models.SmallIntegerField(default=0)
    #: Whether it gathers retries of one minute: such a batch is found by (run, account, due_at).
    is_retry = models.BooleanField(default=False)
    #: `Delivery.id`s between which the rows lie that it was made with; null where it was made for moved ones.
    first_id = models.BigIntegerField(null=True)
    last_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["lane", "due_at"], name="batch_due", condition=~models.Q(state="done")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "account", "due_at"],
                condition=models.Q(is_retry=True) & ~models.Q(state="done"),
                name="one_retry_batch_a_minute",
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.pk}"


class Hand(models.Model):
    """A committed window: what one worker had in hand under one fence, from when to when. Receipts tell it as a story.

    Written by the statements that take in hand and settle; nothing is decided by it (that is `Batch.in_hand`).
    """

    run = models.ForeignKey(
        "outreach.Run", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    batch = models.ForeignKey(
        "outreach.Batch", on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="hands"
    )
    fence = models.BigIntegerField()
    #: `host:pid`.
    worker = models.TextField()
    #: `Delivery.id`s.
    ids = ArrayField(models.BigIntegerField())
    in_hand_at = models.DateTimeField()
    #: When its outcomes were written; null while in hand, and for ever where its worker died or lost the fence.
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["batch"], name="hands_of_batch")]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.fence}"


class Attempt(models.Model):
    """Append-only evidence: each try that was not a plain first acceptance, and everything learnt late."""

    run = models.ForeignKey(
        "outreach.Run", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    #: `Delivery.id`.
    delivery = models.BigIntegerField()
    batch = models.BigIntegerField(null=True)
    fence = models.BigIntegerField(default=0)
    #: `OutcomeKind`, or `inherited`, or `evidence` for what came after the fence was lost or from the provider.
    kind = models.CharField(max_length=12)
    reason = models.CharField(max_length=20, default="")
    detail = models.CharField(max_length=500, default="")
    provider_id = models.TextField(default="")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["run", "delivery"], name="attempt_of")]

    def __str__(self) -> str:
        return f"{self.delivery} {self.kind}"


class Counter(models.Model):
    """Sums of the ledger and of events, in one slot a process, added up on reading; always equal to a recount."""

    run = models.ForeignKey("outreach.Run", on_delete=models.CASCADE, related_name="counters", db_index=False)
    slot = models.SmallIntegerField()
    kind = models.CharField(max_length=8, choices=CounterKind.choices)
    channel = models.CharField(max_length=10)
    language = models.CharField(max_length=5, default="")
    #: See CounterKind.
    name = models.CharField(max_length=20)
    reason = models.CharField(max_length=20, default="")
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "slot", "kind", "channel", "language", "name", "reason"], name="counter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.kind} {self.name} {self.count}"


class Pace(models.Model):
    """A bucket of an account's limits, shared by all workers: of the account, of its ramp, or of a mail domain."""

    account = models.ForeignKey("outreach.Account", on_delete=models.CASCADE, related_name="+", db_index=False)
    #: '' for the account, `day` for its ramp, else the recipients' domain.
    scope = models.TextField(default="", db_default="")
    lane = models.CharField(max_length=10, choices=Lane.choices)
    #: Messages that may leave at once, may be fractional; of `day`, how many left on the day of `written_at`.
    tokens = models.FloatField(default=0.0)
    written_at = models.DateTimeField()
    #: [[end of a quarter of a second, messages], ...] of the last minute.
    grants = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "scope", "lane"], name="pace_once")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.scope} {self.tokens:.0f}"


class Price(models.Model):
    """What an account's provider charges: in one country or in every other, from a day on."""

    account = models.ForeignKey("outreach.Account", on_delete=models.CASCADE, related_name="prices", db_index=False)
    #: ISO 3166 in two letters; '' for every country that is not named, and for e-mail.
    country = models.CharField(max_length=2, default="", blank=True)
    unit = models.CharField(max_length=8, choices=PriceUnit.choices)
    amount = models.DecimalField(max_digits=12, decimal_places=6)
    #: ISO 4217.
    currency = models.CharField(max_length=3)
    valid_from = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "country", "unit", "valid_from"], name="price_once"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="price_is_no_gift"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.country} {self.amount} {self.currency}"


class Spend(models.Model):
    """What a run that is over cost, reckoned once: it outlives the run's rows and later changes of prices."""

    run = models.ForeignKey("outreach.Run", on_delete=models.CASCADE, related_name="spends", db_index=False)
    account = models.ForeignKey("outreach.Account", on_delete=models.SET_NULL, null=True, related_name="+")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    language = models.CharField(max_length=5, default="")
    country = models.CharField(max_length=2, default="")
    messages = models.BigIntegerField()
    #: Parts of SMS, as reckoned.
    segments = models.BigIntegerField(default=0)
    #: Null where there was no price.
    amount = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    currency = models.CharField(max_length=3, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "account", "channel", "language", "country"], name="spend_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.channel} {self.country} {self.amount} {self.currency}"
