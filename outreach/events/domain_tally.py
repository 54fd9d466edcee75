"""Rows of the trouble with recipient domains: what waits to be added up, and the sums by day. See `domain_troubles`."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from outreach.core.models import Account, Organisation, OwnedQuerySet
from outreach.core.vocabulary import EventKind, TroubleCause


class TroubleNote(models.Model):
    """One message that came back or was reported, until it is added up; put-offs and refusals are the ledger's."""

    run = models.BigIntegerField()
    #: `Delivery.id`.
    delivery = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=EventKind.choices)
    reason = models.CharField(max_length=100, default="")
    #: The server's own words, where they were passed on.
    said = models.CharField(max_length=500, default="")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.run}-{self.delivery} {self.kind}"


class TroubleMark(models.Model):
    """How far the ledger's attempts are added up: one row (pk 1)."""

    #: `Attempt.id`.
    attempt = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.attempt)


class DomainTrouble(models.Model):
    """E-mails of one account that one domain did not take on one day, for one cause."""

    objects = OwnedQuerySet["DomainTrouble"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+", db_index=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, related_name="+")
    domain = models.CharField(max_length=260)
    cause = models.CharField(max_length=16, choices=TroubleCause.choices)
    #: Day, UTC.
    on = models.DateField()
    #: Tries that were put off; messages that were refused, came back, were reported as unwanted.
    deferred = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    returned = models.PositiveBigIntegerField(default=0)
    complained = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    #: What its server said last, without what concerns one recipient alone.
    said = models.CharField(max_length=240, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "on", "domain", "cause", "account"],
                name="domain_trouble_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.domain} {self.cause} {self.on}"
