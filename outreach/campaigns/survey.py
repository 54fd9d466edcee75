"""A survey: a few questions about one e-service, which a message leads to. Rows, and how its questions are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from json import dumps
from typing import Any

from django.db import models

from outreach.campaigns.models import Service
from outreach.core.models import Organisation, OwnedQuerySet, in_language
from outreach.core.vocabulary import SurveyQuestion


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question of a survey."""

    kind: SurveyQuestion
    #: In each language; empty for the usual words of the kind.
    text: Mapping[str, str]
    #: What a choice is from, each in each language.
    options: tuple[Mapping[str, str], ...] = ()

    def option_names(self, language: str) -> list[str]:
        return [in_language(dict(option), language) for option in self.options]


class Survey(models.Model):
    """A few questions about a service. From the first answer on its questions stay as they are."""

    objects = OwnedQuerySet["Survey"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="surveys")
    title = models.JSONField(default=dict)
    #: [{"kind", "text": {language: ...}, "options": [{language: ...}]}], in the order in which they are asked.
    questions = models.JSONField(default=list)
    is_open = models.BooleanField(default=True)
    first_answer_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return in_language(self.title) or str(self.pk)

    @property
    def items(self) -> list[Item]:
        return [_item(question) for question in self.questions]

    @property
    def mark(self) -> str:
        """Tells these questions from any others, so that an answer is not taken for one to what was asked later."""
        asked = dumps([self.pk, self.questions], sort_keys=True).encode()
        return blake2b(asked, digest_size=8).hexdigest()


def _item(kept: Mapping[str, Any]) -> Item:
    return Item(kind=SurveyQuestion(kept["kind"]), text=kept.get("text", {}), options=tuple(kept.get("options", ())))


def open_survey(service_slug: str) -> Survey | None:
    """The survey that messages about the service lead to: the newest that is open."""
    open_ones = Survey.objects.filter(service__slug=service_slug, is_open=True)
    return open_ones.select_related("organisation", "service").order_by("-pk").first()


__all__ = ["Item", "Survey", "open_survey"]
