"""What DNS says of a sender's domain, judged: each finding in plain words, with the record to publish. Asks nobody.

The rules are those of RFC 7208 (SPF), 6376 (DKIM), 7489 (DMARC), 7505 and 8460, and what Gmail and Yahoo ask of those
who send much (support.google.com/a/answer/81126, senders.yahooinc.com/best-practices).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from channels.base import Problem, Record
from channels.dkim import Key
from channels.spf import SpfResult, SpfVerdict
from channels.spf_record import Fault, with_mechanism

#: An unfinished address where reports go, for those who named none.
REPORTS: Final = "dmarc-reports"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The DMARC records that hold for a domain."""

    #: Where the record stands, without `_dmarc.`; the sender's domain where there is none.
    domain: str
    #: More than one means none.
    records: tuple[str, ...] = ()
    #: The shortest of the domains above with a record: what shares it is aligned, unless alignment is strict.
    organisational: str = ""

    @property
    def tags(self) -> dict[str, str]:
        return read_tags(self.records[0]) if self.records else {}


def read_tags(record: str) -> dict[str, str]:
    """`v=DMARC1; p=none` as names and values; also of DKIM's and TLS-RPT's records."""
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def judge_spf(
    domain: str, host: str, records: Sequence[str], verdicts: Mapping[str, SpfVerdict], *, is_told: bool
) -> Iterator[Problem]:
    """SPF for each address that messages leave from. `is_told`: somebody named them, else they are the server's own."""
    values = {"domain": domain, "host": host}
    if not records:
        mechanisms = [_mechanism(address) for address in verdicts] if is_told else [f"a:{host}"] if verdicts else []
        proposed = " ".join(["v=spf1 mx", *mechanisms, "~all"])
        message, remedy = (
            "The domain %(domain)s has no SPF record, so nobody can tell whether the mail server may send for it.",
            "Publish this record; add who else sends for the domain before you do. Gmail and Yahoo ask for it.",
        )
        yield Problem(
            severity="warning",
            code="spf_missing",
            message=message,
            remedy=remedy,
            values=values,
            record=Record(name=domain, kind="TXT", value=proposed),
        )
        return
    if broken := next((verdict for verdict in verdicts.values() if verdict.fault), None):
        yield _broken_spf(domain, broken)
        return
    if re.search(r"(?:^|\s)\+?all\b", records[0].lower()):
        message, remedy = (
            "The SPF record of %(domain)s lets everybody send for it.",
            "End the record with ~all or -all instead of +all.",
        )
        closed = re.sub(r"(^|\s)\+?all\b", r"\1~all", records[0], flags=re.I)
        record = Record(name=domain, kind="TXT", value=closed)
        yield Problem(severity="warning", code="spf_open", message=message, remedy=remedy, values=values, record=record)
    if re.search(r"\s[+?~-]?ptr(?:[:\s]|$)", records[0], re.I):
        message, remedy = (
            "The SPF record of %(domain)s goes by reverse DNS (PTR), which is slow and which some receivers skip.",
            "Name the addresses instead, or the mail servers (MX): the standard asks that nobody publishes it.",
        )
        yield Problem(severity="note", code="spf_ptr", message=message, remedy=remedy, values=values)
    yield from _judge_addresses(domain, host, records[0], verdicts, is_told=is_told)


def _judge_addresses(
    domain: str, host: str, record: str, verdicts: Mapping[str, SpfVerdict], *, is_told: bool
) -> Iterator[Problem]:
    for address, verdict in verdicts.items():
        values = {"domain": domain, "address": address, "host": host}
        if verdict.result is SpfResult.PASS:
            message = "SPF: %(domain)s lets %(address)s send for it."
            yield Problem(severity="good", code="spf", message=message, values=values)
        else:
            yield _unnamed(record, values, address=address, is_told=is_told)


def _unnamed(record: str, values: Mapping[str, str], *, address: str, is_told: bool) -> Problem:
    if is_told:
        message, remedy = (
            "The SPF record of %(domain)s does not name %(address)s, which messages leave from.",
            "Publish the record with the address in it.",
        )
    else:
        message, remedy = (
            "The SPF record of %(domain)s does not name the mail server %(host)s (%(address)s).",
            "Publish the record with the server in it. If the server hands messages on from other addresses, write "
            "those into the account first.",
        )
    proposed = with_mechanism(record, _mechanism(address) if is_told else f"a:{values['host']}")
    return Problem(
        severity="warning",
        code="spf_not_named",
        message=message,
        remedy=remedy,
        values=values,
        record=Record(name=values["domain"], kind="TXT", value=proposed),
    )


def _mechanism(address: str) -> str:
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"


