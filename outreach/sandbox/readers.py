"""Simulated readers: what people and providers do with a message that a local peer got, over real HTTP and SMTP.

They know nothing of the product but what a reader has: the message as it arrived. Where a provider would sign, they
sign as it does.
"""

from __future__ import annotations

import base64
import json
import re
import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from html import unescape
from typing import Any, Final
from uuid import uuid4

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from requests_oauthlib import OAuth1
from twilio.request_validator import RequestValidator

from outreach.core.clock import now
from outreach.sandbox.listener import LOOPBACK
from outreach.sandbox.mailbox import find_header, find_part
from outreach.sandbox.models import SandboxMessage

#: A browser that people use, so that nothing takes the readers for machines.
BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_SECONDS: Final = 10
_IMAGE: Final = re.compile(r"""<img\b[^>]*\bsrc=["']([^"']+)["']""", re.IGNORECASE)
#: But not those that nobody sees.
_ANCHOR: Final = re.compile(
    r"""<a\b(?![^>]*\baria-hidden="true")[^>]*\bhref=["'](https?://[^"']+)["']""", re.IGNORECASE
)
_BARE_LINK: Final = re.compile(r"https?://[^\s<>\"')]+")


def find_pixel(message: SandboxMessage) -> str:
    """The URL of the image that counts openings (`/o/…`); '' where there is none."""
    return next((url for url in _images(message) if "/o/" in url), "")


def find_links(message: SandboxMessage) -> list[str]:
    """The counted links (`/c/…`) in their order, each once."""
    html = _html(message)
    found = [unescape(url) for url in _ANCHOR.findall(html)] if html else _bare_links(message.body)
    return list(dict.fromkeys(url for url in found if "/c/" in url))


def _bare_links(text: str) -> list[str]:
    return [url.rstrip(".,;:!?") for url in _BARE_LINK.findall(text)]


def find_unsubscribe(message: SandboxMessage) -> str:
    """The URL of List-Unsubscribe that one-click unsubscribing posts to; '' where there is none."""
    header = str(message_from_bytes(bytes(message.raw)).get("List-Unsubscribe") or "")
    found = re.search(r"<(https?://[^>]+)>", "".join(header.split()))
    return found[1] if found else ""


def _images(message: SandboxMessage) -> list[str]:
    return [unescape(url) for url in _IMAGE.findall(_html(message))]


def _html(message: SandboxMessage) -> str:
    return find_part(message_from_bytes(bytes(message.raw)), "text/html") if message.channel == "email" else ""


class Reader:
    """One person at one screen; keeps connections, and is a context manager.

    The methods that ask something of the product return its HTTP status; 0 where the message has no such link.
    """

    def __init__(self, *, user_agent: str = BROWSER) -> None:
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["User-Agent"] = user_agent

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def open_pixel(self, message: SandboxMessage) -> int:
        return self._get(find_pixel(message))

    def click_link(self, message: SandboxMessage, number: int = 0) -> int:
        """Follow the link as far as the product leads, not to the site behind it."""
        links = find_links(message)
        return self._get(links[number]) if number < len(links) else 0

    def unsubscribe(self, message: SandboxMessage) -> int:
        """What a mail program's own button does (RFC 8058)."""
        url = find_unsubscribe(message)
        return self._post(url, data={"List-Unsubscribe": "One-Click"}) if url else 0

    def reply_by_mail(self, message: SandboxMessage, text: str, *, smtp_port: int) -> str:
        """Answer by SMTP to Reply-To or From; return the answer's Message-ID."""
        answer = compose_reply(message, text)
        with smtplib.SMTP(LOOPBACK, smtp_port, timeout=_SECONDS) as smtp:
            smtp.send_message(answer, from_addr=message.recipient, to_addrs=[parseaddr(str(answer["To"]))[1]])
        return str(answer["Message-ID"]).strip("<>")

    def reply_by_inbound_parse(self, message: SandboxMessage, text: str, *, hook_url: str) -> int:
        """Answer by e-mail through SendGrid's Inbound Parse, which posts the whole message to the product."""
        answer = compose_reply(message, text)
        fields = {"from": str(answer["From"]), "to": str(answer["To"]), "subject": str(answer["Subject"])}
        return self._post(hook_url, data=fields, files={"email": (None, answer.as_bytes())})

    def reply_by_sms(self, message: SandboxMessage, text: str, *, hook_url: str, account_sid: str, token: str) -> int:
        """Answer by SMS: Twilio posts it to the product, signed with the account's token."""
        sid = f"SM{uuid4().hex}"
        form = {
            "AccountSid": account_sid,
            "ApiVersion": "2010-04-01",
            "Body": text,
            "From": message.recipient,
            "MessageSid": sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "SmsStatus": "received",
            "To": message.sender,
        }
        return self._post(hook_url, data=form, headers=sign_as_twilio(hook_url, form, token))

    def reply_on_social(self, message: SandboxMessage, text: str, *, base_url: str, name: str, number: int) -> str:
        """Answer a post as the user `name`; return the answer's id."""
        signed = OAuth1("reader", "reader", f"{number}-{name}", "reader")
        body = {"text": text, "reply": {"in_reply_to_tweet_id": message.provider_id}}
        answer = self._http.post(f"{base_url}/2/tweets", json=body, auth=signed, timeout=_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["data"]["id"])

    def _get(self, url: str) -> int:
        return self._http.get(url, allow_redirects=False, timeout=_SECONDS).status_code if url else 0

    def _post(self, url: str, **request: Any) -> int:
        return self._http.post(url, allow_redirects=False, timeout=_SECONDS, **request).status_code


