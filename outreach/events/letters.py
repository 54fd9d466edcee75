"""Reading an inbound e-mail in whatever state: headers in words, readable text, the headers that came back in it."""

from __future__ import annotations

import email
import re
from codecs import lookup
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses
from typing import Final

from channels.mailboxes import address_of
from outreach.events.quoting_html import text_of_html
from outreach.events.storable import storable_text

#: Header names by which a file is recognised as a message.
_HEADERS: Final = frozenset(
    {"from", "to", "subject", "date", "message-id", "received", "return-path", "content-type", "mime-version"}
)
#: Levels of parts within parts, and borders between parts, that somebody's letter may have.
DEEPEST: Final = 30
MOST_BORDERS: Final = 2000
#: Lines of a letter that is read whole, more than 25 MB of files have; each costs an object.
MOST_LINES: Final = 500_000
#: Octets in which a message says that it has parts.
_FIRST: Final = 100_000
#: Between two parts, by what follows it.
_BORDER: Final = re.compile(rb"^--(\S[^\r\n]{0,69})\r?\n(?=content-[\w-]{1,30}:)", re.I | re.M)
#: Two of these at the beginning of a text make it a message; a report's fields have other names.
_OF_A_MESSAGE: Final = frozenset({"from", "to", "subject", "message-id", "received"})
#: Longest header that is read, in characters.
_LONGEST_HEADER: Final = 20_000
#: Names of codecs that are none of texts, or take for ever over long ones.
_NO_CHARSETS: Final = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"})
_HTML: Final = re.compile(r"<(?:html|body|div|p|br|table|blockquote)\b", re.I)


def parse(content: bytes) -> Message:
    """The message; a file without headers is taken for the body of one."""
    body = content.lstrip(b"\r\n")
    if body.startswith(b"From ") and b"\n" in body:
        body = body.split(b"\n", 1)[1]
    message = _read(body)
    if {name.lower() for name in message.keys()} & _HEADERS:  # noqa: SIM118 -- a Message is no mapping
        return message
    bare = Message()
    kind = "html" if _HTML.search(content[:2000].decode("utf-8", "replace")) else "plain"
    bare["Content-Type"] = f'text/{kind}; charset="utf-8"'
    bare.set_payload(content)
    return bare


def _read(content: bytes) -> Message:
    """The message with its parts; of one that nests or splits itself up beyond reason, the headers alone.

    Of one of very many lines the beginning is read.
    """
    if content.count(b"\n") > MOST_LINES:
        content = content[: 10 * _FIRST]
    if content.count(b"\n--") > MOST_BORDERS and b"boundary" in content[:_FIRST].lower():
        return BytesParser().parsebytes(content, headersonly=True)
    try:
        message = email.message_from_bytes(content)
    except RecursionError:
        return BytesParser().parsebytes(content, headersonly=True)
    message = _with_its_border(message, content)
    return message if _depth(message) <= DEEPEST else BytesParser().parsebytes(content, headersonly=True)


def _with_its_border(message: Message, content: bytes) -> Message:
    """Cut into parts where the border between them is not the one that the header promises, or none is."""
    if message.get_content_maintype() != "multipart" or message.is_multipart():
        return message
    found = _BORDER.search(content)
    if found is None or content.count(b"\n--") > MOST_BORDERS:
        return message
    message.set_boundary(found[1].decode("ascii", "replace"))
    return email.message_from_bytes(message.as_bytes())


def parts_of(message: Message) -> list[Message]:
    """The parts within it; [] for a leaf, whose body may claim a charset that no call should be made with."""
    payload = message.get_payload() if message.is_multipart() else []
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _depth(message: Message) -> int:
    """How many levels of parts there are; without recursion, which such a message would exhaust."""
    level, depth = [message], 0
    while level and depth <= DEEPEST:
        level = [part for each in level for part in parts_of(each)]
        depth += 1
    return depth


def decode_header_text(value: str | Header) -> str:
    """RFC 2047 in words, and what stands there bare, as old servers and those of RFC 6532 write it."""
    try:
        pieces = decode_header(value if isinstance(value, Header) else _unfold(value))
    except (HeaderParseError, ValueError):
        return _unfold(str(value))
    return _unfold("".join(_decode(piece, charset) for piece, charset in pieces)).strip()