def _broken_spf(domain: str, verdict: SpfVerdict) -> Problem:
    message = {
        Fault.SEVERAL: "The domain %(domain)s has more than one SPF record, which counts as a mistake.",
        Fault.SYNTAX: "The SPF record of %(domain)s has a mistake at “%(culprit)s”.",
        Fault.LOOKUPS: "The SPF record of %(domain)s needs more than ten look-ups in DNS: receivers do no more.",
        Fault.VOID: "The SPF record of %(domain)s asks for more than two names that DNS knows nothing of, at last for "
        "“%(culprit)s”: receivers look no further.",
        Fault.INCLUDE: "The SPF record of %(domain)s leads to %(culprit)s, which has none.",
    }[verdict.fault or Fault.SYNTAX]
    remedy = "Correct the record: receivers take a broken one for none, and some refuse the messages."
    values = {"domain": domain, "culprit": verdict.culprit}
    return Problem(severity="error", code="spf_broken", message=message, remedy=remedy, values=values)


def judge_dkim(key: Key, texts: Sequence[str]) -> Problem:
    """Whether the record under the selector is of the key that signs."""
    values = {"host": key.host}
    record = Record(name=key.host, kind="TXT", value=key.record)
    records = [text for text in texts if "p" in read_tags(text)]
    if not records:
        message, remedy = (
            "The key that signs our messages is not published at %(host)s, so every signature fails.",
            "Publish this record. It may be split into strings of 255 characters.",
        )
        return _dkim("dkim_missing", message, remedy, values, record)
    if len(records) > 1:
        message, remedy = (
            "There is more than one key at %(host)s, so receivers may take the wrong one.",
            "Leave this record alone there.",
        )
        return _dkim("dkim_several", message, remedy, values, record)
    published = read_tags(records[0])
    if not published["p"]:
        message, remedy = (
            "The key at %(host)s is revoked, so every signature fails.",
            "Publish this record, or sign with a new key under a new selector.",
        )
        return _dkim("dkim_revoked", message, remedy, values, record)
    if "".join(published["p"].split()) != read_tags(key.record)["p"] or published.get("k", "rsa") != key.kind:
        message, remedy = (
            "The key published at %(host)s is not the one that signs our messages, so every signature fails.",
            "Publish this record, or paste the private key that belongs to the published one.",
        )
        return _dkim("dkim_differs", message, remedy, values, record)
    message = "DKIM: the key at %(host)s is the one that signs our messages."
    return Problem(severity="good", code="dkim", message=message, values=values)


def _dkim(code: str, message: str, remedy: str, values: Mapping[str, str], record: Record) -> Problem:
    return Problem(severity="error", code=code, message=message, remedy=remedy, values=values, record=record)


def judge_unsigned(domain: str) -> Problem:
    """The account signs nothing: perhaps the server does."""
    message, remedy = (
        "E-mails are not signed here (DKIM); DNS does not tell whether the mail server signs them for %(domain)s.",
        "If it does not, add a key to the account: Gmail and Yahoo ask for signatures of the sender's own domain.",
    )
    return Problem(severity="note", code="dkim_unsigned", message=message, remedy=remedy, values={"domain": domain})


def judge_dmarc(domain: str, policy: Policy, *, reports_to: str) -> Iterator[Problem]:
    """The policy for messages that fail, and where reports about them go."""
    values = {"domain": domain, "place": f"_dmarc.{policy.domain}", "mailbox": reports_to}
    place = f"_dmarc.{policy.domain}"
    if not policy.records:
        message, remedy = (
            "The domain %(domain)s has no DMARC record. Gmail and Yahoo refuse much of what such senders send.",
            "Publish this record: it changes nothing yet, and receivers begin to report who sends in your name.",
        )
        value = f"v=DMARC1; p=none; rua=mailto:{reports_to}"
        yield _dmarc("warning", "dmarc_missing", message, remedy, values, Record(name=place, kind="TXT", value=value))
        return
    tags = policy.tags
    if len(policy.records) > 1 or tags.get("p", "").lower() not in ("none", "quarantine", "reject"):
        message, remedy = (
            "What stands at %(place)s is no DMARC record that counts: it takes exactly one, with p=none, quarantine or "
            "reject.",
            "Leave this record alone there.",
        )
        value = f"v=DMARC1; p=none; rua=mailto:{reports_to}"
        yield _dmarc("error", "dmarc_broken", message, remedy, values, Record(name=place, kind="TXT", value=value))
        return
    yield _judge_policy(policy, values)
    if "rua" not in tags:
        message, remedy = (
            "The DMARC record at %(place)s asks nobody for reports, so you do not see who sends in your name.",
            "Publish the record with rua=, where %(mailbox)s is the mailbox that this account reads.",
        )
        record = Record(name=place, kind="TXT", value=f"{policy.records[0].rstrip('; ')}; rua=mailto:{reports_to}")
        yield _dmarc("note", "dmarc_no_reports", message, remedy, values, record)


