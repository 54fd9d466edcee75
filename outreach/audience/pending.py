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
    #: '' where the confirming page's text counts.
    text_version = models.CharField(max_length=60, default="", blank=True)
    #: `form` or `api`.
    source = models.CharField(max_length=10, default="form")
    #: Host of the site whose page the form stood on; '' for ours.
    site = models.CharField(max_length=255, default="", blank=True)
    #: What was said besides: how often; by a caller of the API also name, kind, zone, region, attributes.
    profile = models.JSONField(default=dict)
    #: Truncated network address of who filled in the form; '' where it is not known.
    network = models.CharField(max_length=50, default="", blank=True)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        # The sweep goes by time, an erasure by address.
        indexes = [
            models.Index(fields=["normalised"], name="signup_by_address"),
            models.Index(fields=["created_at"], name="signup_by_time"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SignUpRules(models.Model):
    """What an organisation adds to the rules of its sign-up; it holds for those below, too."""

    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, related_name="+")
    #: Mail domains whose addresses are not taken, in alphabetical order.
    refused_domains = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"#{self.pk}"