def compose_reply(message: SandboxMessage, text: str) -> EmailMessage:
    """The answer as a mail program writes it: references, and the original quoted below."""
    original = message_from_bytes(bytes(message.raw))
    subject = find_header(original, "Subject")
    answer = EmailMessage(policy=SMTP)
    answer["From"] = message.recipient
    answer["To"] = find_header(original, "Reply-To") or find_header(original, "From") or message.sender
    answer["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    answer["Date"] = formatdate(localtime=False)
    answer["Message-ID"] = make_msgid(domain=message.recipient.rpartition("@")[2] or "example.org")
    if original.get("Message-ID"):
        answer["In-Reply-To"] = answer["References"] = str(original["Message-ID"]).strip()
    quoted = "\n".join(f"> {line}" for line in message.body.splitlines()[:20])
    answer.set_content(f"{text}\n\nOn {formatdate()}, {answer['To']} wrote:\n{quoted}\n")
    return answer


def sign_as_twilio(url: str, form: Mapping[str, str], token: str) -> dict[str, str]:
    """The header by which Twilio proves that a call is its own."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, dict(form))}


@dataclass(frozen=True, kw_only=True)
class EventSigner:
    """SendGrid's key pair of the signed event webhook."""

    private_key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls) -> EventSigner:
        return cls(private_key=ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_key(self) -> str:
        """As SendGrid shows it, and as the setting `event_public_key` takes it."""
        public = self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(public).decode()

    def sign(self, body: bytes, *, at: datetime | None = None) -> dict[str, str]:
        """The two headers of a signed batch of events."""
        timestamp = str(int((at or now()).timestamp()))
        signature = self.private_key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }


def report_as_sendgrid(events: Sequence[Mapping[str, Any]], *, hook_url: str, signer: EventSigner) -> int:
    """Post a signed batch of events, as SendGrid's event webhook does; return the product's status."""
    body = json.dumps(list(events)).encode()
    headers = signer.sign(body) | {"Content-Type": "application/json"}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(hook_url, data=body, headers=headers, timeout=_SECONDS).status_code


def make_sendgrid_event(message: SandboxMessage, event: str, **more: Any) -> dict[str, Any]:
    """An event of SendGrid's webhook about a message that its peer got."""
    delivery = message_from_bytes(bytes(message.raw)).get("X-SendGrid-delivery")
    return {
        "email": message.recipient,
        "event": event,
        "timestamp": int(now().timestamp()),
        "sg_event_id": uuid4().hex[:22],
        "sg_message_id": f"{message.provider_id}.recvd-sandbox-1",
        "delivery": str(delivery or ""),
        **more,
    }
