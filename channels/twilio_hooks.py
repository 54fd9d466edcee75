"""What Twilio calls us with: the status of a message, or one that somebody wrote; each signed over its URL and form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from channels.base import EventWord, ForgedHook, Hook, ProviderEvent

_WORDS: Final[Mapping[str, EventWord]] = {
    "accepted": EventWord.ACCEPTED,
    "scheduled": EventWord.ACCEPTED,
    "queued": EventWord.ACCEPTED,
    "sending": EventWord.ACCEPTED,
    "sent": EventWord.ACCEPTED,
    "delivered": EventWord.DELIVERED,
    "read": EventWord.READ,
    "undelivered": EventWord.BOUNCED,
    "failed": EventWord.REJECTED,
    "canceled": EventWord.REJECTED,
}

#: ErrorCode of an undelivered or failed message: is it for good, and why.
_LATER_FAILURES: Final[Mapping[str, tuple[bool | None, str]]] = {
    "21610": (True, "suppressed"),
    "30003": (False, "unreachable"),
    "30004": (True, "refused"),
    "30005": (True, "unknown_recipient"),
    "30006": (True, "invalid_address"),
    "30007": (None, "policy"),
    "30008": (None, "refused"),
    "30009": (False, "temporary"),
    "30017": (False, "temporary"),
    "30022": (False, "rate_limited"),
    "30023": (False, "rate_limited"),
    "30024": (None, "policy"),
    "30032": (None, "policy"),
    "30034": (None, "policy"),
    "30410": (False, "temporary"),
    "30500": (False, "temporary"),
}


def verified_form(hook: Hook, token: str) -> dict[str, str]:
    """The call's form, once its signature over URL and form is found to be Twilio's.

    Raises:
        ForgedHook: the signature is missing or another's.
    """
    form = dict(parse_qsl(hook.body.decode("utf-8", "replace"), keep_blank_values=True))
    signature = hook.headers.get("x-twilio-signature", "")
    if not (token and signature and RequestValidator(token).validate(hook.url, form, signature)):
        raise ForgedHook("The signature is not Twilio's.")
    return form


def read_status(form: Mapping[str, str]) -> ProviderEvent:
    sid, status = _sid(form), form.get("MessageStatus") or form.get("SmsStatus", "")
    hard, reason = _LATER_FAILURES.get(form.get("ErrorCode", ""), (None, ""))
    return ProviderEvent(
        word=_WORDS.get(status, EventWord.UNKNOWN),
        event_id=f"{sid}:{status}",
        provider_id=sid,
        hard=hard,
        reason=reason,
        address=form.get("To", ""),
        raw=dict(form),
    )


def read_inbound(form: Mapping[str, str]) -> ProviderEvent:
    sid = _sid(form)
    return ProviderEvent(
        word=EventWord.REPLIED,
        event_id=sid,
        provider_id=sid,
        address=form.get("From", ""),
        text=form.get("Body", ""),
        # https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: present where Twilio answered the word.
        answered=bool(form.get("OptOutType")),
        raw=dict(form),
    )


def _sid(form: Mapping[str, str]) -> str:
    return form.get("MessageSid") or form.get("SmsSid") or form.get("SmsMessageSid") or "no-sid"