def _judge_policy(policy: Policy, values: Mapping[str, str]) -> Problem:
    place = f"_dmarc.{policy.domain}"
    if policy.tags["p"].lower() != "none":
        return Problem(
            severity="good",
            code="dmarc",
            message="DMARC: %(place)s asks receivers to act on messages that fail (p=%(policy)s).",
            values={**values, "policy": policy.tags["p"].lower()},
        )
    message, remedy = (
        "The DMARC record at %(place)s only watches (p=none): who forges your name is not stopped.",
        "When the reports show that all of your own mail passes, publish the next step.",
    )
    tightened = re.sub(r"(?i)\bp\s*=\s*none", "p=quarantine", policy.records[0], count=1)
    return _dmarc("note", "dmarc_watching", message, remedy, values, Record(name=place, kind="TXT", value=tightened))


def _dmarc(
    severity: str, code: str, message: str, remedy: str, values: Mapping[str, str], record: Record | None = None
) -> Problem:
    return Problem(severity=severity, code=code, message=message, remedy=remedy, values=values, record=record)


def judge_report_consent(domain: str, mailbox: str, texts: Sequence[str]) -> Iterator[Problem]:
    """RFC 7489, 7.1: another domain's mailbox gets reports only where that domain says so."""
    if any(read_tags(text).get("v") == "DMARC1" for text in texts):
        return
    other = mailbox.rpartition("@")[2]
    message, remedy = (
        "Receivers do not send reports about %(domain)s to %(mailbox)s, since that domain did not agree to get them.",
        "Publish this record in the mailbox's domain.",
    )
    yield Problem(
        severity="warning",
        code="dmarc_reports_refused",
        message=message,
        remedy=remedy,
        values={"domain": domain, "mailbox": mailbox},
        record=Record(name=f"{domain}._report._dmarc.{other}", kind="TXT", value="v=DMARC1"),
    )


def judge_exchanges(domain: str, exchanges: Sequence[str], *, has_address: bool, host: str) -> Problem:
    """Whether answers and returned mail can arrive: many receivers refuse senders that nobody can write to."""
    values = {"domain": domain}
    record = Record(name=domain, kind="MX", value=f"10 {host}.")
    if "" in exchanges:
        message, remedy = (
            "The domain %(domain)s says that it takes no mail, so receivers refuse what it sends.",
            "Publish where its mail goes instead, such as this record.",
        )
        return Problem(severity="error", code="mx_null", message=message, remedy=remedy, values=values, record=record)
    if exchanges:
        return Problem(
            severity="good",
            code="mx",
            message="MX: mail for %(domain)s goes to %(host)s.",
            values={**values, "host": exchanges[0]},
        )
    message, remedy = (
        "The domain %(domain)s does not say where its mail goes, so answers and returned mail may not arrive.",
        "Publish where its mail goes, such as this record. Receivers refuse senders that nobody can write to.",
    )
    severity = "note" if has_address else "warning"
    return Problem(severity=severity, code="mx_missing", message=message, remedy=remedy, values=values, record=record)


def judge_reverse(address: str, pointer: str, names: Sequence[str], confirmed: Sequence[str], host: str) -> Problem:
    """Whether the address has a name that leads back to it (forward-confirmed reverse DNS)."""
    values = {"address": address, "name": ", ".join(names[:3])}
    if confirmed:
        message = "Reverse DNS: %(address)s is called %(name)s, and that name leads back to it."
        return Problem(severity="good", code="reverse", message=message, values={**values, "name": confirmed[0]})
    if not names:
        message, remedy = (
            "The address %(address)s, which messages leave from, has no name in reverse DNS. Gmail, Yahoo and many "
            "others refuse mail from such addresses.",
            "Ask whoever the address is from, usually the hosting provider, to publish this record.",
        )
        record = Record(name=pointer, kind="PTR", value=f"{host}.")
        return Problem(
            severity="warning", code="reverse_missing", message=message, remedy=remedy, values=values, record=record
        )
    message, remedy = (
        "The address %(address)s is called %(name)s, but that name does not lead back to it.",
        "Publish this record, or give the address a name that leads to it.",
    )
    record = Record(name=names[0], kind="AAAA" if ":" in address else "A", value=address)
    return Problem(
        severity="warning", code="reverse_unconfirmed", message=message, remedy=remedy, values=values, record=record
    )


def judge_tls_reports(domain: str, texts: Sequence[str], *, reports_to: str) -> Problem:
    """RFC 8460: whether others tell the domain that they could not encrypt what they write to it."""
    values = {"domain": domain}
    if any(read_tags(text).get("v") == "TLSRPTv1" for text in texts):
        message = "TLS-RPT: others report to %(domain)s when they cannot encrypt what they write to it."
        return Problem(severity="good", code="tls_reports", message=message, values=values)
    message, remedy = (
        "Nobody is asked to report when answers to %(domain)s cannot be encrypted on their way (TLS-RPT).",
        "Publish this record to have such reports. It is a wish, no duty.",
    )
    record = Record(name=f"_smtp._tls.{domain}", kind="TXT", value=f"v=TLSRPTv1; rua=mailto:{reports_to}")
    return Problem(
        severity="note", code="tls_reports_missing", message=message, remedy=remedy, values=values, record=record
    )
