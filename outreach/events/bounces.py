"""Bounces: the standard report (RFC 3464) first, then what mail servers write who do not know it.

What is decided: who did not get it, with which status, why, and whether for good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from typing import Final

from outreach.events.auto_words import AUTOMATIC_REPLY, AWAY
from outreach.events.bounce_reasons import FOR_GOOD, REASONS
from outreach.events.bounce_recipients import point_at
from outreach.events.bounce_words import (
    ADDRESS,
    DAEMON,
    FORWARDED,
    FROM_SERVER,
    ORIGINAL,
    PASSED_ON,
    SAYS_SO,
    SUBJECT,
)
from outreach.events.letters import (
    decode_header_text,
    header,
    inner_text,
    kinds_of,
    own_parts,
    parts_of,
    payload_text,
)
from outreach.events.quoting import strip_quotes
from outreach.events.sns import WORDS_OF, read_notification, recipients_in

_ADDRESS: Final = re.compile(ADDRESS)
#: Stands for any address where words are understood: `spam.filter@` and `no.mailbox@` are people.
_SOMEBODY: Final = "a@b.example"
_STILL_TRYING: Final = re.compile(
    r"(?:has|have) not (?:yet )?been delivered|delayed|will (?:be retried|keep trying|continue)", re.I
)
_REPORT_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_LOOSE_GROUP: Final = re.compile(
    r"^(?:(?:Original|Final)-Recipient|Action):.*\n(?:[\w-]+:.*\n|[ \t]+\S.*\n)+", re.I | re.M
)
_IS_GROUP: Final = re.compile(r"^action:[\s\S]*-recipient:|-recipient:[\s\S]*^action:", re.I | re.M)
#: What happened to a letter that was not lost.
_ARRIVED: Final = frozenset({"delivered", "relayed", "expanded"})
#: Longest text of which the beginning is looked through for a report's groups.
_LONGEST: Final = 100_000
#: Longest part of it that is searched for words and people: a pattern's cost may grow with its square.
_LOOKED_AT: Final = 8000
#: Who writes no more above what is passed on has nothing to say of it.
_A_WORD: Final = 60
#: PowerMTA's categories -> what a server would have said, for reports that tell no server's words.
_OF_POWERMTA: Final = {
    "bad-mailbox": "user unknown",
    "bad-domain": "unknown domain",
    "inactive-mailbox": "inactive user",
    "quota-issues": "mailbox full",
}
#: What begins the message that came back only where somebody was named before: a heading looks the same.
_MAY_BEGIN: Final = re.compile(r"\s*(?:received:|return-path:|-{3,40}\s{0,3}[^\x00-\x7f])", re.I)
#: What a server says without saying that it returns anything.
_OF_NOBODY: Final = frozenset({"userunknown", "hostunknown"})
#: Said of a message that was given up, whatever the number before it says.
_UNKNOWN: Final = re.compile(r"user unknown|unknown user|no such user|user not found|user does not exist", re.I)
#: Numbers that name one thing (RFC 3463, sections 3.2 to 3.4), unlike `5.0.0` and `5.7.1`: more than the text around.
_SAYS_ENOUGH: Final = re.compile(r"[45]\.(?:1\.(?:[1236]|10)|2\.2|3\.4)")
#: Lines among a server's words that are not of the delivery: our own subject, and what gateways add to each letter.
_BESIDE_IT: Final = re.compile(
    r"^[ \t>*]*(?:subject|относно|тема|betreff|objet|asunto|assunto|oggetto|temat|onderwerp)\s*:.*$|"
    r"^(?!.*@)(?:.*\b(?:scanned|checked|analizado|geprüft|vérifié|analysé|controllato|sprawdzon|проверен|сканиран)"
    r".{0,80}(?:virus|вирус|malware)|.*anti-?virus (?:system|software|engine)|"
    r"[ \t>*\[]*(?:caution|external|attention|внимание)\b.{0,80}(?:outside|external|origin|sender|външ|извън)).*$",
    re.I | re.M,
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
    text = text.replace("\r\n", "\n")
    if standard := list(_read_reports(message, text)) or _read_notification(text):
        return standard
    explanation = _explanation(text)
    if _tells_of_arrival(message, text) or not _is_bounce(message, explanation):
        return None
    named = [address for _, address in _header_recipients(message)] or point_at(explanation, message, text)
    if len(named) < 2:
        return [_judge("".join(named), explanation, said_status="", action="")]
    return [
        _judge(recipient, _said_of(recipient, named, explanation), said_status="", action="") for recipient in named
    ]


def classify(words: str) -> str:
    """The reason behind a server's words; 'undefined' where none is known. What somebody is called says nothing."""
    said = _ADDRESS.sub(_SOMEBODY, words)
    return next((name for name, pattern in REASONS if pattern.search(said)), "undefined")


