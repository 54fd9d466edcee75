"""Assembles RFC 5322 messages from ready texts; knows nothing of templates, links or consent.

On the sending path a `Skeleton` is built once for each content and filled once for each recipient:

    skeleton = Skeleton(sender="Новини <news@example.org>", language="bg")
    raw = skeleton.fill(to="ana@example.org", subject="Здравей", text=..., html=..., message_id="1.2@example.org",
                        headers=(("List-Unsubscribe", "<https://...>"),))

The result is `Message.raw`: CRLF, not dot-stuffed, no line over 998 octets, UTF-8 as 8bit where it can be. Everything
else goes through `assemble`, which makes the same from a whole `Message`.
"""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Iterable
from datetime import datetime
from email.header import Header
from email.message import Message as ParsedMessage
from email.parser import BytesParser
from email.policy import compat32
from email.utils import format_datetime, formatdate
from functools import lru_cache
from hashlib import sha256
from typing import Final

from channels.base import Message, Part, UnsupportedContent
from channels.mailboxes import header_form

#: RFC 5321, 4.5.3.1.6, without the CRLF.
LONGEST_LINE: Final = 998

_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_FORBIDDEN_IN_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FORBIDDEN_IN_ID: Final = re.compile(r"[^!-;=?-~]")
#: Keeps an encoded word within 75 characters and its line within 78, beside a short name.
_OCTETS_IN_WORD: Final = 39
#: Longest ASCII value that goes on one line beside the longest name.
_LONGEST_PLAIN: Final = LONGEST_LINE - 80
_ALTERNATIVE: Final = (
    b'Content-Type: multipart/alternative; boundary="%b"\r\nContent-Transfer-Encoding: %b\r\n\r\n--%b\r\n'
)
_PART_HEAD: Final = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n"
#: What is around the alternatives where files are attached, and around the HTML where it shows pictures. Their
#: boundaries hold that of the alternatives, so that whoever looks for it in a text has looked for all three; none
#: begins another, since a boundary is found at a line's beginning (RFC 2046, 5.1.1).
_MIXED: Final = b'Content-Type: multipart/mixed; boundary="m%b"\r\nContent-Transfer-Encoding: %b\r\n\r\n--m%b\r\n'
_RELATED: Final = (
    b'Content-Type: multipart/related; type="text/html"; boundary="r%b"\r\n'
    b"Content-Transfer-Encoding: %b\r\n\r\n--r%b\r\n"
)


