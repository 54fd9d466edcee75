"""E-mails as SendGrid's SDK takes them."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Iterable, Sequence
from email.header import Header as EncodedHeader
from email.utils import parseaddr
from functools import lru_cache
from hashlib import sha256
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
    Substitution,
    To,
)

from channels.base import Form, Message, Part, UnsupportedContent

#: The most that the names and values of one recipient may have together, by the API's documents.
_MOST_OCTETS: Final = 10_000
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


def group(messages: Iterable[Message]) -> list[list[Message]]:
    """What goes by one request: messages of one form, each with values that SendGrid takes; every other by itself."""
    groups: dict[Hashable, list[Message]] = {}
    for message in messages:
        key = (id(message.form), message.sender, message.reply_to, message.parts) if _fits(message) else message.id
        groups.setdefault(key, []).append(message)
    return list(groups.values())


def _fits(message: Message) -> bool:
    if message.form is None:
        return False
    tag = _tag(message.form)
    if any(tag in text for text in (message.subject, message.text, message.html, *message.values)):
        return False  # it would be replaced where it is text
    return sum(len(name) + len(value.encode()) for name, value in _values(message.form, message)) <= _MOST_OCTETS


@lru_cache(maxsize=64)
def _tag(form: Form) -> str:
    """What the names of this form's values begin with: in no text by chance."""
    return "-" + sha256(repr((form.subject, form.text, form.html)).encode()).hexdigest()[:12] + "."


def _values(form: Form, message: Message) -> Iterable[tuple[str, str]]:
    return ((f"{_tag(form)}{number}-", value) for number, value in enumerate(message.values))


def compose(messages: Sequence[Message], *, sender: str, category: str, is_sandbox: bool) -> Mail:
    """One request for one message, or for several of one group; the account's sender goes where they name none.

    Raises:
        UnsupportedContent: there is no subject or no text.
    """
    first = messages[0]
    form = first.form if len(messages) > 1 else None
    subject, text, html = first.subject, first.text, first.html
    if not (subject.strip() and (text.strip() or html.strip())):
        raise UnsupportedContent("An e-mail needs a subject and a text.", reason="unsupported")
    if form is not None:
        subject, text, html = form.fill([name for name, _ in _values(form, first)])
    name, address = parseaddr(first.sender or sender)
    mail = Mail(from_email=Email(address, name or None), subject=subject)
    for message in messages:
        mail.add_personalization(_addressed(message, form))
    for mime_type, body in (("text/plain", text), ("text/html", html)):
        if body.strip():
            mail.add_content(Content(mime_type, body))
    if first.reply_to:
        reply_name, reply_address = parseaddr(first.reply_to)
        mail.reply_to = ReplyTo(reply_address, reply_name or None)
    for part in first.parts:
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


def _addressed(message: Message, form: Form | None) -> Personalization:
    """The recipient, with the delivery's id, which every event about this recipient gives back."""
    personalization = Personalization()
    personalization.add_to(To(message.to))
    personalization.add_custom_arg(CustomArg("delivery", message.id))
    for header, value in _headers(message):
        personalization.add_header(Header(header, value))
    for name, value in _values(form, message) if form else ():
        personalization.add_substitution(Substitution(name, value))
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
