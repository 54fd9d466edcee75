"""What goes with an e-mail beside its texts, made once a content: the calendar entry, pictures shown from within."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from channels.base import Part
from outreach.delivery.calendar_part import calendar_part
from outreach.delivery.compile import CompiledContent
from outreach.delivery.markup import content_id

#: Bytes of pictures that may go within one e-mail: everybody's mailbox keeps them, and each copy is sent by itself.
MOST_ATTACHED: Final = 500_000


def parts_of(compiled: CompiledContent, frozen: Mapping[str, Any], *, host: str, organiser: str) -> tuple[Part, ...]:
    """The parts of a content; `organiser` is the address that answers about the event."""
    entry = compiled.source.entry
    calendar = (
        [calendar_part(entry, host=host, organiser=organiser, organisation=compiled.source.organisation)]
        if entry
        else []
    )
    return (*_pictures(compiled, frozen), *calendar)


def _pictures(compiled: CompiledContent, frozen: Mapping[str, Any]) -> list[Part]:
    kept = frozen.get("pictures", {})
    return [
        Part(
            name=key,
            media_type=kept[key]["type"],
            data=base64.b64decode(kept[key]["data"]),
            content_id=content_id(key),
        )
        for key in compiled.source.attached
        if f"cid:{content_id(key)}" in compiled.sources[0]
    ]
