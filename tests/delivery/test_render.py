from __future__ import annotations

import email
import email.policy
import html as html_entities
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message
from outreach.delivery import tokens
from outreach.delivery.render import Recipient, RenderingFailed
from outreach.delivery.tokens import TokenKind
from tests.delivery.letter import ANNA, BASE_URL, compiled, rendered, sender

NASTY = {**ANNA, "name": "<script>alert(1)</script>", "attributes": {"city": '"><img src=x onerror=1>'}}


def person_token(message: Message) -> str:
    return dict(message.headers)["List-Unsubscribe"].removeprefix(f"<{BASE_URL}/u/").removesuffix(">")


def test_an_email_has_everything_a_mail_program_needs() -> None:
    message = rendered("# Здравейте, {{ subscriber.name }}", subject="За {{ subscriber.name }}")
    token = tokens.make(tokens.Token(kind=TokenKind.PERSON, run=42, delivery=99, channel="email", language="bg"))
    assert (message.id, message.to, message.subject, message.sender, message.language) == (
        "42-99",
        "anna@example.org",
        "За Анна",
        "Новини <news@example.bg>",
        "bg",
    )
    assert message.headers == (
        ("List-Id", "<e-services.council.example.bg>"),
        ("Precedence", "bulk"),
        ("Auto-Submitted", "auto-generated"),
        ("Feedback-ID", "42:7:council:outreach"),
        ("List-Unsubscribe", f"<{BASE_URL}/u/{token}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("X-Outreach-Delivery", message.message_id),
    )
    assert message.text == (
        "Здравейте, Анна\n\n-- \nСъвет\nПолучавате това писмо, защото избрахте темата „е-Услуги“.\n"
        f"Предпочитания: {BASE_URL}/p/{token}\nОтписване: {BASE_URL}/u/{token}\n"
    )
    assert '<html lang="bg"' in message.html
    assert f'href="{BASE_URL}/u/{token}"' in message.html


def test_the_raw_message_is_whole_and_says_the_same() -> None:
    message = rendered("Здравейте, {{ subscriber.name }}", subject="Тема", tracking="aggregate")
    parsed = email.message_from_bytes(message.raw, policy=email.policy.default)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert html is not None
    assert (parsed["subject"], parsed["to"], parsed["message-id"]) == (
        "Тема",
        "anna@example.org",
        f"<{message.message_id}>",
    )
    assert text.get_content().replace("\r\n", "\n").rstrip() == message.text.rstrip()
    assert html.get_content().replace("\r\n", "\n").rstrip() == message.html.rstrip()


def test_a_message_rendered_twice_has_the_same_id() -> None:
    assert rendered().message_id == rendered().message_id
    assert re.fullmatch(r"42-99\.[0-9a-f]{16}@example\.bg", rendered().message_id)


def test_the_account_may_turn_the_delivery_header_off() -> None:
    message = rendered(senders={"3": sender(delivery_header=False, reply_address="answers@example.bg")})
    assert "X-Outreach-Delivery" not in dict(message.headers)
    assert message.reply_to == "answers@example.bg"


def test_an_account_that_assembles_for_itself_gets_no_raw_message() -> None:
    assert rendered(senders={"3": sender(adapter="sendgrid")}).raw == b""


def test_a_link_that_only_programs_follow_is_in_the_page_alone() -> None:
    """Without words, neither shown nor read aloud nor reached by the keyboard, and not in the text part."""
    message = rendered("[A](https://a.bg/)", tracking="individual", to={"individual": True})
    (bait,) = re.findall(r"<a [^>]*display:none[^>]*></a>", message.html)
    hidden = 'aria-hidden="true" tabindex="-1" style="display:none;mso-hide:all"'
    found = re.fullmatch(
        rf'<a href="{BASE_URL}/c/([\w-]+)" {hidden}></a>',
        bait,
    )
    assert found is not None
    assert tokens.read(found[1], TokenKind.CLICK) == tokens.Token(
        kind=TokenKind.CLICK, run=42, delivery=99, channel="email", language="bg", link=tokens.HONEYPOT
    )
    assert found[1] not in message.text
    for other in (rendered("[A](https://a.bg/)", tracking="none"), rendered("Без връзка", tracking="aggregate")):
        assert "aria-hidden" not in other.html


def test_tags_for_web_statistics_stand_where_a_link_leads_and_not_in_the_message() -> None:
    body, utm = "[A](https://a.bg/?x=1#y) [B]({{ service.url }})", {"source": "council", "medium": "{channel}"}
    added = "utm_source=council&utm_medium=email"
    assert "utm_" not in rendered(body, tracking="aggregate", utm=utm).html
    run = compiled(body, tracking="aggregate", utm=utm)
    assert [run.url_at("email", "bg", position) for position in (0, 1)] == [
        f"https://a.bg/?x=1&{added}#y",
        f"https://card.example.bg/?a=1&b=2&{added}",
    ]
    plain = rendered(body, tracking="none", utm=utm)
    assert f"A (https://a.bg/?x=1&{added}#y) B (https://card.example.bg/?a=1&b=2&{added})" in plain.text


def links(message: Message) -> list[str]:
    return [html_entities.unescape(url) for url in re.findall(r'href="(https://[^"]*/c/[^"]*)"', message.html)]


def test_aggregate_tokens_carry_no_delivery() -> None:
    message = rendered("[A](https://a.bg/)", tracking="aggregate", to={"individual": True})
    token = tokens.read(links(message)[0].rpartition("/")[2], TokenKind.CLICK)
    assert token == tokens.Token(kind=TokenKind.CLICK, run=42, delivery=0, channel="email", language="bg", link=0)
    assert f"{BASE_URL}/o/" in message.html


@pytest.mark.parametrize(("individual", "delivery"), [(True, 99), (False, 0)])
def test_individual_tokens_need_the_persons_consent(individual: bool, delivery: int) -> None:
    message = rendered("[A](https://a.bg/)", tracking="individual", to={"individual": individual})
    click = tokens.read(links(message)[0].rpartition("/")[2], TokenKind.CLICK)
    found = re.search(r"/o/([\w-]+)", message.html)
    assert found is not None
    opened = tokens.read(found[1], TokenKind.OPEN)
    assert click is not None
    assert opened is not None
    assert (click.delivery, opened.delivery) == (delivery, delivery)


def test_without_tracking_links_lead_straight_there() -> None:
    message = rendered("[A](https://a.bg/?x=1&y=2) [B]({{ service.url }})", tracking="none")
    assert 'href="https://a.bg/?x=1&amp;y=2"' in message.html
    assert 'href="https://card.example.bg/?a=1&amp;b=2"' in message.html
    assert "/o/" not in message.html
    assert "A (https://a.bg/?x=1&y=2) B (https://card.example.bg/?a=1&b=2)" in message.text


def test_text_and_html_share_their_click_links() -> None:
    message = rendered("[A](https://a.bg/)", tracking="aggregate")
    assert f"A ({links(message)[0]})" in message.text


def test_a_link_that_a_person_wrote_is_not_counted_and_no_script() -> None:
    body = "[A]({{ subscriber.attributes.page }})"
    shady = {**ANNA, "attributes": {"page": "javascript:alert(1)"}}
    assert 'href="#"' in rendered(body, tracking="aggregate", to={"subscriber": shady}).html
    fine = {**ANNA, "attributes": {"page": "https://x.bg/?a=1&b=2"}}
    assert 'href="https://x.bg/?a=1&amp;b=2"' in rendered(body, tracking="aggregate", to={"subscriber": fine}).html


def test_a_link_alone_in_its_paragraph_is_a_button() -> None:
    html = rendered("Текст [не бутон](https://a.bg/).\n\n[Бутон](https://b.bg/)").html
    assert html.count('class="button-link"') == 1


def test_missing_attributes_are_empty_and_have_defaults() -> None:
    body = "[{{ subscriber.attributes.town }}|{{ subscriber.attributes.town|default('града') }}]"
    assert rendered(body, format="text", channel="sms").text == "[|града]"


def test_the_language_falls_back() -> None:
    run = compiled("Здравейте")
    message = run.render(Recipient(delivery=1, channel="email", language="en", subscriber=ANNA))
    assert message.language == "bg"


def test_no_content_for_the_channel_fails() -> None:
    with pytest.raises(RenderingFailed) as caught:
        compiled().render(Recipient(delivery=1, channel="sms", language="bg"))
    assert caught.value.facts == {"reason": "no_content", "delivery": 1}


def test_an_sms_reports_to_an_unguessable_address() -> None:
    message = rendered(
        "{{ subscriber.name }}: https://a.bg/x. Край", channel="sms", format="text", tracking="aggregate"
    )
    callback = re.fullmatch(rf"{BASE_URL}/hooks/key/status\?d=([\w-]+)", message.callback_url)
    assert callback is not None
    token = tokens.read(callback[1], TokenKind.CALLBACK)
    assert token is not None
    assert token.delivery == 99
    assert re.fullmatch(rf"Анна: {BASE_URL}/c/[\w-]+\. Край", message.text)


def test_a_feed_entry_has_title_html_and_text() -> None:
    message = rendered(
        "Новост: [тук](https://a.bg/)", channel="feed", subject="Заглавие", to={"subscriber": None, "to": ""}
    )
    assert (message.subject, message.html, message.text) == (
        "Заглавие",
        '<p>Новост: <a href="https://a.bg/">тук</a></p>\n',
        "Новост: тук (https://a.bg/)",
    )


def test_what_a_person_wrote_is_text_in_html() -> None:
    html = rendered("{{ subscriber.name }} {{ subscriber.attributes.city }}", to={"subscriber": NASTY}).html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html


def test_a_value_that_a_filter_cannot_take_fails_for_this_person_alone() -> None:
    body = "{{ subscriber.attributes.age|round }}"
    with pytest.raises(RenderingFailed):
        rendered(body, to={"subscriber": {**ANNA, "attributes": {"age": "много"}}})
    assert "8.0" in rendered(body, to={"subscriber": {**ANNA, "attributes": {"age": 7.6}}}).text


def test_output_is_bounded() -> None:
    loop = "{% for item in subscriber.attributes.list %}"
    body = loop + loop + "{{ item }}{% endfor %}{% endfor %}"
    person = {**ANNA, "attributes": {"list": ["x" * 5000] * 5000}}
    with pytest.raises(RenderingFailed):
        rendered(body, to={"subscriber": person})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["city", "age", "items", "keys", "__class__", "list"]) | st.text(max_size=8)
