"""E-mails as SendGrid's SDK takes them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from email.header import Header as EncodedHeader
from email.utils import parseaddr
from typing import Final

from sendgrid.helpers.mail import (
    Attachment,
    Category,
    Content,
    CustomArg,
    Email,
    Header,
    Mail,
    MailSettings,
    Personalization,
    ReplyTo,
    SandBoxMode,
    To,
)

from channels.base import Message, Part, UnsupportedContent

#: Headers that SendGrid sets itself and refuses to be given (https://docs.sendgrid.com/api-reference/mail-send/errors).
_ITS_OWN_HEADERS: Final = frozenset(
    {
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
        "date",
    }
)


def compose(message: Message, *, sender: str, category: str, is_sandbox: bool) -> Mail:
    """One message; the account's sender and category go where it names none of its own.

    Raises:
        UnsupportedContent: it has no subject or no text.
    """
    if not (message.subject.strip() and (message.text.strip() or message.html.strip())):
        raise UnsupportedContent("An e-mail needs a subject and a text.", reason="unsupported")
    name, address = parseaddr(message.sender or sender)
    mail = Mail(from_email=Email(address, name or None), subject=message.subject)
    mail.add_personalization(_addressed(message))
    for mime_type, body in (("text/plain", message.text), ("text/html", message.html)):
        if body.strip():
            mail.add_content(Content(mime_type, body))
    if message.reply_to:
        reply_name, reply_address = parseaddr(message.reply_to)
        mail.reply_to = ReplyTo(reply_address, reply_name or None)
    for header, value in _headers(message):
        mail.add_header(Header(header, value))
    for part in message.parts:
        mail.add_attachment(_attachment(part))
    if category:
        mail.add_category(Category(category))
    if is_sandbox:
        mail.mail_settings = MailSettings(sandbox_mode=SandBoxMode(enable=True))
    return mail


def _attachment(part: Part) -> Attachment:
    # SendGrid refuses a type with parameters, and has no other place for them: a calendar names its method itself.
    return Attachment(
        file_content=base64.b64encode(part.data).decode(),
        file_name=part.name,
        file_type=part.media_type.partition(";")[0],
        disposition="inline" if part.content_id else "attachment",
        content_id=part.content_id or None,
    )


def _addressed(message: Message) -> Personalization:
    """The recipient, with the delivery's id, which every event about this recipient gives back."""
    personalization = Personalization()
    personalization.add_to(To(message.to))
    personalization.add_custom_arg(CustomArg("delivery", message.id))
    return personalization


def _headers(message: Message) -> Iterable[tuple[str, str]]:
    if message.message_id:
        yield "Message-ID", f"<{message.message_id}>"
    if message.in_reply_to:
        answered = f"<{message.in_reply_to.strip('<>')}>"
        yield from (("In-Reply-To", answered), ("References", answered))
    for name, value in message.headers:
        if name.lower() not in _ITS_OWN_HEADERS:
            yield name, value if value.isascii() else EncodedHeader(value, "utf-8").encode()
