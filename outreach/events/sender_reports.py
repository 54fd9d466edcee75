"""What a receiver's report says of mail in a domain's name: DMARC aggregate (RFC 7489) and TLS-RPT (RFC 8460). Pure.

Reports come from strangers: entities are not expanded, a document type is refused, texts are cut, numbers bounded.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lxml import etree

from outreach.events.storable import storable_text

#: Rows of one report that are kept; what is beyond is in its sums alone.
MOST_ROWS: Final = 5000
_MOST_COUNT: Final = 10**9
_DOMAIN: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9])?\.[a-z0-9-]{2,63}")
_TEXT: Final = 200


class NoReport(ValueError):
    """It is none, or says what no report can say."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Mail from one address, judged alike."""

    address: str
    messages: int
    #: Whether each passed and was of the domain in From: one of them is enough.
    dkim: bool
    spf: bool
    #: `none`, `quarantine` or `reject`: what the receiver did.
    disposition: str = "none"
    #: The domain in From.
    header_from: str = ""
    #: Domains whose signatures were valid.
    signed_by: str = ""
    #: The domain that SPF was asked about.
    returned_to: str = ""
    #: Why the receiver did not do as asked: `forwarded`, `mailing_list` ...
    override: str = ""

    @property
    def passed(self) -> bool:
        return self.dkim or self.spf


@dataclass(frozen=True, kw_only=True)
class TlsFailure:
    """Connections to the domain's mail servers that could not be encrypted, for one reason."""

    #: RFC 8460, 4.3: `certificate-expired`, `starttls-not-supported` ...
    result: str
    sessions: int
    #: Our server, and the address that tried.
    server: str = ""
    address: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class SenderReport:
    """One receiver's account of one domain over some time."""

    #: `dmarc` or `tls`.
    kind: str
    domain: str
    #: Who reports, in its own words.
    reporter: str
    report_id: str
    begins_at: datetime
    ends_at: datetime
    #: Messages that passed DMARC, or connections that were encrypted; and those that were not.
    passed: int
    failed: int
    #: The policy as the receiver read it: `p`, `adkim` ..., or `type` of TLS.
    policy: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    failures: tuple[TlsFailure, ...] = ()


def read_report(data: bytes) -> list[SenderReport]:
    """The reports in a file: one of DMARC, one a domain of TLS.

    Raises:
        NoReport: it is none.
    """
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        return [read_dmarc(data)]
    if start.startswith(b"{"):
        return read_tls(data)
    raise NoReport


def read_dmarc(data: bytes) -> SenderReport:
    """A DMARC aggregate report, RFC 7489, appendix C, and its successor; names count without their namespace.

    Raises:
        NoReport: it is none.
    """
    root = _xml(data)
    if _name(root) != "feedback":
        raise NoReport
    published = _child(root, "policy_published")
    period = _child(root, "report_metadata", "date_range")
    sources = _merged(_source(record) for record in root if _name(record) == "record")
    begins_at, ends_at = _period(_seconds(_text(period, "begin")), _seconds(_text(period, "end")))
    return SenderReport(
        kind="dmarc",
        domain=_domain(_text(published, "domain")),
        reporter=_text(root, "report_metadata", "org_name") or "?",
        report_id=_needed(_text(root, "report_metadata", "report_id")),
        begins_at=begins_at,
        ends_at=ends_at,
        passed=sum(source.messages for source in sources if source.passed),
        failed=sum(source.messages for source in sources if not source.passed),
        policy={name: text for name in ("p", "sp", "adkim", "aspf", "pct") if (text := _text(published, name))},
        sources=sources[:MOST_ROWS],
    )


def read_tls(data: bytes) -> list[SenderReport]:
    """A TLS-RPT report, RFC 8460, section 4: one for each domain in it.

    Raises:
        NoReport: it is none.
    """
    try:
        told = json.loads(data)
        policies = [each for each in told["policies"] if isinstance(each, dict)]
        period = told["date-range"]
        begins_at, ends_at = _period(_moment(period["start-datetime"]), _moment(period["end-datetime"]))
        common = {
            "kind": "tls",
            "reporter": _cut(told.get("organization-name")) or "?",
            "report_id": _needed(_cut(told.get("report-id"))),
            "begins_at": begins_at,
            "ends_at": ends_at,
        }
        domains = dict.fromkeys(_domain(_cut(each["policy"]["policy-domain"])) for each in policies)
        return [_tls_report(common, domain, policies) for domain in domains]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as err:
        raise NoReport from err


