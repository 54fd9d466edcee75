"""Secrets under which a service signs its calls to us: shown once, kept encrypted, withdrawn one by one.

A service may have several, so that one takes the place of another without a call being lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.models import Service
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.call_signatures import make_secret
from outreach.core.errors import StateConflict
from outreach.core.models import Organisation, OwnedQuerySet, User
from outreach.core.secrets import seal, unseal
from outreach.core.vocabulary import Permission

#: Secrets that a service has at once: each is tried for each call.
MOST: Final = 5
#: Letters at its end by which a secret is told from others.
_SHOWN: Final = 6
#: How exactly `last_used_at` is kept.
_SEEN_EVERY: Final = timedelta(minutes=1)


class TooManySecrets(StateConflict):
    """The service has as many secrets as it may."""

    message = _("A service has at most 5 secrets. Withdraw one first.")


class CallSecret(models.Model):
    """One secret of a service."""

    objects = OwnedQuerySet["CallSecret"].as_manager()

    #: Where it was made: what it signs is about campaigns and people of this organisation and those below.
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="call_secrets")
    #: `{secret}`, encrypted by `core.secrets`.
    sealed = models.BinaryField()
    #: Its last letters.
    ending = models.CharField(max_length=10)
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"…{self.ending}"

    @property
    def text(self) -> str:
        """The secret itself.

        Raises:
            NotOurKey
        """
        return str(unseal(self.sealed)["secret"])

    def note_use(self) -> None:
        now = clock.now()
        if self.last_used_at is None or self.last_used_at < now - _SEEN_EVERY:
            CallSecret.objects.filter(pk=self.pk).update(last_used_at=now)


@transaction.atomic
def make_call_secret(actor: Actor, service: Service) -> tuple[CallSecret, str]:
    """A new secret of the service, and its text, which nobody is shown again.

    Raises:
        Forbidden
        TooManySecrets
    """
    actor.require(Permission.EDIT_SERVICES)
    Service.objects.select_for_update().get(pk=service.pk)
    if living_secrets(service).count() >= MOST:
        raise TooManySecrets
    text = make_secret()
    row = CallSecret.objects.create(
        organisation=actor.organisation,
        service=service,
        sealed=seal({"secret": text}),
        ending=text.rstrip("=")[-_SHOWN:],
        made_by=actor.user,
    )
    audit.record(actor, "service.secret_made", service, secret=row.pk)
    return row, text


@transaction.atomic
def withdraw_call_secret(actor: Actor, secret: CallSecret) -> None:
    """Nothing that it signs is believed from now on. The second time changes nothing.

    Raises:
        Forbidden
    """
    actor.require(Permission.EDIT_SERVICES)
    living = CallSecret.objects.filter(pk=secret.pk, withdrawn_at=None)
    if living.update(withdrawn_at=clock.now(), sealed=b""):
        audit.record(actor, "service.secret_withdrawn", secret.service, secret=secret.pk)


def living_secrets(service: Service) -> models.QuerySet[CallSecret]:
    """Those that are believed, the newest first."""
    return CallSecret.objects.filter(service=service, withdrawn_at=None).order_by("-pk")
