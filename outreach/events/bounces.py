"""Bounces: the standard report (RFC 3464) first, then what mail servers write who do not know it.

What is decided: who did not get it, with which status, why, and whether for good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from typing import Final

from outreach.events.bounce_words import (
    ADDRESS,
    FOR_GOOD,
    FROM_SERVER,
    ORIGINAL,
    POINTERS,
    REASONS,
    SAYS_SO,
    SUBJECT,
)
from outreach.events.letters import header, inner_text

_ADDRESS: Final = re.compile(ADDRESS)
_STILL_TRYING: Final = re.compile(
    r"(?:has|have) not (?:yet )?been delivered|delayed|will (?:be retried|keep trying|continue)", re.I
)
_STATUS: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One recipient who did not get it."""

    recipient: str
    #: Enhanced status code (RFC 3463), '' where none is said.
    status: str
    reason: str
    #: For good: writing again is of no use.
    hard: bool
    #: Still trying, says the server.
    is_delay: bool = False


def read_bounce(message: Message, text: str) -> list[Failure] | None:
    """The failures that a message reports; None where it is no bounce. `text` is its readable part."""
    standard = list(_read_reports(message, text))
    if standard:
        return standard
    explanation = _explanation(text)
    if not _is_bounce(message, explanation):
        return None
    named = [address for _, address in _header_recipients(message)] or _point_at(explanation, message)
    if len(named) < 2:
        return [_judge("".join(named), explanation, said_status="", action="")]
    return [
        _judge(recipient, _said_of(recipient, named, explanation), said_status="", action="") for recipient in named
    ]


def classify(words: str) -> str:
    """The reason behind a server's words; 'undefined' where none is known."""
    return next((name for name, pattern in REASONS if pattern.search(words)), "undefined")


def _read_reports(message: Message, text: str) -> Iterator[Failure]:
    """RFC 3464, section 2.3: a group of fields for each recipient, told apart by Final-Recipient."""
    seen: set[str] = set()
    for fields in _recipient_groups(message):
        recipient = _address_in(fields.get("final-recipient", "")) or _address_in(fields.get("original-recipient", ""))
        action = fields.get("action", "").strip().lower()
        original = _address_in(fields.get("original-recipient", "")) or _address_in(
            fields.get("x-actual-recipient", "")
        )
        recipient = original if original and not _ADDRESS.fullmatch(recipient) else recipient
        if action in {"delivered", "relayed", "expanded"} or not (recipient or action) or recipient.lower() in seen:
            continue
        seen.add(recipient.lower())
        words = fields.get("diagnostic-code", "") or _paragraph_about(recipient, _explanation(text))
        yield _judge(recipient, words, said_status=fields.get("status", ""), action=action, context=_explanation(text))


def _recipient_groups(message: Message) -> Iterator[dict[str, str]]:
    for part in message.walk():
        if part.get_content_type() not in {"message/delivery-status", "message/global-delivery-status"}:
            continue
        for group in _groups(part):
            fields = {name.lower(): _unfold(str(value)) for name, value in group.items()}
            if "final-recipient" in fields or "original-recipient" in fields or "action" in fields:
                yield fields


def _groups(part: Message) -> list[Message]:
    """A report's groups of fields; the parser cuts up only the older of the two types (RFC 6533, section 3)."""
    if part.get_content_type() == "message/global-delivery-status":
        return [message_from_string(text) for text in re.split(r"\n\s*\n", inner_text(part).replace("\r\n", "\n"))]
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _judge(recipient: str, words: str, *, said_status: str, action: str, context: str = "") -> Failure:
    said = _STATUS.search(said_status)
    inside = _STATUS.search(words)
    status = said[1] if said else ""
    if inside and (not status or status.endswith(".0.0")):
        status = inside[1]
    reason = classify(words)
    if reason == "undefined" and context:
        reason = classify(context)
    if reason == "undefined":
        reason = classify(status)
    reason = _by_command(reason, context or words)
    is_delay = action == "delayed" or (not action and _is_delay(words))
    temporary = status.startswith("4") and reason not in {"hostunknown"}
    return Failure(
        recipient=recipient,
        status=status,
        reason=reason,
        hard=reason in FOR_GOOD and not is_delay and not temporary,
        is_delay=is_delay,
    )