def _tls_report(common: Mapping[str, Any], domain: str, policies: Iterable[Mapping[str, Any]]) -> SenderReport:
    own = [each for each in policies if _domain(_cut(each["policy"]["policy-domain"])) == domain]
    failures = [_tls_failure(detail) for each in own for detail in (each.get("failure-details") or [])[:MOST_ROWS]]
    return SenderReport(
        **common,
        domain=domain,
        passed=sum(_count(each.get("summary", {}).get("total-successful-session-count")) for each in own),
        failed=sum(_count(each.get("summary", {}).get("total-failure-session-count")) for each in own),
        policy={"type": ", ".join(sorted({_cut(each["policy"].get("policy-type")) for each in own}))},
        failures=tuple(failures[:MOST_ROWS]),
    )


def _tls_failure(told: Mapping[str, Any]) -> TlsFailure:
    return TlsFailure(
        result=_cut(told.get("result-type")) or "?",
        sessions=_count(told.get("failed-session-count")),
        server=_cut(told.get("receiving-mx-hostname")) or _cut(told.get("receiving-ip")),
        address=_cut(told.get("sending-mta-ip")),
        detail=_cut(told.get("failure-reason-code")),
    )


def _xml(data: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as err:
        raise NoReport from err
    if root.getroottree().docinfo.doctype:
        raise NoReport
    return root


def _name(element: Any) -> str:
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""


def _children(element: Any, name: str) -> list[Any]:
    return [child for child in element if _name(child) == name] if element is not None else []


def _child(element: Any, *path: str) -> Any:
    for name in path:
        element = next(iter(_children(element, name)), None)
    return element


def _text(element: Any, *path: str) -> str:
    found = _child(element, *path)
    return _cut(found.text) if found is not None else ""


def _source(record: Any) -> Source:
    row, results = _child(record, "row"), _child(record, "auth_results")
    try:
        address = str(ipaddress.ip_address(_text(row, "source_ip")))
    except ValueError as err:
        raise NoReport from err
    signed = {_text(one, "domain") for one in _children(results, "dkim") if _text(one, "result").lower() == "pass"}
    evaluated = _child(row, "policy_evaluated")
    disposition = _text(evaluated, "disposition").lower()
    return Source(
        address=address,
        messages=_count(_text(row, "count")),
        dkim=_text(evaluated, "dkim").lower() == "pass",
        spf=_text(evaluated, "spf").lower() == "pass",
        disposition=disposition if disposition in ("quarantine", "reject") else "none",
        header_from=_text(record, "identifiers", "header_from").lower(),
        signed_by=_cut(", ".join(sorted(signed - {""}))).lower(),
        returned_to=_text(results, "spf", "domain").lower(),
        override=_text(evaluated, "reason", "type").lower(),
    )


def _merged(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Rows that differ in nothing that is kept become one; the largest first."""
    counts: dict[Source, int] = {}
    for source in sources:
        alike = Source(**{**vars(source), "messages": 0})
        counts[alike] = counts.get(alike, 0) + source.messages
    merged = (Source(**{**vars(alike), "messages": messages}) for alike, messages in counts.items())
    return tuple(sorted(merged, key=lambda source: (-source.messages, source.address)))


def _cut(text: Any) -> str:
    return storable_text(str(text)).strip()[:_TEXT] if text is not None else ""


def _needed(text: str) -> str:
    if not text:
        raise NoReport
    return text


def _domain(text: str) -> str:
    name = text.lower().rstrip(".")
    if not _DOMAIN.fullmatch(name):
        raise NoReport
    return name


def _count(text: Any) -> int:
    try:
        return max(0, min(_MOST_COUNT, int(text)))
    except (TypeError, ValueError):
        return 0


def _seconds(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(text), tz=UTC)
    except (ValueError, OverflowError, OSError) as err:
        raise NoReport from err


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _period(begins_at: datetime, ends_at: datetime) -> tuple[datetime, datetime]:
    """Reports are of a day or so; one of a year would be drawn as a day's."""
    if not timedelta(0) <= ends_at - begins_at <= timedelta(days=40):
        raise NoReport
    return begins_at, ends_at
