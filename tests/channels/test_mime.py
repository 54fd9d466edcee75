from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message, Part, UnsupportedContent
from channels.mime import Skeleton, assemble, encode_header, needs_eight_bits, to_seven_bits

#: Text as people write it: no control characters but line ends, no lone surrogates.
WRITTEN = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")) | st.just("\n"), max_size=400)
ONE_LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200)


def parse(raw: bytes) -> EmailMessage:
    parsed: Any = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed.defects == []
    return parsed


def content(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").rstrip("\n")


def test_fill_gives_a_whole_message() -> None:
    skeleton = Skeleton(
        sender="Министерство <news@example.org>",
        reply_to="answers@example.org",
        language="bg",
        headers=(("List-Id", "<e-services.example.org>"),),
    )
    raw = skeleton.fill(
        to="ana@пример.бг",
        subject="Здравей, Ана",
        text="Първи ред\nвтори",
        html="<p>Първи</p>",
        message_id="1.2@example.org",
        headers=(("List-Unsubscribe", "<https://example.org/u/1>"), ("X-Outreach-Delivery", "d1")),
        date=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    )
    parsed = parse(raw)
    assert [(name, str(value)) for name, value in parsed.items() if name != "Content-Type"] == [
        ("From", "Министерство <news@example.org>"),
        ("Reply-To", "answers@example.org"),
        ("Content-Language", "bg"),
        ("List-Id", "<e-services.example.org>"),
        ("MIME-Version", "1.0"),
        ("To", "ana@xn--e1afmkfd.xn--90ae"),
        ("Subject", "Здравей, Ана"),
        ("Date", "Sun, 22 Nov 2026 09:30:00 +0000"),
        ("Message-ID", "<1.2@example.org>"),
        ("List-Unsubscribe", "<https://example.org/u/1>"),
        ("X-Outreach-Delivery", "d1"),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    assert parsed.get_content_type() == "multipart/alternative"
    assert (content(parsed, "plain"), content(parsed, "html")) == ("Първи ред\nвтори", "<p>Първи</p>")


@pytest.mark.parametrize(
    ("text", "html", "kind"), [("Text", "", "text/plain"), ("", "<p>x</p>", "text/html"), ("", "", "text/plain")]
)
def test_fill_with_one_part_is_not_multipart(text: str, html: str, kind: str) -> None:
    raw = Skeleton(sender="a@example.org").fill(to="b@example.org", subject="s", text=text, html=html)
    parsed = parse(raw)
    assert (parsed.get_content_type(), parsed.get_content().strip()) == (kind, text or html)


def test_same_input_gives_same_bytes() -> None:
    def build() -> bytes:
        return Skeleton(sender="a@example.org").fill(
            to="b@example.org", subject="Я", text="Я", html="Я", message_id="1@x", date=datetime(2026, 1, 1, tzinfo=UTC)
        )

    assert build() == build()


@settings(max_examples=150, deadline=None)
@given(subject=ONE_LINE, text=WRITTEN, html=WRITTEN, header=ONE_LINE)
def test_standard_library_reads_back_what_was_written(subject: str, text: str, html: str, header: str) -> None:
    raw = Skeleton(sender="Новини <a@example.org>").fill(
        to="b@example.org", subject=subject, text=text or "-", html=html or "-", headers=(("X-Note", header),)
    )
    parsed = parse(raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.replace(b"\r\n", b"").find(b"\n") == -1
    assert str(parsed["Subject"]) == subject.strip()
    assert str(parsed["X-Note"]) == header.strip()
    assert content(parsed, "plain") == (text or "-").rstrip("\n")
    assert content(parsed, "html") == (html or "-").rstrip("\n")


def test_line_over_the_limit_makes_the_part_base64() -> None:
    text = "я" * 600
    raw = Skeleton(sender="a@example.org").fill(to="b@example.org", subject="s", text=text)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert parse(raw)["Content-Transfer-Encoding"] == "base64"
    assert content(parse(raw), "plain") == text


def test_boundary_never_stands_in_the_content() -> None:
    skeleton = Skeleton(sender="a@example.org")
    first = parse(skeleton.fill(to="b@example.org", subject="s", text="t", html="h"))
    text = f"--{first.get_boundary()}--"
    second = parse(skeleton.fill(to="b@example.org", subject="s", text=text, html="h"))
    assert (content(second, "plain"), content(second, "html")) == (text, "h")


@pytest.mark.parametrize("value", ["a\r\nBcc: victim@example.org", "a\nb", "a\rb", "a\x00b", "я\nb"])
def test_header_with_a_line_end_is_refused(value: str) -> None:
    with pytest.raises(UnsupportedContent, match="must not hold line ends"):
        encode_header("Subject", value)


@pytest.mark.parametrize("name", ["", "Bcc: x", "X-Имя", "X Y", "X\r\n"])
def test_what_is_no_header_name_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedContent, match="is not a header's name"):
        encode_header(name, "x")


@pytest.mark.parametrize("to", ["", "ana", "ana@", "@example.org", "a@example.org\r\nBcc: b@example.org", "a@b..c"])
def test_what_is_no_address_is_refused(to: str) -> None:
    with pytest.raises(UnsupportedContent):
        Skeleton(sender="a@example.org").fill(to=to, subject="s", text="t")


@pytest.mark.parametrize("message_id", ["a b@x", "<a@x>", "a@x\r\nBcc: b", "я@x"])
def test_message_id_that_would_break_out_is_refused(message_id: str) -> None:
    with pytest.raises(UnsupportedContent, match="Message-ID"):
        Skeleton(sender="a@example.org").fill(to="b@example.org", subject="s", text="t", message_id=message_id)


@pytest.mark.parametrize(
    "value", ["=?utf-8?q?not_encoded?=", "x " * 700, "Много дълъг предмет на писмото, който не се побира " * 4]
)
def test_unusual_value_is_read_back(value: str) -> None:
    line = encode_header("Subject", value)
    assert max(map(len, line.split(b"\r\n"))) <= 78
    assert str(parse(line + b"\r\n")["Subject"]) == value.strip()


@pytest.mark.parametrize(
    "sender",
    ["Новини <a@example.org>", '"News, daily" <a@example.org>', "a@example.org", "Държавна агенция " * 6 + "<a@x.org>"],
)
def test_sender_is_read_back(sender: str) -> None:
    raw = Skeleton(sender=sender).fill(to="b@example.org", subject="s", text="t")
    written = raw.decode().partition("From: ")[2].partition("\r\nMIME-Version")[0]
    # The standard library's address parser puts spaces between encoded words; its header decoder does not.
    assert str(make_header(decode_header(written))) == sender


def test_assemble_takes_the_accounts_sender_and_threads_an_answer() -> None:
    message = Message(id="1", to="b@example.org", subject="s", text="t", in_reply_to="q@example.org")
    parsed = parse(assemble(message, sender="Office <o@example.org>"))
    assert (parsed["From"], parsed["In-Reply-To"], parsed["References"]) == (
        "Office <o@example.org>",
        "<q@example.org>",
        "<q@example.org>",
    )


@settings(max_examples=50, deadline=None)
@given(text=WRITTEN, html=WRITTEN)
def test_seven_bit_form_says_the_same(text: str, html: str) -> None:
    raw = Skeleton(sender="Новини <a@example.org>").fill(
        to="b@example.org", subject="Я", text=text or "-", html=html or "-"
    )
    light = to_seven_bits(raw)
    assert not needs_eight_bits(light)
    assert light.replace(b"\r\n", b"").find(b"\n") == -1
    assert max(map(len, light.split(b"\r\n"))) <= 998
    assert (content(parse(light), "plain"), content(parse(light), "html")) == (
        content(parse(raw), "plain"),
        content(parse(raw), "html"),
    )
    assert parse(light)["Subject"] == "Я"


PICTURE = Part(name="logo.png", media_type="image/png", data=b"\x89PNG" * 30, content_id="logo.png@outreach")
EVENT = Part(name="event.ics", media_type="text/calendar; charset=utf-8; method=PUBLISH", data="Събитие".encode())


def tree(part: Any) -> Any:
    """Types of a message's parts, each with its own."""
    if not part.is_multipart():
        return part.get_content_type()
    return {part.get_content_type(): [tree(inner) for inner in part.iter_parts()]}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), {"multipart/alternative": ["text/plain", "text/html"]}),
        (
            (PICTURE,),
            {"multipart/alternative": ["text/plain", {"multipart/related": ["text/html", "image/png"]}]},
        ),
        (
            (EVENT,),
            {"multipart/mixed": [{"multipart/alternative": ["text/plain", "text/html"]}, "text/calendar"]},
        ),
        (
            (PICTURE, EVENT),
            {
                "multipart/mixed": [
                    {"multipart/alternative": ["text/plain", {"multipart/related": ["text/html", "image/png"]}]},
                    "text/calendar",
                ]
            },
        ),
    ],
)
def test_parts_stand_where_mail_programs_look_for_them(parts: tuple[Part, ...], expected: Any) -> None:
    message = Message(id="1", to="ana@example.org", subject="s", text="Текст", html="<p>Текст</p>", parts=parts)
    raw = assemble(message, sender="news@example.org")
    parsed = parse(raw)
    assert tree(parsed) == expected
    assert (content(parsed, "plain"), content(parsed, "html")) == ("Текст", "<p>Текст</p>")
    assert tree(parse(to_seven_bits(raw))) == expected
    assert max(map(len, raw.split(b"\r\n"))) < 200


def test_parts_are_whole_and_named() -> None:
    message = Message(id="1", to="ana@example.org", subject="s", text="t", html="h", parts=(PICTURE, EVENT))
    found = [part for part in parse(assemble(message, sender="news@example.org")).walk() if part.get_filename()]
    seen = [
        (part.get_filename(), part.get_content_disposition(), part["Content-ID"], part.get_payload(decode=True))
        for part in found
    ]
    assert seen == [
        ("logo.png", "inline", "<logo.png@outreach>", PICTURE.data),
        ("event.ics", "attachment", None, EVENT.data),
    ]
    assert found[1].get_param("method") == "PUBLISH"


def test_a_text_alone_may_have_a_file() -> None:
    message = Message(id="1", to="ana@example.org", subject="s", text="Текст", parts=(EVENT,))
    parsed = parse(assemble(message, sender="news@example.org"))
    assert tree(parsed) == {"multipart/mixed": ["text/plain", "text/calendar"]}
