"""What SendGrid's refusals mean (https://docs.sendgrid.com/api-reference/mail-send/errors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channels.base import (
    AccountProblem,
    ChannelError,
    Outcome,
    PermanentFailure,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.exchange import refusal

#: Fields of a refused request whose fault is one message's, not the account's.
_REFUSED_FIELDS: Final[Mapping[str, tuple[type[ChannelError], str]]] = {
    "from": (AccountProblem, "account_problem"),
    "content": (UnsupportedContent, "unsupported"),
    "subject": (UnsupportedContent, "unsupported"),
    "headers": (UnsupportedContent, "unsupported"),
}


class RecipientsRefused(PermanentFailure):
    """SendGrid refused some of a request's recipients, and with them the whole request: the others may go again."""

    #: Which recipients of the request, counted from 0, and the ids of their messages, once the sender filled them in.
    numbers: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()

    def outcome(self, message_id: str) -> Outcome:
        if not self.ids or message_id in self.ids:
            return super().outcome(message_id)
        words = "Another address of the same request was refused; nothing was sent."
        return TemporaryFailure(words, reason="temporary").outcome(message_id)


def refused(status: int, body: Any, headers: Mapping[str, str]) -> ChannelError:
    """The error that a refusal means, by the fields that it names."""
    listed = body.get("errors") if isinstance(body, dict) else None
    errors = [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
    detail = "; ".join(str(error.get("message") or "") for error in errors)
    fields = [str(error.get("field") or "").split(".") for error in errors]
    field = fields[0][0] if fields else ""
    if status == 400 and field == "personalizations":
        some = RecipientsRefused(f"400: {detail}", reason="invalid_address", status=status)
        some.numbers = frozenset(int(part[1]) for part in fields if len(part) > 1 and part[1].isdecimal())
        return some
    if status == 400 and field in _REFUSED_FIELDS:
        kind, reason = _REFUSED_FIELDS[field]
        return kind(f"400: {detail}", reason=reason, status=status)
    return refusal(status, detail, headers=headers)
