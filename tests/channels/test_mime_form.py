"""The short way makes the very bytes of the long way, or says that it cannot."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.base import Part
from channels.mime import Skeleton, encode_header
from channels.mime_form import MailForm

SKELETON = Skeleton(sender="Новини <news@example.org>", language="bg", headers=(("List-Id", "<a.example.org>"),))
OWN = (("List-Unsubscribe", "<https://example.org/u/1>"), ("X-Outreach-Delivery", "1-2"))

texts = st.text(alphabet="ab я.\n<&=_", max_size=12)
pieces = st.lists(st.one_of(texts, st.integers(0, 2)), min_size=1, max_size=8)
values = st.lists(st.one_of(st.text(alphabet="ab я.=_ж", max_size=8), st.text(max_size=6)), min_size=3, max_size=3)


def whole(parts: list[str | int], given_values: list[str]) -> str:
    return "".join(part if isinstance(part, str) else given_values[part] for part in parts)


def long_way(text: str, html: str) -> bytes:
    return SKELETON.fill(
        to="ana@example.org", subject="Здравей", text=text, html=html, message_id="1@example.org", headers=OWN
    )


def short_way(text: list[str | int], html: list[str | int], given_values: list[str]) -> bytes | None:
    form = MailForm.of(SKELETON, text=text, html=html)
    if form is None:
        return None
    headers = b"".join(encode_header(name, value) for name, value in (("Message-ID", "<1@example.org>"), *OWN))
    return form.fill(given_values, to="ana@example.org", subject="Здравей", headers=headers)


@settings(max_examples=300, deadline=None)
@given(text=pieces, html=pieces, given_values=values)
@example(text=[0, "."], html=["<p>", 1, "</p>"], given_values=["", "x", ""])
@example(text=["a", 0, "b"], html=["c\n", 0, "d"], given_values=["\r\n.\r\n", "x", ""])
@example(text=["a\n"], html=["<b>", 0, "</b>\n"], given_values=["я", "", ""])
@example(text=["a\n", 0, "\n"], html=["c\n", 1], given_values=["x", "y", ""])
@example(text=["a\n", 0], html=["c\n", 1, "\n\n"], given_values=["", "", ""])
@example(text=["a", 0, "b"], html=["c"], given_values=["x" * 990, "", ""])
def test_what_the_short_way_makes_the_long_way_makes(
    text: list[str | int], html: list[str | int], given_values: list[str]
) -> None:
    raw = short_way(text, html, given_values)
    if raw is None or not whole(text, given_values) or not whole(html, given_values):
        return
    assert without_date(raw) == without_date(long_way(whole(text, given_values), whole(html, given_values)))
    assert not raw.startswith(b".")
    assert b"\n." not in raw


def without_date(raw: bytes) -> bytes:
    before, _, after = raw.partition(b"Date: ")
    return before + after.partition(b"\r\n")[2]


def test_an_everyday_mail_goes_the_short_way() -> None:
    raw = short_way(["Здравей, ", 0, "!\nВиж."], ["<p>Здравей, ", 1, "</p>\n"], ["Ана & Ко", "Ана &amp; Ко", ""])
    assert raw is not None
    assert without_date(raw) == without_date(long_way("Здравей, Ана & Ко!\nВиж.", "<p>Здравей, Ана &amp; Ко</p>\n"))
    assert "Ана &amp; Ко".encode() in raw


def test_values_that_could_break_a_line_or_a_part_go_the_long_way() -> None:
    for value in ("a\nb", "a\rb", "a\x00", "--=_716", "x" * 2000, "a\u2028b"):
        assert short_way(["Hello ", 0, "."], ["<p>Hello</p>"], [value, "", ""]) is None


def test_texts_with_long_lines_or_leading_dots_go_the_long_way() -> None:
    assert short_way(["x" * 999], ["<p>Hello</p>"], ["", "", ""]) is None
    assert short_way(["a\n.b"], ["<p>Hello</p>"], ["", "", ""]) is None


def test_files_of_a_content_are_in_what_the_short_way_makes() -> None:
    parts = (
        Part(name="a.png", media_type="image/png", data=b"a" * 200, content_id="a.png@outreach"),
        Part(name="event.ics", media_type="text/calendar; method=PUBLISH", data=b"BEGIN"),
    )
    skeleton = Skeleton(sender="news@example.org", parts=parts)
    form = MailForm.of(skeleton, text=["Здравей, ", 0], html=["<p>Здравей, ", 0, "</p>"])
    assert form is not None
    filled = form.fill(["Ана"], to="ana@example.org", subject="s", headers=b"Message-ID: <1@example.org>\r\n")
    whole_text = skeleton.fill(
        to="ana@example.org", subject="s", text="Здравей, Ана", html="<p>Здравей, Ана</p>", message_id="1@example.org"
    )
    assert filled is not None
    assert without_date(filled) == without_date(whole_text)
    assert b"\n." not in filled
