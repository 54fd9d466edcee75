"""What an inbound e-mail is: a bounce, an automatic reply, a complaint, a person's reply, or something else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

from outreach.core.vocabulary import ReplyKind
from outreach.events.bounce_words import ADDRESS
from outreach.events.bounces import Failure, read_bounce
from outreach.events.letters import decode_header_text, header, parse, payload_text, sender_of, text_of
from outreach.events.quoting import strip_quotes

#: Subjects of automatic replies, for programs that do not say so in a header (RFC 3834).
_AUTO_SUBJECT: Final = re.compile(
    r"^(?:re:\s*)?(?:\[?auto(?:matic|mated)?[ -]?(?:reply|response|antwort|svar)|auto:|out of (?:the )?office|"
    r"away from (?:my|the) office|"
    r"on vacation|vacation (?:reply|notice)|i am (?:away|out of)|abwesen|abwesend|réponse automatique|respuesta autom|"
    r"risposta automatica|автоматич(?:ен|ни) отговор|автоответ|автоматический ответ|извън офиса|отсъств|в отпуск|"
    r"отпуск(?:а|ата)?\b|не съм в офиса)",
    re.I,
)
#: Amazon's notification of a complaint, as SNS mails it.
_SNS_COMPLAINT: Final = re.compile(
    r'"notificationType"\s*:\s*"Complaint".{0,400}?"complainedRecipients"\s*:\s*\[(.{0,400}?)\]', re.S
)
#: Reports of an automatic check of our own signatures: no person complained.
NOT_BY_A_PERSON: Final = frozenset({"auth-failure"})


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was made of a message."""

    kind: ReplyKind
    #: For a bounce, those who did not get it; for a complaint, those it was sent to.
    failures: tuple[Failure, ...] = ()
    recipients: tuple[str, ...] = ()
    #: Feedback type of a complaint, 'vacation' of an automatic reply.
    reason: str = ""
    #: The author's words, without quotes and signature.
    text: str = ""


def read(message: Message) -> Reading:
    """Tell what a message is; the first that fits counts, the surest first."""
    text = text_of(message)
    if (complaint := _read_complaint(message)) is not None:
        return complaint
    if not _is_disposition(message) and (failures := read_bounce(message, text)) is not None:
        # Two dots in a row: an address that somebody shortened to hide it.
        named = tuple(each.recipient for each in failures if each.recipient and ".." not in each.recipient)
        return Reading(kind=ReplyKind.BOUNCE, failures=tuple(failures), recipients=named)
    if _is_automatic(message):
        return Reading(kind=ReplyKind.AUTO_REPLY, reason="vacation", text=strip_quotes(text))
    if _is_mass_mail(message):
        return Reading(kind=ReplyKind.OTHER, text=strip_quotes(text))
    return Reading(kind=ReplyKind.REPLY, text=strip_quotes(text))


def inspect(content: bytes) -> dict[str, Any]:
    """What `outreach inspect mail` says of a message."""
    reading = read(parse(content))
    worst = next((failure for failure in reading.failures if failure.hard), next(iter(reading.failures), None))
    return {
        "kind": str(reading.kind),
        "recipients": list(reading.recipients),
        "hard": worst.hard if worst else None,
        "status": worst.status if worst else "",
        "reason": worst.reason if worst else reading.reason,
        "text": reading.text,
    }


def _read_complaint(message: Message) -> Reading | None:
    """RFC 5965, and the few who complain in their own form."""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            fields = _fields(part)
            named = fields.get("original-rcpt-to", "") or fields.get("removal-recipient", "")
            return Reading(
                kind=ReplyKind.COMPLAINT,
                recipients=tuple(re.findall(ADDRESS, named)),
                reason=fields.get("feedback-type", "abuse").lower(),
            )
    return _read_odd_complaint(message)


def _read_odd_complaint(message: Message) -> Reading | None:
    """Microsoft's junk mail reports, Amazon's notifications, Apple's wish to be taken off a list."""
    named = [str(part["X-HmXmrOriginalRecipient"]) for part in message.walk() if part.get("X-HmXmrOriginalRecipient")]
    if named or "feedback-report" in str(message.get("Content-Type", "")):
        return Reading(kind=ReplyKind.COMPLAINT, recipients=tuple(re.findall(ADDRESS, " ".join(named))), reason="abuse")
    subject = header(message, "Subject").strip().lower()
    if subject == "unsubscribe" and message.get("Auto-Submitted"):
        return Reading(kind=ReplyKind.COMPLAINT, recipients=(sender_of(message),), reason="opt-out")
    if found := _SNS_COMPLAINT.search(text_of(message).replace('\\"', '"')):
        return Reading(kind=ReplyKind.COMPLAINT, recipients=tuple(re.findall(ADDRESS, found[1])), reason="abuse")
    return None


def _fields(part: Message) -> dict[str, str]:
    """The report's fields; the parser takes it for a message, or for text."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        found = {name.lower(): decode_header_text(str(value)) for name, value in payload[0].items()}
        if found:
            return found
    text = payload_text(part) or (str(payload[0]) if isinstance(payload, list) and payload else str(payload or ""))
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _is_disposition(message: Message) -> bool:
    """A receipt that somebody asked for (RFC 8098): neither a bounce nor a reply."""
    return "disposition-notification" in str(message.get("Content-Type", ""))


def _is_automatic(message: Message) -> bool:
    submitted = header(message, "Auto-Submitted").lower().split(";")[0].strip()
    if submitted and submitted != "no":
        return submitted.startswith("auto-replied") or not message.get("List-Id")
    if any(message.get(name) for name in ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply-From")):
        return True
    if header(message, "X-Auto-Response-Suppress").lower() == "all" or header(message, "X-POST-MessageClass"):
        return True
    if header(message, "Precedence").lower() in {"auto_reply", "auto-reply"}:
        return True
    return bool(_AUTO_SUBJECT.search(header(message, "Subject"))) or _is_disposition(message)


def _is_mass_mail(message: Message) -> bool:
    """Newsletters and lists: nobody wrote them to us."""
    if message.get("In-Reply-To"):
        return False
    is_listed = bool(message.get("List-Id") or message.get("List-Unsubscribe"))
    return is_listed or header(message, "Precedence").lower() in {"bulk", "junk", "list"}