def header(message: Message, name: str) -> str:
    """A header in words, '' where there is none."""
    value = message.get(name, "")
    return decode_header_text(value if len(str(value)) < _LONGEST_HEADER else str(value)[:_LONGEST_HEADER])


def _unfold(value: str) -> str:
    lines = re.split(r"[\r\n]+", value[:_LONGEST_HEADER])
    return lines[0] if len(lines) == 1 else " ".join(line.strip() for line in lines).strip()


def sender_of(message: Message) -> str:
    """The bare address of who wrote it."""
    return address_of(header(message, "From"))[:320]


def recipients_of(message: Message) -> list[str]:
    """Bare addresses that it came to, the envelope's first."""
    values = [
        str(v)[:_LONGEST_HEADER]
        for name in ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
        for v in message.get_all(name, [])
    ]
    try:
        return [address for _, address in getaddresses(values) if "@" in address]
    except RecursionError:
        return []


def text_of(message: Message) -> str:
    """The first readable text, of alternatives the plain one; of HTML its text."""
    return next((text for text in _texts(message) if text.strip()), "")


def _texts(message: Message) -> Iterator[str]:
    kind = message.get_content_type()
    if not message.is_multipart():
        if kind == "text/plain":
            yield payload_text(message)
        elif kind == "text/html":
            yield text_of_html(payload_text(message))
    elif message.get_content_maintype() != "message":
        parts = parts_of(message)
        if kind == "multipart/alternative":
            parts = sorted(parts, key=lambda part: part.get_content_type() != "text/plain")
        yield from (text for part in parts for text in _texts(part))


def payload_text(part: Message) -> str:
    """A part's body in words, whatever charset it claims."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    return _decode(data, part.get_content_charset())


def returned_headers(message: Message) -> Message | None:
    """The headers of our own message where it came back, whole or its headers alone, or as a text of its own."""
    for part in message.walk():
        kind = part.get_content_type()
        if kind in {"message/rfc822", "message/global"} and (inner := parts_of(part)):
            return inner[0]
        if kind == "text/rfc822-headers":
            return email.message_from_string(payload_text(part))
        if kind in {"message/rfc822-headers", "message/global-headers"}:
            return email.message_from_string(inner_text(part))
    texts = (payload_text(part) for part in own_parts(message)[1:] if part.get_content_type() == "text/plain")
    found = (email.message_from_string(text[:_FIRST].lstrip()) for text in texts)
    return next((inner for inner in found if sum(name in inner for name in _OF_A_MESSAGE) > 1), None)


def inner_text(part: Message) -> str:
    """The text of a part that is no message but whose type begins with `message/`, so that the parser took it for one.

    Such parts may be encoded, where a message may not (RFC 6533, sections 3 and 4).
    """
    inner = next(iter(parts_of(part)), None)
    if inner is None:
        return payload_text(part)
    lines = "".join([f"{name}: {value}\n" for name, value in inner.raw_items()])
    body = inner.get_payload(decode=True)
    octets = f"{lines}\n".encode("utf-8", "surrogateescape") + (body if isinstance(body, bytes) else b"")
    whole = Message()
    whole["Content-Type"] = "text/plain; charset=utf-8"
    whole["Content-Transfer-Encoding"] = str(part.get("Content-Transfer-Encoding", "8bit"))
    whole.set_payload(octets.decode("ascii", "surrogateescape"))
    return payload_text(whole)


def own_parts(message: Message) -> list[Message]:
    """Parts of this message, none of a message within it."""
    if not message.is_multipart():
        return [message]
    if message.get_content_maintype() == "message":
        return []
    return [leaf for part in parts_of(message) for leaf in own_parts(part)]


def kinds_of(message: Message) -> set[str]:
    """Content types of this message and its parts, none of a message within it."""
    inner = [] if message.get_content_maintype() == "message" else parts_of(message)
    return {message.get_content_type()}.union(*(kinds_of(part) for part in inner))


def _decode(data: bytes | str, charset: str | None) -> str:
    """Text that can be kept: some charsets (UTF-7) spell halves of characters, and any may spell NUL."""
    if isinstance(data, str):
        return storable_text(data)
    for name in (charset or "utf-8", "utf-8", "windows-1251"):
        try:
            if lookup(name).name in _NO_CHARSETS:
                continue
            return storable_text(data.decode(name))
        except (LookupError, ValueError):
            continue
    return storable_text(data.decode("utf-8", "replace"))
