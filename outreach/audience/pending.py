"""Sign-ups that nobody confirmed yet: an address that somebody typed, which need not be its owner.

Nothing else of the product reads them. They make no subscriber until the link in the confirming e-mail is used.
"""

from __future__ import annotations

from django.db import models

from outreach.core.models import Organisation
from outreach.core.vocabulary import Language


class SignUp(models.Model):
    """What was asked for in a sign-up form."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    #: As it was typed.
    value = models.CharField(max_length=320)
    normalised = models.CharField(max_length=320)
    language = models.CharField(max_length=5, choices=Language.choices)
    #: Slugs.
    topics = models.JSONField(default=list)
    text_version = models.CharField(max_length=60)
    #: Truncated network address of who filled in the form; '' where it is not known.
    network = models.CharField(max_length=50, default="", blank=True)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        # How much came for an address and from a network lately; the sweep goes by time.
        indexes = [
            models.Index(fields=["organisation", "normalised", "created_at"], name="signup_by_address"),
            models.Index(fields=["network", "created_at"], name="signup_by_network"),
            models.Index(fields=["created_at"], name="signup_by_time"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
