"""The one Django app: registers each stage's models, and what lower stages need from higher ones."""

from __future__ import annotations

from django.apps import AppConfig


class OutreachConfig(AppConfig):
    name = "outreach"
    label = "outreach"