def _read_reports(message: Message, text: str) -> Iterator[Failure]:
    """RFC 3464, section 2.3: a group of fields for each recipient, told apart by Final-Recipient."""
    seen: set[str] = set()
    for fields in _recipient_groups(message, text):
        recipient = _recipient_of(fields)
        action = _action_of(fields)
        if action in _ARRIVED or not (recipient or action) or recipient.lower() in seen:
            continue
        seen.add(recipient.lower())
        words = fields.get("diagnostic-code", "") or _OF_POWERMTA.get(fields.get("x-powermta-bouncecategory", ""), "")
        words = words or _paragraph_about(recipient, _explanation(text))
        yield _judge(recipient, words, said_status=fields.get("status", ""), action=action, context=_explanation(text))


def _tells_of_arrival(message: Message, text: str) -> bool:
    """A report that somebody asked for, of letters that came (RFC 3464, section 2.3.3)."""
    actions = [_action_of(fields) for fields in _recipient_groups(message, text)]
    return bool(actions) and _ARRIVED.issuperset(actions)


def _action_of(fields: Mapping[str, str]) -> str:
    return fields.get("action", "").strip().lower().partition(" ")[0]


def _read_notification(text: str) -> list[Failure]:
    """Amazon's own form."""
    told = read_notification(text) or {}
    if told.get("notificationType") != "Bounce":
        return []
    kind = str(told["bounce"].get("bounceSubType")) if isinstance(told.get("bounce"), dict) else ""
    return [
        _judge(
            str(each.get("emailAddress", "")),
            str(each.get("diagnosticCode") or WORDS_OF.get(kind, "")),
            said_status=str(each.get("status", "")),
            action=str(each.get("action", "")),
        )
        for each in recipients_in(told, "bounce", "bouncedRecipients")
    ]


def _recipient_groups(message: Message, text: str) -> Iterator[dict[str, str]]:
    reports = [part for part in message.walk() if part.get_content_type() in _REPORT_TYPES]
    for group in [each for part in reports for each in _groups(part)] or _loose_groups(message, text):
        fields = {name.lower(): decode_header_text(value) for name, value in group.items()}
        if "final-recipient" in fields or "original-recipient" in fields or "action" in fields:
            yield fields


def _loose_groups(message: Message, text: str) -> list[Message]:
    """Groups in bare text: where a report's borders got lost or a gateway made a text of it, or somebody passed it on
    without a word of note.
    """
    if not (_is_passed_on_alone(message, text) or _is_of_a_daemon(message) or _is_report(message)):
        return []
    texts = [payload_text(part) for part in own_parts(message) if part.get_content_type() == "text/plain"]
    whole = "\n".join([text, *texts]).replace("\r\n", "\n")[:_LONGEST]
    found = _LOOSE_GROUP.findall(re.sub(r"^[> ]*>[ ]?", "", whole + "\n", flags=re.M))
    return [message_from_string(group) for group in found if _IS_GROUP.search(group)]


def _is_passed_on_alone(message: Message, text: str) -> bool:
    """A person sends it on, and adds nothing; what a gateway adds is not of the person."""
    if not FORWARDED.match(header(message, "Subject")) or message.get("In-Reply-To"):
        return False
    return len(strip_quotes(_BESIDE_IT.sub("", text[:_LONGEST]))) < _A_WORD


def _groups(part: Message) -> list[Message]:
    """A report's groups of fields; the parser cuts up only the older of the two types (RFC 6533, section 3)."""
    if part.get_content_type() == "message/global-delivery-status":
        return [message_from_string(text) for text in re.split(r"\n\s*\n", inner_text(part).replace("\r\n", "\n"))]
    return parts_of(part)


