"""The one Django app: registers each stage's models, and what lower stages need from higher ones."""

from __future__ import annotations

from django.apps import AppConfig


class OutreachConfig(AppConfig):
    name = "outreach"
    label = "outreach"

    def ready(self) -> None:
        # Models are there only now.
        from outreach.delivery import digests, merging, notices  # noqa: PLC0415 -- needs the models
        from outreach.events import erasure, receiving, segment_facts, signups, sleepy_facts  # noqa: PLC0415 -- needs the models

        digests.register()
        merging.register()
        notices.register()
        erasure.register()
        receiving.register()
        segment_facts.register()
        sleepy_facts.register()
        signups.register()
