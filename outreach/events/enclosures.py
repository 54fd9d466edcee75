"""Files that came with a letter: which of them are kept, by what they are and not by what they are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Final

import nh3

from outreach.events.letters import decode_header_text, own_parts, payload_text

#: Octets of one file, and of all that are kept of one letter; files that are looked at.
LARGEST: Final = 10 * 1024 * 1024
MOST_TOGETHER: Final = 20 * 1024 * 1024
MOST_FILES: Final = 20
#: Characters of a letter's HTML that are kept.
LONGEST_HTML: Final = 200_000

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
#: First octets -> what such a file is given out as; of packed office files the name's ending says which.
_KINDS: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_PACKED: Final = {
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
_PLAIN: Final = {"txt": "text/plain", "csv": "text/csv"}


@dataclass(frozen=True, kw_only=True)
class Enclosure:
    """One file of a letter."""

    name: str
    #: '' for one that is not kept.
    kind: str
    size: int
    content: bytes = b""


def enclosures_of(message: Message) -> list[Enclosure]:
    """The letter's files; one of a type that nobody needs, or too large, is named without its content."""
    kept, room = [], MOST_TOGETHER
    for part in list(_files(message))[:MOST_FILES]:
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        name = _name_of(part)
        kind = _kind_of(content, name) if 0 < len(content) <= min(LARGEST, room) else ""
        room -= len(content) if kind else 0
        kept.append(Enclosure(name=name, kind=kind, size=len(content), content=content if kind else b""))
    return kept


def html_of(message: Message) -> str:
    """The letter as its author laid it out, without anything that runs, loads or sends; '' where it has no HTML."""
    rich = next((part for part in own_parts(message) if part.get_content_type() == "text/html"), None)
    if rich is None or rich.get_filename():
        return ""
    source = payload_text(rich)
    return nh3.clean(source, tags=nh3.ALLOWED_TAGS - {"img"}) if len(source) <= LONGEST_HTML else ""


def _files(message: Message) -> Iterator[Message]:
    for part in own_parts(message):
        is_named = bool(part.get_filename())
        is_beside = part.get_content_maintype() != "text" or part.get_content_disposition() == "attachment"
        if is_named or (is_beside and part is not message):
            yield part


def _name_of(part: Message) -> str:
    """Bare of folders and of what a header or a screen could stumble over."""
    name = decode_header_text(part.get_filename() or "").replace("\\", "/").rpartition("/")[2]
    return re.sub(r"[^\w .,()+-]", "_", name).strip(" .")[-120:] or "file"


def _kind_of(content: bytes, name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    if content.startswith(b"PK\x03\x04"):
        return _PACKED.get(ending, "")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    found = next((kind for start, kind in _KINDS if content.startswith(start)), "")
    return found or (_PLAIN.get(ending, "") if b"\0" not in content[:1000] else "")
