"""E-mails as Postmark's API takes them (https://postmarkapp.com/developer/api/email-api)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from email.utils import getaddresses
from typing import Any

from channels.base import Message, Part, UnsupportedContent
from channels.mailboxes import envelope_form


def compose(message: Message, *, sender: str, stream: str) -> Mapping[str, Any]:
    """One message of a request.

    Raises:
        UnsupportedContent: it has no subject or no text, or the recipient is no address.
    """
    if not (message.subject.strip() and (message.text.strip() or message.html.strip())):
        raise UnsupportedContent("An e-mail needs a subject and a text.", reason="unsupported")
    fields = {
        "From": _mailboxes(sender),
        # A list of addresses would go to all of them: the envelope's form is one address or none.
        "To": envelope_form(message.to),
        "ReplyTo": _mailboxes(message.reply_to),
        "Subject": message.subject,
        "TextBody": message.text,
        "HtmlBody": message.html,
        "MessageStream": stream,
        # Opens and clicks are counted by our own links, as people consented to.
        "TrackLinks": "None",
        "Headers": [{"Name": name, "Value": value} for name, value in _headers(message)],
        "Attachments": [_attachment(part) for part in message.parts],
        "Metadata": {"delivery": message.id},
    }
    return {name: value for name, value in fields.items() if value} | {"TrackOpens": False}


def _attachment(part: Part) -> Mapping[str, str]:
    shown = {"ContentID": f"cid:{part.content_id}"} if part.content_id else {}
    return {"Name": part.name, "Content": b64encode(part.data).decode(), "ContentType": part.media_type, **shown}


def _mailboxes(text: str) -> str:
    """Names in quotes, since Postmark takes a comma for the end of an address."""
    pairs = [
        (name.replace("\\", "").replace('"', ""), address) for name, address in getaddresses([text] if text else [])
    ]
    return ", ".join(f'"{name}" <{address}>' if name else address for name, address in pairs)


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    if message.message_id:
        yield "Message-ID", f"<{message.message_id}>"
        yield "X-PM-KeepID", "true"
    if message.in_reply_to:
        yield "In-Reply-To", f"<{message.in_reply_to.strip('<>')}>"
        yield "References", f"<{message.in_reply_to.strip('<>')}>"
    yield from message.headers