EVERYTHING = """# {{ subscriber.name }}

{{ subscriber.attributes.city|default("x") }} {{ subscriber.attributes.age|round }} {{ subscriber.attributes.items }}
{{ subscriber.attributes.keys|sort|join(", ") }} {{ subscriber.attributes.list|first|upper|truncate(5) }}
{% for item in subscriber.attributes.list %}
- [{{ item }}]({{ item }})
{% endfor %}
{% if subscriber.attributes.age > 3 %}{{ subscriber.attributes.age + 1 }}{% endif %}
"""


@settings(max_examples=150, deadline=None)
@given(name=st.text(max_size=40), attributes=st.dictionaries(KEYS, JSON, max_size=6))
def test_rendering_raises_nothing_but_rendering_failed(name: str, attributes: dict[str, Any]) -> None:
    person = {**ANNA, "name": name, "attributes": attributes}
    try:
        message = rendered(EVERYTHING, subject="{{ subscriber.name }}", to={"subscriber": person})
    except RenderingFailed:
        return
    assert message.raw


@settings(max_examples=150, deadline=None)
@given(
    name=st.text(max_size=60),
    city=st.text(alphabet=st.sampled_from("\r\n\x00\x0b\x0c\u2028\x85 Bcc:@<>=?"), max_size=60),
)
def test_no_data_reaches_a_header_of_its_own(name: str, city: str) -> None:
    person = {**ANNA, "name": name, "attributes": {"city": city}}
    subject = "{{ subscriber.name }} {{ subscriber.attributes.city }} x"
    message = rendered("x", subject=subject, to={"subscriber": person})
    parsed = email.message_from_bytes(message.raw, policy=email.policy.compat32)
    assert message.subject.isprintable()
    assert parsed.keys() == [
        "From",
        "Content-Language",
        "List-Id",
        "Precedence",
        "Auto-Submitted",
        "Feedback-ID",
        "MIME-Version",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "X-Outreach-Delivery",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]


@settings(max_examples=150, deadline=None)
@given(value=st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40))
def test_data_in_html_is_always_escaped(value: str) -> None:
    body = '<p title="{{ subscriber.name }}">a{{ subscriber.attributes.city }}z</p>'
    person = {**ANNA, "name": value, "attributes": {"city": value}}
    html = rendered(body, format="html", to={"subscriber": person}).html
    found = re.search(r'<p title="([^"<>]*)"[^>]*>a([^<>]*)z</p>', html)
    assert found is not None
    assert (html_entities.unescape(found[1]), html_entities.unescape(found[2])) == _as_parsed(value)


def _as_parsed(value: str) -> tuple[str, str]:
    once = html_entities.unescape(html_entities.escape(value))
    return once, once
