"""What mail servers, gateways and programs do to a letter on its way that says the same afterwards.

Each takes the letter's bytes and gives bytes; what is made of the letter must stay as it was.
"""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.message import Message
from typing import Final

from outreach.events.letters import parts_of, payload_text

BANNER: Final = "CAUTION: this letter came from outside. Do not open attachments that you did not expect.\n\n"
FOOTER: Final = "\n\nThis e-mail was scanned for viruses and spam by the gateway of mx.example.\n"


def with_crlf(letter: bytes) -> bytes:
    return letter.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def as_in_an_mbox(letter: bytes) -> bytes:
    return b"From MAILER-DAEMON Mon Nov  2 10:00:00 2026\n" + letter


def with_headers_reversed(letter: bytes) -> bytes:
    head, end, body = letter.partition(b"\n\n")
    fields = re.findall(rb"(?m)^\S.*(?:\n[ \t].*)*", head)
    return b"\n".join(reversed(fields)) + end + body


def with_names_in_capitals(letter: bytes) -> bytes:
    head, end, body = letter.partition(b"\n\n")
    return re.sub(rb"(?m)^[\w-]+(?=:)", lambda found: found[0].upper(), head) + end + body


def passed_through_hosts(letter: bytes) -> bytes:
    trace = b"Received: from mx%d.example (mx%d.example [192.0.2.%d])\n\tby mx.example with ESMTPS; Mon, 2 Nov 2026\n"
    return b"".join(trace % (n, n, n) for n in range(3)) + b"X-Spam-Status: No, score=-1.0\n" + letter


def with_a_tag_in_the_subject(letter: bytes) -> bytes:
    return re.sub(rb"(?mi)^(Subject:)[ ]?", rb"\1 [EXTERNAL] ", letter, count=1)


def with_a_banner(letter: bytes) -> bytes:
    return _with_texts(letter, lambda text: BANNER + text)


def with_a_footer(letter: bytes) -> bytes:
    return _with_texts(letter, lambda text: text + FOOTER)


def in_base64(letter: bytes) -> bytes:
    return _with_parts(letter, lambda part: _encode(part, "base64", base64.encodebytes))


def in_quoted_printable(letter: bytes) -> bytes:
    return _with_parts(letter, lambda part: _encode(part, "quoted-printable", quopri.encodestring))


def in_utf_16(letter: bytes) -> bytes:
    return _with_parts(letter, lambda part: _encode(part, "base64", base64.encodebytes, charset="utf-16"))


def as_html(letter: bytes) -> bytes:
    return _with_parts(letter, _as_html)


def with_folded_fields(letter: bytes) -> bytes:
    """Long fields of the report are folded anew, as some gateways do."""
    return re.sub(rb"(?m)^(Diagnostic-Code:.{30,}?) (?=\S)", rb"\1\n  ", letter)


def in_a_wrapper(letter: bytes) -> bytes:
    """A list's software puts the whole into a part, its own footer into the next."""
    head, _, body = letter.partition(b"\n\n")
    fields = re.findall(rb"(?m)^\S.*(?:\n[ \t].*)*", head)
    inner = [field for field in fields if field.lower().startswith(b"content-")]
    outer = [field for field in fields if field not in inner]
    outer.append(b'Content-Type: multipart/mixed; boundary="==wrapper=="\n')
    footer = b"--==wrapper==\nContent-Type: text/plain\n\n_____\nnews mailing list\n--==wrapper==--\n"
    return b"\n".join([*outer, b"--==wrapper==", *inner, b"", body, footer])


def with_what_came_back_as_text(letter: bytes) -> bytes:
    """A gateway that lets no messages within messages through makes texts of them."""
    return re.sub(rb"(?mi)^Content-Type: (?:message/rfc822|text/rfc822-headers)\b", b"Content-Type: text/plain", letter)


def with_the_report_as_text(letter: bytes) -> bytes:
    return re.sub(rb"(?mi)^Content-Type: message/delivery-status\b", b"Content-Type: text/plain", letter)


def _with_texts(letter: bytes, change: Callable[[str], str]) -> bytes:
    def changed(part: Message) -> None:
        text = change(payload_text(part))
        _write(part, text.encode(), charset="utf-8", encoding="8bit")

    return _with_parts(letter, changed)


def _with_parts(letter: bytes, change: Callable[[Message], None]) -> bytes:
    """The letter with its first readable text changed, and nothing of what came back."""
    message = message_from_bytes(letter)
    for part in _own_texts(message)[:1]:
        change(part)
    return message.as_bytes()


def _own_texts(message: Message) -> list[Message]:
    if message.get_content_maintype() == "message":
        return []
    if message.is_multipart():
        return [text for part in parts_of(message) for text in _own_texts(part)]
    return [message] if message.get_content_type() == "text/plain" else []


def _encode(part: Message, name: str, encode: Callable[[bytes], bytes], charset: str = "utf-8") -> None:
    _write(part, encode(payload_text(part).encode(charset)), charset=charset, encoding=name)


def _as_html(part: Message) -> None:
    text = payload_text(part).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    body = f"<html><body><pre>{text}</pre></body></html>"
    _write(part, body.encode(), charset="utf-8", encoding="8bit", kind="html")


def _write(part: Message, body: bytes, *, charset: str, encoding: str, kind: str = "plain") -> None:
    del part["Content-Type"], part["Content-Transfer-Encoding"]
    part["Content-Type"] = f"text/{kind}; charset={charset}"
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(body.decode("ascii", "surrogateescape"))


VARIANTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    change.__name__: change
    for change in (
        with_crlf, as_in_an_mbox, with_headers_reversed, with_names_in_capitals, passed_through_hosts,
        with_a_tag_in_the_subject, with_a_banner, with_a_footer, in_base64, in_quoted_printable, in_utf_16, as_html,
        with_folded_fields, in_a_wrapper,
        with_what_came_back_as_text, with_the_report_as_text,
    )
}  # fmt: skip
