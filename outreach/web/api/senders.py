"""API: who sends in our name, as receivers reported it (DMARC, TLS-RPT). Only to read: reports come by e-mail."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema

from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Organisation
from outreach.core.vocabulary import ReportKind
from outreach.effectiveness.senders import DomainUse, domain_use, reported_domains, wanted_records
from outreach.events.models import DomainReport, ReportedSource, ReportedTlsFailure
from outreach.web.api.access import Caller
from outreach.web.api.paging import Cursor, Limit, find, page, read_word
from outreach.web.api.schemas import ListPage
from outreach.web.api.shapes import moment

router = Router(tags=["Our name"])

Kind = Literal["dmarc", "tls", ""]
Domain = Annotated[str, Query(max_length=260, description="Only this domain.")]


class SourceOut(Schema):
    """Mail from one address, judged alike by the reporter."""

    address: str
    messages: int
    dkim: bool
    spf: bool
    disposition: str
    header_from: str
    signed_by: str
    returned_to: str
    override: str


class TlsFailureOut(Schema):
    """Connections that could not be encrypted, for one reason (RFC 8460, 4.3)."""

    result: str
    sessions: int
    server: str
    address: str
    detail: str


class DomainReportOut(Schema):
    """`passed` and `failed` are messages in a `dmarc` report, connections in a `tls` one."""

    id: str
    organisation: str
    account: str | None
    kind: str
    domain: str
    reporter: str
    report_id: str
    begins_at: str
    ends_at: str
    received_at: str
    passed: int
    failed: int
    policy: Any
    sources: list[SourceOut]
    tls_failures: list[TlsFailureOut]


class DayOut(Schema):
    on: str
    passed: int
    failed: int


class SumOut(Schema):
    """One address that sent in the domain's name, over all reports."""

    address: str
    messages: int
    passed: int
    spf: int
    dkim: int
    quarantined: int
    rejected: int
    forwarded: int
    reporters: int
    returned_to: str
    last_on: str
    is_ours: bool


class FailureSumOut(Schema):
    result: str
    server: str
    sessions: int
    reporters: int
    last_on: str


class DomainUseOut(Schema):
    """Messages by DMARC's verdict; `encrypted` is null where nobody reported on connections."""

    domain: str
    since: str
    policy: str
    passed: int
    failed: int
    reporters: int
    days: list[DayOut]
    sources: list[SumOut]
    source_count: int
    encrypted: int | None
    unencrypted: int
    tls_failures: list[FailureSumOut]


def _reports(organisation: Organisation) -> QuerySet[DomainReport]:
    return DomainReport.objects.for_organisation(organisation).select_related("organisation")


@router.get("/domain-reports", response=ListPage, summary="Reports of receivers about our domains, newest first")
def list_domain_reports(
    request: Caller,
    kind: Kind = "",
    domain: Domain = "",
    since: date | None = None,
    until: date | None = None,
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Any:
    if since and until and until < since:
        raise Invalid({"since": [_("Name two days in their order.")]})
    named = {"kind": kind, "domain": read_word(domain, field="domain").lower()}
    wanted: dict[str, Any] = {name: value for name, value in named.items() if value}
    if since:
        wanted["begins_at__gte"] = _midnight(since)
    if until:
        wanted["begins_at__lt"] = _midnight(until) + timedelta(days=1)
    return page(_reports(request.auth.organisation).filter(**wanted), cursor=cursor, limit=limit, show=report_json)


def _midnight(day: date) -> datetime:
    """Raises: Invalid: the calendar ends a day later."""
    if not date(1970, 1, 1) <= day <= date(9000, 1, 1):
        raise Invalid({"since": [_("Name two days of our time.")]})
    return datetime.combine(day, time(), UTC)


@router.get("/domain-reports/{report_id}", response=DomainReportOut, summary="One report, with all that it lists")
def get_domain_report(request: Caller, report_id: str) -> Any:
    report = find(_reports(request.auth.organisation), report_id)
    return {
        **report_json(report),
        "sources": [_source_json(row) for row in report.sources.order_by("-messages", "pk")],
        "tls_failures": [_tls_failure_json(row) for row in report.tls_failures.order_by("-sessions", "pk")],
    }


@router.get("/sender-domains", response=ListPage, summary="Domains that we send from, and how to get reports of them")
def list_sender_domains(request: Caller) -> Any:
    reported = reported_domains(request.auth.organisation)
    wanted = wanted_records(request.auth.organisation, reported)
    records: dict[str, list[dict[str, str]]] = {domain: [] for domain in reported}
    for record in wanted:
        shown = {"kind": str(ReportKind(record.kind)), "name": record.name, "type": "TXT", "value": record.value}
        records.setdefault(record.domain, []).append(shown)
    items = [
        {"domain": domain, "is_reported": domain in reported, "records": found} for domain, found in records.items()
    ]
    return {"items": items, "next_cursor": None}


@router.get("/sender-domains/{domain}", response=DomainUseOut, summary="Who sent in a domain's name: reports added up")
def get_sender_domain(request: Caller, domain: str, days: Annotated[int, Query(ge=1, le=400)] = 30) -> Any:
    wanted = domain.lower()
    if wanted not in reported_domains(request.auth.organisation):
        raise NotFound
    return _use_json(domain_use(request.auth.organisation, wanted, days=days))


def report_json(report: DomainReport) -> dict[str, Any]:
    return {
        "id": str(report.pk),
        "organisation": report.organisation.slug,
        "account": str(report.account_id) if report.account_id else None,
        "kind": report.kind,
        "domain": report.domain,
        "reporter": report.reporter,
        "report_id": report.report_id,
        "begins_at": moment(report.begins_at),
        "ends_at": moment(report.ends_at),
        "received_at": moment(report.received_at),
        "passed": report.passed,
        "failed": report.failed,
        "policy": report.policy,
    }


def _source_json(row: ReportedSource) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SourceOut.model_fields}


def _tls_failure_json(row: ReportedTlsFailure) -> dict[str, Any]:
    return {name: getattr(row, name) for name in TlsFailureOut.model_fields}


def _use_json(use: DomainUse) -> dict[str, Any]:
    found = {name: value for name, value in asdict(use).items() if name in DomainUseOut.model_fields}
    return {
        **found,
        "since": use.since.isoformat(),
        "days": [{**asdict(day), "on": day.on.isoformat()} for day in use.days],
        "sources": [{**asdict(line), "last_on": line.last_on.isoformat()} for line in use.sources],
        "tls_failures": [{**asdict(line), "last_on": line.last_on.isoformat()} for line in use.failures],
    }
