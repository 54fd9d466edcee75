"""What SendGrid posts to us: signed batches of events, and mail by Inbound Parse as a multipart form."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from email.parser import BytesHeaderParser
from email.policy import HTTP
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from sendgrid.helpers.eventwebhook import EventWebhook

from channels.base import EventWord, ForgedHook, Hook, ProviderEvent, made_id, unreadable
from channels.batches import split_batch
from channels.mailboxes import address_of

_WORDS: Final[Mapping[str, EventWord]] = {
    "processed": EventWord.ACCEPTED,
    "delivered": EventWord.DELIVERED,
    "deferred": EventWord.DELAYED,
    "bounce": EventWord.BOUNCED,
    "dropped": EventWord.REJECTED,
    "open": EventWord.OPENED,
    "click": EventWord.CLICKED,
    "spamreport": EventWord.COMPLAINED,
    "unsubscribe": EventWord.UNSUBSCRIBED,
    "group_unsubscribe": EventWord.UNSUBSCRIBED,
    "group_resubscribe": EventWord.RESUBSCRIBED,
}
_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"


def is_signed(hook: Hook) -> bool:
    """Whether the call claims a signature at all."""
    return _SIGNATURE in hook.headers


def verify(hook: Hook, key: str) -> None:
    """Hold the call against SendGrid's signature over its time and body.

    Raises:
        ForgedHook: it is missing or wrong, or there is no key to check it with.
    """
    if not key:
        raise ForgedHook("There is no key to check signatures with.")
    try:
        # The SDK's own `verify_signature` takes text only; mail by Inbound Parse is often in other charsets than UTF-8.
        EventWebhook(key).public_key.verify(
            b64decode(hook.headers.get(_SIGNATURE, ""), validate=True),
            hook.headers.get(_TIMESTAMP, "").encode() + hook.body,
            ECDSA(SHA256()),
        )
    except (InvalidSignature, ValueError) as err:
        raise ForgedHook("The signature is not SendGrid's.") from err


def read_events(body: bytes) -> list[ProviderEvent]:
    """A batch of the event webhook; what is not a batch holds no events.

    One of them that cannot be read is an unknown one, and keeps no other from being read.
    """
    try:
        return _read_batch(json.loads(body))
    except (ValueError, RecursionError):  # the signature is right: whatever is wrong with one, the others hold
        return [event for piece in split_batch(body.decode("utf-8", "replace")) for event in _read_piece(piece)]


def _read_batch(batch: Any) -> list[ProviderEvent]:
    return [_read_event(event) for event in batch if isinstance(event, dict)] if isinstance(batch, list) else []


def _read_piece(piece: str) -> list[ProviderEvent]:
    try:
        return _read_batch([json.loads(piece)])
    except (ValueError, RecursionError):
        return [unreadable(piece.encode("utf-8", "replace"))] if piece else []


def _read_event(event: Mapping[str, Any]) -> ProviderEvent:
    word = _WORDS.get(str(event.get("event")), EventWord.UNKNOWN)
    provider_id = str(event.get("sg_message_id") or "").partition(".")[0]
    return ProviderEvent(
        word=word,
        event_id=str(event.get("sg_event_id") or _made_id(event)),
        message=str(event.get("delivery") or ""),
        provider_id=provider_id,
        at=_time(event.get("timestamp")),
        hard=_is_hard(event) if word is EventWord.BOUNCED else None,
        reason=str(event.get("reason") or event.get("response") or "")[:500],
        address=str(event.get("email") or ""),
        url=str(event.get("url") or ""),
        user_agent=str(event.get("useragent") or ""),
        machine=event.get("sg_machine_open") if isinstance(event.get("sg_machine_open"), bool) else None,
        raw=dict(event),
    )


def _is_hard(event: Mapping[str, Any]) -> bool:
    """A bounce of type `blocked` is the receiver's passing refusal of us, not a wrong address."""
    return event.get("type") != "blocked" and not str(event.get("status") or "").startswith("4")


def _made_id(event: Mapping[str, Any]) -> str:
    return made_id(json.dumps(event, sort_keys=True).encode())


def _time(timestamp: Any) -> datetime | None:
    if not isinstance(timestamp, int | float) or not 0 <= timestamp < 1e11:
        return None
    return datetime.fromtimestamp(timestamp, tz=UTC)


def read_inbound(hook: Hook) -> list[ProviderEvent]:
    """A mail by Inbound Parse, whole in the field `email` where its raw form is asked for."""
    form = _parse_multipart(hook)
    mime = form.get("email", b"")
    message = BytesHeaderParser().parsebytes(mime) if mime else None  # its parts may nest without end
    message_id = str(message.get("Message-ID") or "").strip("<> \r\n") if message else ""
    fields = {name: value.decode("utf-8", "replace") for name, value in form.items() if name != "email"}
    return [
        ProviderEvent(
            word=EventWord.REPLIED,
            event_id=message_id or made_id(hook.body),
            address=address_of(fields.get("from", "")),
            text=fields.get("text", ""),
            subject=fields.get("subject", ""),
            in_reply_to=str(message.get("In-Reply-To") or "").strip("<> \r\n") if message else "",
            mime=mime,
            raw=fields,
        )
    ]


def _parse_multipart(hook: Hook) -> dict[str, bytes]:
    head = f"Content-Type: {hook.headers.get('content-type', '')}\r\n\r\n".encode("utf-8", "replace")
    parts = message_from_bytes(head + hook.body, policy=HTTP)
    form: dict[str, bytes] = {}
    for part in parts.iter_parts() if parts.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if name and isinstance(payload, bytes):
            form[str(name)] = payload
    return form
