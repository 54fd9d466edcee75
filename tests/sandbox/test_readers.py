from __future__ import annotations

import json
import smtplib
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest

from channels.base import Account, EventWord, Hook
from channels.sendgrid import SendGrid
from channels.twilio import Twilio
from channels.x import X
from outreach.sandbox.listener import Call, HttpPeer, Reply
from outreach.sandbox.models import SandboxMessage
from outreach.sandbox.readers import (
    BROWSER,
    EventSigner,
    Reader,
    compose_reply,
    find_links,
    find_pixel,
    find_unsubscribe,
    make_sendgrid_event,
    report_as_sendgrid,
)
from outreach.sandbox.social import SocialPeer
from tests.sandbox.conftest import Kept

SID, TOKEN = "AC" + "0a" * 16, "the-token"


class Product(HttpPeer):
    """The product's public side, as far as readers see it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.calls: list[Call] = []

    def answer(self, call: Call) -> Reply:
        self.calls.append(call)
        if call.path.startswith("/c/"):
            return Reply(status=302, headers={"Location": "https://example.org/"})
        return Reply(status=204 if call.method == "POST" else 200)

    def last_hook(self, kind: str) -> Hook:
        call = self.calls[-1]
        return Hook(kind=kind, url=self.url + call.path, body=call.body, headers=call.headers, query=call.query)


@pytest.fixture
def product() -> Iterator[Product]:
    with Product() as product:
        yield product


@pytest.fixture
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def mail(base_url: str, **changes: str) -> SandboxMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "Новини <news@example.org>", "ana@example.org"
    message["Reply-To"] = changes.get("reply_to", "Новини <r+7@example.org>")
    message["Subject"], message["Message-ID"] = "Новата услуга", "<dlv_7@example.org>"
    message["List-Unsubscribe"] = f"<mailto:u@example.org>, <{base_url}/u/token>"
    message["X-SendGrid-delivery"] = "dlv_7"
    message.set_content("Здравейте\nвижте услугата")
    links = f'<a href="{base_url}/c/1?a=1&amp;b=2">Първа</a> <a href="{base_url}/c/2">Втора</a>'
    links += f'<a href="{base_url}/c/2">Пак</a> <a href="{base_url}/u/token">Отписване</a>'
    message.add_alternative(f'<p>{links}</p><img alt="" src="{base_url}/o/pixel">', subtype="html")
    return SandboxMessage(
        channel="email",
        recipient="ana@example.org",
        sender="bounces@example.org",
        subject="Новата услуга",
        body="Здравейте\nвижте услугата\n",
        raw=message.as_bytes(),
        provider_id="mid-1",
    )


def sms(body: str = "Вижте http://h/c/1 и http://h/c/2.") -> SandboxMessage:
    return SandboxMessage(channel="sms", recipient="+359881234567", sender="+15005550006", body=body)


def test_what_a_message_offers_is_found() -> None:
    message = mail("http://h")
    assert find_pixel(message) == "http://h/o/pixel"
    assert find_links(message) == ["http://h/c/1?a=1&b=2", "http://h/c/2"]
    assert find_unsubscribe(message) == "http://h/u/token"
    assert (find_pixel(sms()), find_links(sms()), find_unsubscribe(sms())) == (
        "",
        ["http://h/c/1", "http://h/c/2"],
        "",
    )


def test_reader_opens_clicks_and_unsubscribes(product: Product, reader: Reader) -> None:
    message = mail(product.url)
    statuses = [reader.open_pixel(message), reader.click_link(message, 1), reader.unsubscribe(message)]
    assert statuses == [200, 302, 204]
    assert [(call.method, call.path, call.body) for call in product.calls] == [
        ("GET", "/o/pixel", b""),
        ("GET", "/c/2", b""),
        ("POST", "/u/token", b"List-Unsubscribe=One-Click"),
    ]
    assert {call.headers["user-agent"] for call in product.calls} == {BROWSER}


def test_reader_does_nothing_where_there_is_nothing(reader: Reader) -> None:
    message = sms("Без връзки")
    assert [reader.open_pixel(message), reader.click_link(message), reader.unsubscribe(message)] == [0, 0, 0]


def test_reply_by_mail_reaches_the_reply_address(
    reader: Reader, mailbox_port: int, kept: Callable[[], list[Kept]]
) -> None:
    message_id = reader.reply_by_mail(mail("http://h"), "Благодаря!", smtp_port=mailbox_port)
    (row,) = kept()
    answer = message_from_bytes(row.raw, policy=default)
    assert (row.recipient, row.sender, row.subject, row.provider_id) == (
        "r+7@example.org",
        "ana@example.org",
        "Re: Новата услуга",
        message_id,
    )
    assert (answer["In-Reply-To"], answer["References"]) == ("<dlv_7@example.org>", "<dlv_7@example.org>")
    assert row.body.replace("\r\n", "\n").startswith("Благодаря!\n\nOn ")
    assert "> Здравейте" in row.body


def test_reply_to_a_mail_without_reply_to_goes_to_its_sender() -> None:
    message = mail("http://h")
    message.raw = bytes(message.raw).replace(b"Reply-To:", b"X-None:")
    assert compose_reply(message, "Да")["To"] == "Новини <news@example.org>"


def test_reply_by_sms_is_signed_as_twilio_signs(product: Product, reader: Reader) -> None:
    hook_url = f"{product.url}/hooks/secret/inbound"
    status = reader.reply_by_sms(sms(), "СТОП", hook_url=hook_url, account_sid=SID, token=TOKEN)
    account = Account(id="1", adapter="twilio", name="SMS", settings={"auth_token": TOKEN})
    (event,) = Twilio().parse_events(product.last_hook("inbound"), account)
    assert status == 204
    assert (event.word, event.address, event.text) == (EventWord.REPLIED, "+359881234567", "СТОП")


def test_reply_by_inbound_parse_carries_the_whole_mail(product: Product, reader: Reader) -> None:
    status = reader.reply_by_inbound_parse(mail("http://h"), "Благодаря!", hook_url=f"{product.url}/hooks/a/inbound")
    account = Account(id="1", adapter="sendgrid", name="Mail")
    (event,) = SendGrid().parse_events(product.last_hook("inbound"), account)
    assert status == 204
    assert (event.word, event.address, event.subject, event.in_reply_to) == (
        EventWord.REPLIED,
        "ana@example.org",
        "Re: Новата услуга",
        "dlv_7@example.org",
    )
    assert message_from_bytes(event.mime, policy=default)["To"] == "Новини <r+7@example.org>"


def test_reply_on_social_is_found_by_the_adapter(social: SocialPeer, reader: Reader) -> None:
    keys = {"consumer_key": "k", "consumer_secret": "k", "access_token": "1001-egov", "access_token_secret": "s"}
    account = Account(
        id="1", adapter="x", name="X", settings=keys | {"base_url": social.url}, allow_private=("127.0.0.0/8",)
    )
    from channels.base import Message

    with X().open(account) as session:
        (outcome,) = session.send([Message(id="m", to="", text="Новата услуга работи.")])
    post = SandboxMessage(channel="social", provider_id=outcome.provider_id)
    reply = reader.reply_on_social(post, "Браво!", base_url=social.url, name="maria", number=2002)
    (event,) = X().fetch_replies(account, "")
    assert (event.provider_id, event.address, event.text, event.in_reply_to) == (
        reply,
        "@maria",
        "Браво!",
        outcome.provider_id,
    )
    assert X().fetch_replies(account, event.provider_id) == []
    assert X().check(account) == []


def test_events_are_signed_as_sendgrid_signs(product: Product) -> None:
    signer = EventSigner.make()
    event = make_sendgrid_event(mail("http://h"), "bounce", type="bounce", status="5.1.1")
    status = report_as_sendgrid([event], hook_url=f"{product.url}/hooks/a/events", signer=signer)
    account = Account(id="1", adapter="sendgrid", name="Mail", settings={"event_public_key": signer.public_key})
    (found,) = SendGrid().parse_events(product.last_hook("events"), account)
    assert status == 204
    assert (found.word, found.hard, found.message, found.provider_id) == (EventWord.BOUNCED, True, "dlv_7", "mid-1")
    assert json.loads(product.calls[-1].body) == [event]


def test_reader_without_a_mailbox_gets_an_error(reader: Reader, free_port: int) -> None:
    with pytest.raises((OSError, smtplib.SMTPException)):
        reader.reply_by_mail(mail("http://h"), "Да", smtp_port=free_port)
