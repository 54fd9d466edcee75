"""The audit: one entry for each change, written in the transaction of the change."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from outreach.core.access import Actor
from outreach.core.models import AuditEntry, Organisation


def record(
    actor: Actor, action: str, subject: Model, *, organisation: Organisation | None = None, **facts: Any
) -> None:
    """Write that `actor` did `action` (`campaign.started`) to `subject`; facts never hold a secret, address or body."""
    AuditEntry.objects.create(
        organisation=organisation or getattr(subject, "organisation", None) or actor.organisation,
        user=actor.user,
        token=actor.token,
        action=action,
        noun=subject._meta.model_name or "",
        noun_id=str(subject.pk),
        facts=facts,
    )
