"""Whether what SPF and DKIM vouch for is the sender's own domain, as DMARC means it (RFC 7489, 3.1). Asks nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from channels.base import Problem, Record
from channels.domain_findings import Policy


def judge_alignment(domain: str, policy: Policy, signing: Sequence[str]) -> Iterator[Problem]:
    """Whether the domain that signs is the sender's own, as DMARC means it."""
    for signed in sorted(set(signing)):
        values = {"domain": domain, "signed": signed}
        if _is_signed_alike(domain, policy, signed):
            message = "DMARC: signatures of %(signed)s count for the sender's domain %(domain)s."
            yield Problem(severity="good", code="aligned", message=message, values=values)
        else:
            message, remedy = (
                "Signatures of %(signed)s do not count for the sender's domain %(domain)s, so DMARC takes the messages "
                "for unsigned.",
                "Sign for the sender's own domain, or for the one above it.",
            )
            yield Problem(severity="warning", code="unaligned", message=message, remedy=remedy, values=values)


def judge_spf_alignment(domain: str, policy: Policy, envelope: str, signing: Sequence[str]) -> Iterator[Problem]:
    """Whether SPF, which speaks of the envelope's domain, counts for the sender's; nothing where both are the same."""
    if envelope == domain:
        return
    values = {"domain": domain, "envelope": envelope}
    is_strict = policy.tags.get("aspf", "r").lower() == "s"
    if is_aligned(domain, envelope, organisational=policy.organisational, is_strict=is_strict):
        message = "DMARC: SPF of %(envelope)s, where returned mail goes, counts for the sender's domain %(domain)s."
        yield Problem(severity="good", code="spf_aligned", message=message, values=values)
        return
    vouched = [signed for signed in signing if _is_signed_alike(domain, policy, signed)]
    if vouched:
        severity, message = (
            "note",
            "Returned mail goes to %(envelope)s, so SPF does not count for the sender's domain %(domain)s: DMARC "
            "passes by the signature alone, and fails wherever that breaks.",
        )
    else:
        severity, message = (
            "warning",
            "Returned mail goes to %(envelope)s, so SPF does not count for the sender's domain %(domain)s, and no "
            "signature of ours does: DMARC fails unless the mail server signs for that domain.",
        )
    record = _relaxed(policy) if is_strict and _is_related(domain, policy, envelope) else None
    remedy = (
        "Take an address for returned mail in %(domain)s itself, or publish this record, which lets domains of the "
        "same organisation count."
        if record
        else "Take an address for returned mail in %(domain)s, or in a domain below it that has an SPF and an MX "
        "record of its own."
    )
    yield Problem(
        severity=severity,
        code="spf_unaligned",
        message=message,
        remedy=remedy,
        field="bounce_address",
        values=values,
        record=record,
    )


def _is_signed_alike(domain: str, policy: Policy, signed: str) -> bool:
    is_strict = policy.tags.get("adkim", "r").lower() == "s"
    return is_aligned(domain, signed, organisational=policy.organisational, is_strict=is_strict)


def _is_related(domain: str, policy: Policy, other: str) -> bool:
    return is_aligned(domain, other, organisational=policy.organisational, is_strict=False)


def _relaxed(policy: Policy) -> Record:
    value = re.sub(r"(?i)\baspf\s*=\s*s\b", "aspf=r", policy.records[0])
    return Record(name=f"_dmarc.{policy.domain}", kind="TXT", value=value)


def is_aligned(domain: str, other: str, *, organisational: str, is_strict: bool) -> bool:
    """RFC 7489, 3.1: the same domain, or with relaxed alignment one of the same organisation."""
    if domain == other or is_strict:
        return domain == other
    if _lies_below(domain, other) or _lies_below(other, domain):
        return "." in min(domain, other, key=len)
    return bool(organisational) and _lies_below(other, organisational) and _lies_below(domain, organisational)


def _lies_below(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")
