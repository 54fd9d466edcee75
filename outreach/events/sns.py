"""Notifications of Amazon SES as SNS mails them: JSON in a letter, with a footer below. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

#: What begins one, whole or packed into the envelope of SNS; mail programs fold its lines.
_BEGINS: Final = re.compile(r"^\s*(\{.{0,2000}?\\?\"notificationType\\?\")", re.S)
_LONGEST: Final = 200_000
#: Subtypes of bounces -> what a server would have said.
WORDS_OF: Final = {
    "NoEmail": "no such address",
    "MailboxFull": "mailbox full",
    "MessageTooLarge": "message too large",
    "ContentRejected": "content rejected",
    "AttachmentRejected": "attachment not permitted",
}


def read_notification(text: str) -> Mapping[str, Any] | None:
    """What Amazon tells, by its `notificationType`; None for a letter of anybody else."""
    if not _BEGINS.match(text):
        return None
    try:
        found, _end = json.JSONDecoder().raw_decode(re.sub(r"\r?\n ?", "", text[:_LONGEST]).lstrip())
        packed = found.get("Message")
        told = json.loads(packed) if isinstance(packed, str) else found
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and isinstance(told.get("notificationType"), str) else None


def recipients_in(told: Mapping[str, Any], what: str, people: str) -> list[Mapping[str, Any]]:
    """Whom it is about: `what` is its part (`bounce`), `people` the list in it (`bouncedRecipients`)."""
    part = told.get(what)
    found = part.get(people) if isinstance(part, dict) else None
    return [each for each in found or [] if isinstance(each, dict)] if isinstance(found, list) else []
