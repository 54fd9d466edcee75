"""What the texts of messages may say of a person."""

from __future__ import annotations

from typing import Any

from outreach.audience.models import Subscriber


def person_facts(person: Subscriber) -> dict[str, Any]:
    """What a template may see of a person."""
    return {
        "id": person.pk,
        "name": person.name,
        "kind": person.kind,
        "language": person.language,
        "attributes": person.attributes,
    }