class Skeleton:
    """What all messages of one content share, already encoded."""

    def __init__(
        self,
        *,
        sender: str,
        reply_to: str = "",
        language: str = "",
        headers: Iterable[tuple[str, str]] = (),
        parts: Iterable[Part] = (),
    ) -> None:
        """Encode the fixed part.

        Raises:
            UnsupportedContent: the sender is no address, or a header cannot be written.
        """
        fixed = [_line("From", header_form(sender))]
        if reply_to:
            fixed.append(_line("Reply-To", header_form(reply_to)))
        if language:
            fixed.append(encode_header("Content-Language", language))
        fixed.extend(encode_header(name, value) for name, value in headers)
        fixed.append(b"MIME-Version: 1.0\r\n")
        self.fixed = b"".join(fixed)
        self.boundary = b"=_" + sha256(self.fixed).hexdigest()[:30].encode()
        parts = tuple(parts)
        self._shown = tuple(_file(part) for part in parts if part.content_id)
        self._attached = tuple(_file(part) for part in parts if not part.content_id)

    def fill(
        self,
        *,
        to: str,
        subject: str,
        text: str,
        html: str = "",
        message_id: str = "",
        headers: Iterable[tuple[str, str]] = (),
        date: datetime | None = None,
    ) -> bytes:
        """One whole message as bytes: text and HTML as alternatives, or the one of them that there is.

        Raises:
            UnsupportedContent: the address, the id or a header would break the message.
        """
        lines = [self.fixed, to_line(to), encode_header("Subject", subject), date_line(date)]
        if message_id:
            lines.append(id_line(message_id))
        lines.extend([encode_header(name, value) for name, value in headers])
        lines.append(self._body(text, html))
        return b"".join(lines)

    def _body(self, text: str, html: str) -> bytes:
        plain, rich = _part(b"plain", text), _part(b"html", html)
        boundary = self.boundary
        while boundary in plain or boundary in rich:
            boundary = b"=_" + sha256(boundary).hexdigest()[:30].encode()
        if not (text and html):
            return self._alone(rich if html else plain, boundary)
        opening, between, closing = self._around(boundary, text_is_ascii=plain.isascii(), html_is_ascii=rich.isascii())
        return b"".join((opening, plain, between, rich, closing))

    def _alone(self, part: bytes, boundary: bytes) -> bytes:
        if not self._attached:
            return part
        encoding = _encoding(is_ascii=part.isascii())
        return _MIXED % (boundary, encoding, boundary) + part + _ended(b"m" + boundary, self._attached)

    def _around(self, boundary: bytes, *, text_is_ascii: bool, html_is_ascii: bool) -> tuple[bytes, bytes, bytes]:
        """What stands before the text part, between it and the HTML part, and behind."""
        whole = _encoding(is_ascii=text_is_ascii and html_is_ascii)
        opening = _ALTERNATIVE % (boundary, whole, boundary)
        between, closing = b"--%b\r\n" % boundary, b"--%b--\r\n" % boundary
        if self._shown:
            between += _RELATED % (boundary, _encoding(is_ascii=html_is_ascii), boundary)
            closing = _ended(b"r" + boundary, self._shown) + closing
        if self._attached:
            opening = _MIXED % (boundary, whole, boundary) + opening
            closing += _ended(b"m" + boundary, self._attached)
        return opening, between, closing

    def frame(self, *, text_is_ascii: bool, html_is_ascii: bool) -> tuple[bytes, bytes, bytes]:
        """What stands before the text, between it and the HTML, and behind: all without a long line, none in base64."""
        opening, between, closing = self._around(
            self.boundary, text_is_ascii=text_is_ascii, html_is_ascii=html_is_ascii
        )
        heads = [
            _PART_HEAD % (subtype, _encoding(is_ascii=is_ascii))
            for subtype, is_ascii in ((b"plain", text_is_ascii), (b"html", html_is_ascii))
        ]
        return opening + heads[0], b"\r\n" + between + heads[1], b"\r\n" + closing


def assemble(message: Message, *, sender: str = "") -> bytes:
    """The message as bytes; `sender` is the account's, for a message that names none.

    Raises:
        UnsupportedContent: something of it cannot be written into an e-mail.
    """
    skeleton = _skeleton(message.sender or sender, message.reply_to, message.language, message.parts)
    answered = f"<{message.in_reply_to.strip('<>')}>"
    threading = (("In-Reply-To", answered), ("References", answered))
    return skeleton.fill(
        to=message.to,
        subject=message.subject,
        text=message.text,
        html=message.html,
        message_id=message.message_id,
        headers=(*message.headers, *(threading if message.in_reply_to else ())),
    )


def encode_header(name: str, value: str) -> bytes:
    """One header line with its CRLF; what is not ASCII becomes encoded words (RFC 2047).

    Raises:
        UnsupportedContent: the name is none, or the value holds CR, LF or another control character.
    """
    value = value.strip()
    # isprintable() is False for every control character, so the plain case needs no pattern.
    if value.isascii() and value.isprintable() and len(value) < _LONGEST_PLAIN and "=?" not in value:
        return _line(_checked_name(name), value)
    return _encode_unusual(_checked_name(name), value)


@lru_cache(maxsize=256)
def _checked_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise UnsupportedContent(f"{name[:80]!r} is not a header's name.", reason="unsupported")
    return name


def _encode_unusual(name: str, value: str) -> bytes:
    if _FORBIDDEN_IN_VALUE.search(value):
        raise UnsupportedContent(f"The header {name} must not hold line ends.", reason="unsupported")
    if value.isascii() and "=?" not in value:
        return _line(name, Header(value, header_name=name).encode(linesep="\r\n"))
    return _line(name, "\r\n ".join(_encoded_words(value.encode("utf-8", "replace"))))


def _encoded_words(octets: bytes) -> list[str]:
    """RFC 2047 by hand: the standard library takes 100 microseconds for a personalised subject, this takes 2."""
    if len(octets) <= _OCTETS_IN_WORD:
        return [f"=?utf-8?b?{binascii.b2a_base64(octets, newline=False).decode()}?="]
    end = _OCTETS_IN_WORD
    while octets[end] & 0xC0 == 0x80:  # never inside of a character
        end -= 1
    return _encoded_words(octets[:end]) + _encoded_words(octets[end:])


