"""What the texts of messages may say of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outreach.audience.models import Subscriber

#: Of somebody of whom nothing is known.
NOBODY: Final[Mapping[str, Any]] = {"name": "", "kind": "", "language": "", "attributes": {}}


def person_facts(person: Subscriber) -> dict[str, Any]:
    """What a template may see of a person."""
    return {
        "id": person.pk,
        "name": person.name,
        "kind": person.kind,
        "language": person.language,
        "attributes": person.attributes,
    }
