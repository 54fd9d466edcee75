"""What Postmark posts to us: one event a call, told apart by its RecordType, and inbound mail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from channels.base import EventWord, Hook, ProviderEvent, made_id, unreadable

_WORDS: Final[Mapping[str, EventWord]] = {
    "Delivery": EventWord.DELIVERED,
    "SpamComplaint": EventWord.COMPLAINED,
    "Open": EventWord.OPENED,
    "Click": EventWord.CLICKED,
}
#: Types of a bounce: https://postmarkapp.com/developer/api/bounce-api#bounce-types
_HARD: Final = frozenset({"HardBounce", "BadEmailAddress"})
_SOFT: Final = frozenset({"SoftBounce", "DnsError", "SpamNotification", "Blocked"})
_NOT_SENT: Final = frozenset({"SMTPApiError", "ManuallyDeactivated", "DMARCPolicy"})
#: Where the reader was, with the whole network address, and what is large: never kept.
_NOT_KEPT: Final = frozenset({"Geo", "RawEmail", "HtmlBody", "Attachments", "Content"})


def read_hook(hook: Hook) -> list[ProviderEvent]:
    """The one event of a verified call; what is none holds no events, and what cannot be read is an unknown one."""
    try:
        body = json.loads(hook.body)
        if not isinstance(body, dict) or not body:
            return []
        return [_read_inbound(body) if hook.kind == "inbound" else _read_event(body, hook.body)]
    except (ValueError, RecursionError):
        return [unreadable(hook.body)]


def _word(body: Mapping[str, Any]) -> EventWord:
    kind, type_ = str(body.get("RecordType")), _text(body, "Type")
    if kind == "SubscriptionChange":
        # Bounces and complaints, which suppress too, are told by events of their own.
        is_wish = body.get("SuppressionReason") in (None, "ManualSuppression")
        left = EventWord.UNSUBSCRIBED if is_wish else EventWord.UNKNOWN
        return left if body.get("SuppressSending") else EventWord.RESUBSCRIBED
    if kind == "Bounce" and type_ in _HARD | _SOFT:
        return EventWord.BOUNCED
    if kind == "Bounce" and type_ in _NOT_SENT | {"Transient"}:
        return EventWord.DELAYED if type_ == "Transient" else EventWord.REJECTED
    return _WORDS.get(kind, EventWord.UNKNOWN)


def _read_event(body: Mapping[str, Any], raw: bytes) -> ProviderEvent:
    word, number, given_back = _word(body), body.get("ID"), body.get("Metadata")
    return ProviderEvent(
        word=word,
        event_id=f"{body.get('RecordType')}:{number}" if number else made_id(raw),
        message=_text(given_back, "delivery"),
        provider_id=_text(body, "MessageID"),
        at=_time(_text(body, "DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")),
        hard=_text(body, "Type") in _HARD if word is EventWord.BOUNCED else None,
        reason=_text(body, "Details", "Description", "SuppressionReason")[:500],
        address=_text(body, "Recipient", "Email"),
        url=_text(body, "OriginalLink"),
        user_agent=_text(body, "UserAgent"),
        raw=_kept(body),
    )


def _read_inbound(body: Mapping[str, Any]) -> ProviderEvent:
    """An inbound mail, whole where the server hands on its raw form. Its MessageID is not the mail's Message-ID."""
    listed = body.get("Headers")
    headers = {_text(one, "Name").lower(): _text(one, "Value") for one in listed} if isinstance(listed, list) else {}
    return ProviderEvent(
        word=EventWord.REPLIED,
        event_id=headers.get("message-id", "").strip("<> ") or made_id(json.dumps(body, sort_keys=True).encode()),
        address=_text(body.get("FromFull"), "Email"),
        text=_text(body, "TextBody"),
        subject=_text(body, "Subject"),
        in_reply_to=headers.get("in-reply-to", "").strip("<> "),
        mime=_text(body, "RawEmail").encode("utf-8", "replace"),
        raw=_kept(body),
    )


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _NOT_KEPT}


def _text(fields: Any, *names: str) -> str:
    """The first of these that is there."""
    found = [fields.get(name) for name in names] if isinstance(fields, dict) else []
    return next((str(value) for value in found if isinstance(value, str | int) and value), "")


def _time(text: str) -> datetime | None:
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else None
    return None
