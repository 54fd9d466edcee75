"""Alerts: what an operator has to know, raised once while it lasts and resolved when it is over."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from outreach.core import clock
from outreach.core.models import Alert, Organisation


def raise_alert(code: str, subject: Model, /, *, organisation: Organisation, **facts: Any) -> None:
    """Open an alert about `subject`, or refresh the facts of the one that is open."""
    Alert.objects.update_or_create(
        code=code,
        noun=subject._meta.model_name or "",
        noun_id=str(subject.pk),
        resolved_at=None,
        defaults={"facts": facts},
        create_defaults={"facts": facts, "organisation": organisation},
    )


def resolve_alerts(subject: Model, *codes: str) -> None:
    """Close the open alerts of these codes about `subject`."""
    Alert.objects.filter(
        code__in=codes, noun=subject._meta.model_name or "", noun_id=str(subject.pk), resolved_at=None
    ).update(resolved_at=clock.now())
