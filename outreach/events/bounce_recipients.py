"""Who did not get it, of a returned message that is no standard report: by how servers point at people, or by what of
our own message came back. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from email.message import Message
from typing import Final

from outreach.events.bounce_tongues import ADVICE
from outreach.events.bounce_words import ADDRESS, FROM_SERVER, ORIGINAL, POINTERS, SUREST
from outreach.events.letters import returned_headers

_ADDRESS: Final = re.compile(ADDRESS)
_ADVICE: Final = re.compile(ADVICE, re.I)
#: A recipient without a domain, as gateways of old and large providers list their own.
_BARE: Final = re.compile(
    r"^[ \t>]*<?([a-z0-9][\w.+-]{1,63})>?[ \t]{0,80}"
    r"(?:\((?:reason|\d{3}|[^)\n]*(?:unknown|not|full|no such|invalid))|:\s*$|\.\.\.|[ \t]{2,}\S)",
    re.I | re.M,
)
#: The same, each on a line of its own below what says so.
_LISTED: Final = re.compile(
    r"following (?:recipient|address|user)[^:@]{0,200}:[ \t]*\n((?:[ \t]+[a-z0-9][\w.+-]{1,63}[ \t]*\n){1,100})", re.I
)
_ITS_DOMAIN: Final = re.compile(r"in domain [\"'<]?([\w-]+(?:\.[\w-]+)+)", re.I)
#: How an institution's server explains what addresses it has: with a word for anybody's name. `finger` is no mail.
_FORM_OF_ITS_ADDRESSES: Final = re.compile(
    r"(?<!finger )\b(?:NAME|USER(?:NAME)?|LOGIN|LOCALPART)@([\w-]+(?:\.[\w-]+)+)"
)
#: Words at the beginning of a line that are no recipient.
_NO_NAMES: Final = frozenset(
    {
        "action", "arrival-date", "because", "date", "diagnostic-code", "diagnostics", "error", "final-recipient",
        "from", "host", "message", "message-id", "note", "original-recipient", "reason", "received", "recipient",
        "remote", "remote-mta", "reply-to", "reporting-mta", "sender", "sent", "smtp", "status", "subject", "the",
        "this", "to", "transcript", "while", "your"
    }
)  # fmt: skip
_WRITTEN_TO: Final = re.compile(r"^[ \t>]*(?:To|X-Original-To|Envelope-To):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.I | re.M)
_WRITTEN_BY: Final = re.compile(r"^[ \t>]*(?:From|Sender|Reply-To|Return-Path):[ \t]*(\S.*)", re.I | re.M)
#: Top-level halves of a domain that are shared: `co.uk`.
_SHORT: Final = 3


def point_at(explanation: str, message: Message, text: str) -> list[str]:
    """Who did not get it; `explanation` is the part of the text that the server wrote itself."""
    ours = _lowered(
        address for name in ("To", "From", "Return-Path") for address in _ADDRESS.findall(str(message.get(name, "")))
    )
    back = _written_to(message, text)
    meant = _lowered(back)
    for number, pattern in enumerate(POINTERS):
        pointed = pattern.findall(explanation)
        if found := _distinct(pointed, without=ours, meant={*meant, *_lowered(pointed if number < SUREST else ())}):
            return found
    if subject := _distinct(_ADDRESS.findall(str(message.get("Subject", ""))), without=ours):
        return subject
    written_to = _distinct(back, without=ours, meant=meant)
    if bare := _bare_names(explanation, message, written_to):
        return bare
    return _named_at_all(explanation, ours | _written_by(text), written_to)


def _named_at_all(explanation: str, ours: set[str], written_to: list[str]) -> list[str]:
    """Addresses in the server's words; where they only give advice, those to which our message was written."""
    places = [
        (found[0], explanation[max(0, found.start() - 80) : found.start()]) for found in _ADDRESS.finditer(explanation)
    ]
    failed = _distinct((address for address, before in places if not _ADVICE.search(before)), without=ours)
    both = _lowered(failed) & _lowered(written_to)
    if both:
        return [address for address in failed if address.lower() in both]
    if failed and not (written_to and len(failed) > len(written_to)):
        return failed
    return written_to or failed or _distinct((address for address, _ in places), without=ours)


def _written_to(message: Message, text: str) -> list[str]:
    """Recipients of our message, as far as it came back: in a part of its own, or below the server's words."""
    if (returned := returned_headers(message)) is not None:
        values = [str(value) for name in ("To", "X-Original-To") for value in returned.get_all(name, [])]
        return [address for value in values for address in _ADDRESS.findall(value)]
    begins = ORIGINAL.search(text)
    below = text[begins.start() :][:20_000] if begins else ""
    found = _WRITTEN_TO.search(below)
    return _ADDRESS.findall(found[1]) if found else []


def _written_by(text: str) -> set[str]:
    """Who wrote the message that came back: ourselves, by whatever address."""
    return _lowered(address for line in _WRITTEN_BY.findall(text[:20_000]) for address in _ADDRESS.findall(line))


def _lowered(addresses: Iterable[str]) -> set[str]:
    return {address.lower() for address in addresses}


def _bare_names(explanation: str, message: Message, written_to: list[str]) -> list[str]:
    """Recipients named without a domain: it is that of our own message's recipient, or of the server.

    Of a server with several, each that it names: which of them we wrote to, what we sent tells.
    """
    listed = [name for names in _LISTED.findall(f"{explanation}\n") for name in names.split()]
    names = [name for name in dict.fromkeys([*listed, *_BARE.findall(explanation)]) if name.lower() not in _NO_NAMES]
    known = {address.partition("@")[0].lower(): address for address in written_to}
    whole = [known[name.lower()] for name in names if name.lower() in known]
    if whole or written_to:
        return whole
    said = _ITS_DOMAIN.search(explanation)
    domain = said[1] if said else _domain_of_server(message)
    forms = [form.lower() for form in _FORM_OF_ITS_ADDRESSES.findall(explanation) if _is_within(form.lower(), domain)]
    return [f"{name}@{each}" for name in names for each in dict.fromkeys([*forms, domain]) if each]


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _domain_of_server(message: Message) -> str:
    """The domain that the server is of: its host's name without the host."""
    found = _ADDRESS.search(str(message.get("From", "")))
    labels = found[0].rpartition("@")[2].lower().split(".") if found else []
    if len(labels) < 3:
        return ".".join(labels)
    return ".".join(labels[-3:] if len(labels[-2]) <= _SHORT and len(labels[-1]) == 2 else labels[-2:])


def _distinct(addresses: Iterable[str], *, without: set[str], meant: Collection[str] = ()) -> list[str]:
    """Each once, and no server's own address but where we wrote to it (`meant`)."""
    kept: dict[str, str] = {}
    for address in addresses:
        bare = address.rstrip(".").strip("'`")
        if bare.lower() not in without and (bare.lower() in meant or not FROM_SERVER.match(bare)):
            kept.setdefault(bare.lower(), bare)
    return list(kept.values())