def _judge(recipient: str, words: str, *, said_status: str, action: str, context: str = "") -> Failure:
    said = _STATUS.search(said_status)
    inside = _STATUS.search(words)
    status = said[1] if said else ""
    if inside and (not status or status.endswith(".0.0")):
        status = inside[1]
    tellers = [words, status if _SAYS_ENOUGH.fullmatch(status) else "", context, f"{status} {words}"]
    reason = next((name for teller in tellers if (name := classify(teller)) != "undefined"), "undefined")
    reason = _by_command(reason, context or words)
    is_delay = action == "delayed" or (not action and _is_delay(words))
    is_sure = reason == "hostunknown" or bool(_UNKNOWN.search(words))
    temporary = status.startswith("4") and not is_sure
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
    return bool(_STILL_TRYING.search(words))


def _is_bounce(message: Message, explanation: str) -> bool:
    """No standard report, but a server says that a message could not be delivered; a person who says so is none."""
    if message.get("X-Failed-Recipients"):
        return True
    subject, sender = header(message, "Subject"), header(message, "From")
    if _is_report(message):
        return True
    if PASSED_ON.match(subject) or AUTOMATIC_REPLY.match(subject) or AWAY.match(subject):
        return False
    has_subject, says_so = bool(SUBJECT.search(subject)), bool(SAYS_SO.search(" ".join(explanation.split())))
    if _is_of_a_daemon(message):
        may_be_a_person = "postmaster" in sender.lower() and "@" not in explanation and not _brings_back(message)
        return says_so or (has_subject and not may_be_a_person) or classify(explanation) in _OF_NOBODY
    is_answer = bool(message.get("In-Reply-To")) or header(message, "Auto-Submitted").lower().startswith("auto-replied")
    if is_answer:
        return False
    if _is_of_nobody(message):
        return has_subject or (says_so and classify(explanation) != "undefined")
    return bool(FROM_SERVER.search(sender)) and has_subject and says_so


def _brings_back(message: Message) -> bool:
    return any(kind.startswith("message/") or kind == "text/rfc822-headers" for kind in kinds_of(message))


def _is_report(message: Message) -> bool:
    kind = str(message.get("Content-Type", ""))
    return message.get_content_type() == "multipart/report" and "delivery-status" in kind


def _is_of_a_daemon(message: Message) -> bool:
    path = "" if _is_of_nobody(message) else str(message.get("Return-Path", ""))
    return bool(DAEMON.search(f"{header(message, 'From')}\n{path}"[:2000]))


def _is_of_nobody(message: Message) -> bool:
    """The empty return path: of a server's notice, and of automatic answers (RFC 3834, section 3.3)."""
    return str(message.get("Return-Path", "")).strip() == "<>"


def _header_recipients(message: Message) -> list[tuple[str, str]]:
    values = [str(value) for value in message.get_all("X-Failed-Recipients", [])]
    return [("", address) for value in values for address in _ADDRESS.findall(value)]


def _explanation(text: str) -> str:
    """The server's own words, before the message that came back; headers that they begin with are none of it."""
    named = text.find("@") if "@" in text else len(text)
    for found in ORIGINAL.finditer(text[:_LONGEST]):
        if named < found.start() or (found.start() > 40 and not _MAY_BEGIN.match(found[0])):
            return _BESIDE_IT.sub("", text[: min(found.start(), _LOOKED_AT)])
    return _BESIDE_IT.sub("", text[:_LOOKED_AT])


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


def _recipient_of(fields: Mapping[str, str]) -> str:
    """Whom we wrote to, where the report says it, else whom the server did not reach (RFC 3464, 2.3.1)."""
    named = [_address_in(fields.get(f"{name}-recipient", "")) for name in ("original", "final", "x-actual")]
    whole = (each for each in named if _ADDRESS.fullmatch(each))
    return next(whole, None) or named[1] or named[0]


def _address_in(field: str) -> str:
    value = field.rpartition(";")[2].strip().strip("<>")
    found = _ADDRESS.search(value)
    return found[0] if found else value
