"""The ground: organisations and their people, accounts, audit, alerts, and what the installation knows of itself."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from outreach.core.vocabulary import (
    AccountState,
    ApprovalPolicy,
    Language,
    OrganisationKind,
    Role,
    UnknownPolicy,
)

M = TypeVar("M", bound=models.Model)


def in_language(texts: dict[str, str], language: str | None = None) -> str:
    """The text in the asked or active language, else in any."""
    wanted = (language or get_language() or "en")[:2]
    return texts.get(wanted) or next((text for text in texts.values() if text), "")


class OwnedQuerySet(models.QuerySet[M]):
    """Rows that belong to an organisation: the only way to reach them is through it."""

    #: Lookup path from the row to its organisation.
    owner = "organisation"

    def for_organisation(self, organisation: Organisation) -> Self:
        """Rows of the organisation and of everything below it in the tree."""
        return self.filter(**{f"{self.owner}__path__startswith": organisation.path})


class Organisation(models.Model):
    """A node of the tree council -> ministries -> municipalities."""

    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    #: Ids from the root to this node, each followed by '/': `1/4/9/`. A subtree is a prefix.
    path = models.CharField(max_length=200, db_index=True, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    #: {"bg": ..., "en": ...}
    name = models.JSONField(default=dict)
    kind = models.CharField(max_length=20, choices=OrganisationKind.choices, default=OrganisationKind.OTHER)
    approval = models.CharField(max_length=10, choices=ApprovalPolicy.choices, default=ApprovalPolicy.NONE)
    timezone = models.CharField(max_length=50, default="Europe/Sofia")
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.BULGARIAN)
    #: The minute of the reader's day at which digests come, and the day of the weekly ones, Monday being 0.
    digest_minute = models.PositiveSmallIntegerField(default=480, db_default=480)
    digest_weekday = models.PositiveSmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("path",)
        indexes = [models.Index(fields=["path"], name="organisation_subtree", opclasses=["varchar_pattern_ops"])]

    def __str__(self) -> str:
        return in_language(self.name) or self.slug

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        path = f"{self.parent.path if self.parent else ''}{self.pk}/"
        if path != self.path:
            self.path = path
            super().save(update_fields=["path"])

    def subtree(self) -> models.QuerySet[Organisation]:
        return Organisation.objects.filter(path__startswith=self.path)

    def ancestor_ids(self) -> list[int]:
        """Ids from this node up to the root."""
        return [int(part) for part in reversed(self.path.rstrip("/").split("/"))]

    def contains(self, other: Organisation) -> bool:
        return other.path.startswith(self.path)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user


class User(AbstractBaseUser):
    """Somebody who logs in."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150)
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.BULGARIAN)
    #: IANA zone in which times are shown; '' for the organisation's.
    timezone = models.CharField(max_length=50, default="", blank=True)
    #: `system`, `light` or `dark`.
    theme = models.CharField(max_length=10, default="system")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    objects = UserManager()

    def __str__(self) -> str:
        return self.name or self.email