def _by_command(reason: str, words: str) -> str:
    """A refusal of the content is not one of the recipient, and one of the sender is neither."""
    if reason != "userunknown":
        return reason
    if re.search(r"end of\s+DATA|SMTP command\s+DATA\b", words):
        return "filtered"
    return "rejected" if re.search(r"(?:after|reply to) (?:pipelined )?MAIL FROM", words) else reason


def _is_delay(words: str) -> bool:
    return bool(
        re.search(
            r"(?:has|have) not (?:yet )?been delivered|delayed|will (?:be retried|keep trying|continue)", words, re.I
        )
    )


def _is_bounce(message: Message, explanation: str) -> bool:
    """No standard report, but a server says that a message could not be delivered."""
    if message.get("X-Failed-Recipients"):
        return True
    is_report = message.get_content_type() == "multipart/report" and "delivery-status" in str(
        message.get("Content-Type", "")
    )
    sender = f"{message.get('From', '')} {message.get('Return-Path', '')}"
    signs = (
        bool(FROM_SERVER.search(sender)) or str(message.get("Return-Path", "")).strip() == "<>",
        bool(SUBJECT.search(header(message, "Subject"))),
        bool(SAYS_SO.search(explanation)),
    )
    return is_report or sum(signs) >= 2


def _header_recipients(message: Message) -> list[tuple[str, str]]:
    values = [str(value) for value in message.get_all("X-Failed-Recipients", [])]
    return [("", address) for value in values for address in _ADDRESS.findall(value)]


def _explanation(text: str) -> str:
    """The server's own words, before the message that came back."""
    found = ORIGINAL.search(text)
    return text[: found.start()] if found and found.start() > 40 else text[:8000]


def _point_at(explanation: str, message: Message) -> list[str]:
    """Who did not get it, by the ways in which servers point at them; else whoever is named at all."""
    ours = {
        address.lower()
        for name in ("To", "From", "Return-Path")
        for address in _ADDRESS.findall(str(message.get(name, "")))
    }
    for pattern in POINTERS:
        found = _distinct(pattern.findall(explanation), without=ours)
        if found:
            return found
    subject = _distinct(_ADDRESS.findall(str(message.get("Subject", ""))), without=ours)
    return subject or _distinct(_ADDRESS.findall(explanation), without=ours)


def _distinct(addresses: Iterable[str], *, without: set[str]) -> list[str]:
    kept: dict[str, str] = {}
    for address in addresses:
        bare = address.rstrip(".").strip("'`")
        if bare.lower() not in without and not FROM_SERVER.match(bare):
            kept.setdefault(bare.lower(), bare)
    return list(kept.values())


def _said_of(recipient: str, named: list[str], explanation: str) -> str:
    """What stands between this recipient's first mention and the next recipient's; all of it where that is nothing."""
    lower = explanation.lower()
    start = lower.find(recipient.lower())
    ends = [
        position for other in named if (position := lower.find(other.lower(), start + 1)) > start and other != recipient
    ]
    piece = explanation[max(0, start) : min(ends, default=len(explanation))]
    return piece if classify(piece) != "undefined" else explanation


def _paragraph_about(recipient: str, explanation: str) -> str:
    """The part of the explanation that names the recipient, where the report itself says nothing."""
    position = explanation.lower().find(recipient.lower()) if recipient else -1
    return explanation[max(0, position - 100) : position + 600] if position >= 0 else explanation[:1500]


def _address_in(field: str) -> str:
    value = field.rpartition(";")[2].strip().strip("<>")
    found = _ADDRESS.search(value)
    return found[0] if found else value


def _unfold(value: str) -> str:
    return re.sub(r"\s*\n\s+", " ", value)