def needs_eight_bits(raw: bytes) -> bool:
    """Whether only a server with 8BITMIME may get these bytes."""
    return not raw.isascii()


def to_seven_bits(raw: bytes) -> bytes:
    """The same message for a server without 8BITMIME: parts in base64. A signature over the old bytes breaks."""
    parsed = BytesParser(policy=compat32).parsebytes(raw)
    for part in parsed.walk():
        _encode_part(part)
    return parsed.as_bytes(policy=compat32.clone(linesep="\r\n", max_line_length=0, mangle_from_=False))


def _encode_part(part: ParsedMessage) -> None:
    if part.is_multipart():
        if "content-transfer-encoding" in part:
            part.replace_header("content-transfer-encoding", "7bit")
        return
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes) and not payload.isascii():
        del part["content-transfer-encoding"]
        part["Content-Transfer-Encoding"] = "base64"
        part.set_payload(_base64_lines(payload).decode("ascii"))


@lru_cache(maxsize=64)
def _skeleton(sender: str, reply_to: str, language: str, parts: tuple[Part, ...]) -> Skeleton:
    return Skeleton(sender=sender, reply_to=reply_to, language=language, parts=parts)


def _file(part: Part) -> bytes:
    """An attached file or a shown picture; base64 whatever it holds, so that no line is long or begins with a dot."""
    shown = part.content_id
    lines = [
        encode_header("Content-Type", f'{part.media_type}; name="{part.name}"'),
        encode_header("Content-Disposition", f'{"inline" if shown else "attachment"}; filename="{part.name}"'),
        *([_line("Content-ID", f"<{shown}>")] if shown else []),
        b"Content-Transfer-Encoding: base64\r\n\r\n",
    ]
    return b"".join((*lines, _base64_lines(part.data), b"\r\n"))


def _ended(boundary: bytes, files: Iterable[bytes]) -> bytes:
    """The files, each behind the boundary, and the end of what they are in."""
    return b"".join(b"--%b\r\n%b" % (boundary, file) for file in files) + b"--%b--\r\n" % boundary


def _part(subtype: bytes, text: str) -> bytes:
    body = _with_crlf(text.encode("utf-8", "replace"))
    if _has_long_line(body):
        encoding, body = b"base64", _base64_lines(body)
    else:
        encoding = _encoding(is_ascii=body.isascii())
    return _PART_HEAD % (subtype, encoding) + body.removesuffix(b"\r\n") + b"\r\n"


def _encoding(*, is_ascii: bool) -> bytes:
    return b"7bit" if is_ascii else b"8bit"


def _with_crlf(body: bytes) -> bytes:
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return body.replace(b"\x00", b"").replace(b"\n", b"\r\n")


def _has_long_line(body: bytes) -> bool:
    """Leaps from line end to line end, as far as a line may reach: a few steps for a whole message."""
    start = 0
    while len(body) - start > LONGEST_LINE:
        end = body.rfind(b"\r\n", start, start + LONGEST_LINE + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def _base64_lines(body: bytes) -> bytes:
    return b"\r\n".join(
        binascii.b2a_base64(body[start : start + 57], newline=False) for start in range(0, len(body), 57)
    )


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode()


def to_line(address: str) -> bytes:
    """The To header.

    Raises:
        UnsupportedContent: it is no address.
    """
    return _line("To", header_form(address))


def id_line(message_id: str) -> bytes:
    """The Message-ID header.

    Raises:
        UnsupportedContent: it holds what an id may not.
    """
    if _FORBIDDEN_IN_ID.search(message_id):
        raise UnsupportedContent("The Message-ID must be plain ASCII without spaces.", reason="unsupported")
    return b"Message-ID: <%b>\r\n" % message_id.encode()


def date_line(date: datetime | None = None) -> bytes:
    """The Date header: now, unless one is given."""
    return _line("Date", format_datetime(date)) if date else _now_line(int(time.time()))


@lru_cache(maxsize=2)
def _now_line(second: int) -> bytes:
    return _line("Date", formatdate(second))