class Membership(models.Model):
    """A user's role at a node of the tree; it holds for the whole subtree. Code calls it a Member."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "organisation", "role"], name="one_role_once")]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class ApiToken(models.Model):
    """A bearer token of the API: acts as a member of its own. Only the SHA-256 of the token is kept."""

    objects = OwnedQuerySet["ApiToken"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="tokens")
    role = models.CharField(max_length=20, choices=Role.choices)
    name = models.CharField(max_length=100, default="")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name or f"token {self.pk}"


class Account(models.Model):
    """An adapter and its credentials, owned by an organisation and usable by everything below it."""

    objects = OwnedQuerySet["Account"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="accounts")
    adapter = models.CharField(max_length=40)
    #: The adapter's kind, copied, so that SQL can choose by channel.
    channel = models.CharField(max_length=10)
    name = models.CharField(max_length=100)
    #: What may be seen.
    settings = models.JSONField(default=dict)
    #: What may not: JSON, encrypted by `core.secrets`.
    sealed = models.BinaryField(default=b"")
    unknown_policy = models.CharField(max_length=10, choices=UnknownPolicy.choices)
    state = models.CharField(max_length=10, choices=AccountState.choices, default=AccountState.ACTIVE)
    #: Its part among the accounts of a channel that messages are split over; 0: only where the others are in trouble.
    weight = models.PositiveSmallIntegerField(default=1, db_default=1)
    #: What is left of its weight, 0.1 to 1: lowered by itself while its provider is slow, and raised again slowly.
    share = models.FloatField(default=1.0, db_default=1.0)
    #: When the share changed last.
    share_at = models.DateTimeField(null=True)
    #: Since when it is paused, rests again and again, or is slow.
    trouble_since = models.DateTimeField(null=True)
    #: Why it is paused, in words, with the remedy.
    trouble = models.TextField(default="", blank=True)
    #: Until when nobody tries, since the provider could not be reached or asked everybody to come later.
    rest_until = models.DateTimeField(null=True)
    #: Rests since its last accepted message: each is longer than the one before.
    rests = models.SmallIntegerField(default=0)
    #: Messages a minute over all workers; 0 for no limit.
    rate_per_minute = models.PositiveIntegerField(default=0)
    #: Recipients' domain -> messages a minute; `*` for each domain that is not named.
    domain_rates = models.JSONField(default=dict)
    #: A ramp for a new sender: `starts_on`, `first_day`, `growth`, `days` (delivery.pacing.WarmUp); {} for none.
    warm_up = models.JSONField(default=dict)
    #: Unguessable part of its hook URLs.
    hook_key = models.CharField(max_length=40, unique=True)
    #: Preferred among accounts of the channel where a content names none.
    is_default = models.BooleanField(default=True)
    #: Whether it speaks to the demonstration's local peers.
    is_sandbox = models.BooleanField(default=False)
    #: Where the reading of its inbound mailbox or mentions stands.
    inbound_position = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="account_name_once")]

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """Who changed what, when; append-only."""

    objects = OwnedQuerySet["AuditEntry"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="audit")
    #: Who: the user, or the token, or neither for the product itself.
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True)
    #: `campaign.started`, `account.changed` ...
    action = models.CharField(max_length=60)
    #: `campaign`, `account` ... and its id.
    noun = models.CharField(max_length=40)
    noun_id = models.CharField(max_length=40)
    #: What changed; never a secret, an address or a body.
    facts = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["organisation", "-at"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.action} {self.noun} {self.noun_id}"


class Alert(models.Model):
    """Something an operator or manager has to know, in plain words, with the remedy; open until resolved."""

    objects = OwnedQuerySet["Alert"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="alerts")
    #: `account_paused`, `run_held`, `batch_parked` ...; the console words it by this code.
    code = models.CharField(max_length=40)
    #: What the words need: names, counts, times.
    facts = models.JSONField(default=dict)
    #: The noun and id that the remedy's button opens.
    noun = models.CharField(max_length=40)
    noun_id = models.CharField(max_length=40)
    raised_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "noun", "noun_id"], condition=Q(resolved_at=None), name="one_open_alert"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.noun} {self.noun_id}"


class Installation(models.Model):
    """What this installation knows of itself: one row (pk 1)."""

    #: Of the PostgreSQL that we last saw: a restored or promoted database has others.
    system_identifier = models.CharField(max_length=30, default="")
    timeline = models.IntegerField(default=0)
    #: Written by beat each minute.
    alive_at = models.DateTimeField(null=True)
    #: When digests were looked for last.
    digests_at = models.DateTimeField(null=True)
    #: From when to when nobody looked, the last time that this was too long. What was due by then asks before it is
    #: told: where a copy of the database was restored, it may have been told before.
    digests_missed_from = models.DateTimeField(null=True)
    digests_missed_to = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    #: When the demonstration was loaded; null where it was not.
    demonstration_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(_("This installation"))


class IdempotencyKey(models.Model):
    """What an unsafe API call with an Idempotency-Key answered, kept for a day."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE)
    key = models.CharField(max_length=200)
    #: SHA-256 of method, path and body.
    fingerprint = models.CharField(max_length=64)
    #: Null while the first call is in flight.
    status = models.IntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key


class Tally(models.Model):
    """How often somebody asked for something in an hour or a day of the clock. Who, is not kept."""

    #: MAC of what is counted.
    key = models.CharField(max_length=32)
    since = models.DateTimeField()
    count = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "since"], name="tally_once")]
        indexes = [models.Index(fields=["since"], name="tally_by_time")]

    def __str__(self) -> str:
        return f"#{self.pk}"
