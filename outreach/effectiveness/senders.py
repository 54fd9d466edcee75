"""Who sends in our name: what receivers reported of a domain over some days, added up by source, by day, by failure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import TruncDate

from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import Channel, ReportKind
from outreach.events.models import DomainReport, ReportedSource, ReportedTlsFailure
from outreach.events.sender_domains import domains_of

#: Sources that a page shows; what is beyond is in the sums.
MOST_SOURCES: Final = 100
#: Where reports go, for who named no mailbox yet.
NAMELESS: Final = "dmarc-reports"


@dataclass(frozen=True, kw_only=True)
class Day:
    """Messages of one day, UTC, as the reports tell."""

    on: date
    passed: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class SourceLine:
    """One address that sends in the domain's name."""

    address: str
    messages: int
    #: Messages that passed DMARC, and by what.
    passed: int
    spf: int
    dkim: int
    #: What receivers did with the others.
    quarantined: int
    rejected: int
    #: Messages that a receiver let pass since somebody forwards them: mailing lists and the like.
    forwarded: int
    reporters: int
    #: Domain whose SPF was asked about: often the name of the service that sends.
    returned_to: str
    last_on: date
    #: An account names it as an address that its messages leave from.
    is_ours: bool

    @property
    def verdict(self) -> str:
        """`good` where all pass, `bad` where none does, `warn` between."""
        return "good" if self.passed == self.messages else "warn" if self.passed or self.forwarded else "bad"


@dataclass(frozen=True, kw_only=True)
class FailureLine:
    """Connections to one of our mail servers that could not be encrypted, for one reason."""

    result: str
    server: str
    sessions: int
    reporters: int
    last_on: date


@dataclass(frozen=True, kw_only=True)
class DomainUse:
    """What the page shows of one domain."""

    domain: str
    since: date
    days: tuple[Day, ...]
    sources: tuple[SourceLine, ...]
    #: How many sources there are in all.
    source_count: int
    passed: int
    failed: int
    reporters: int
    #: The policy as receivers read it last: `none`, `quarantine`, `reject`, or ''.
    policy: str
    #: Connections of others to the domain's mail servers; None where nobody reported.
    encrypted: int | None
    unencrypted: int
    failures: tuple[FailureLine, ...]

    @property
    def messages(self) -> int:
        return self.passed + self.failed


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A record that asks for reports of a domain."""

    domain: str
    kind: ReportKind
    name: str
    value: str


def reported_domains(organisation: Organisation) -> list[str]:
    """Domains that there are reports of, those with the newest first."""
    rows = DomainReport.objects.for_organisation(organisation).values("domain").annotate(last=Max("ends_at"))
    return [row["domain"] for row in rows.order_by("-last", "domain")]


def wanted_records(organisation: Organisation, reported: list[str]) -> list[Wanted]:
    """For each domain that is sent from and has no report: the records to publish, with the mailbox that we read."""
    return [
        record
        for domain, mailbox in sorted(domains_of(organisation).items())
        if domain not in reported
        for record in _records(domain, mailbox or f"{NAMELESS}@{domain}")
    ]


def _records(domain: str, mailbox: str) -> Iterator[Wanted]:
    dmarc = f"v=DMARC1; p=none; rua=mailto:{mailbox}"
    yield Wanted(domain=domain, kind=ReportKind.DMARC, name=f"_dmarc.{domain}", value=dmarc)
    tls = f"v=TLSRPTv1; rua=mailto:{mailbox}"
    yield Wanted(domain=domain, kind=ReportKind.TLS, name=f"_smtp._tls.{domain}", value=tls)


def domain_use(organisation: Organisation, domain: str, *, days: int) -> DomainUse:
    """Add up the reports of a domain whose time began within the last `days`: of UTC, as those of the receivers are."""
    since = clock.now().astimezone(UTC).date() - timedelta(days=days - 1)
    midnight = datetime.combine(since, time.min, UTC)
    reports = DomainReport.objects.for_organisation(organisation).filter(domain=domain, begins_at__gte=midnight)
    dmarc, tls = reports.filter(kind=ReportKind.DMARC), reports.filter(kind=ReportKind.TLS)
    sums = dmarc.aggregate(passed=Sum("passed"), failed=Sum("failed"), reporters=Count("reporter", distinct=True))
    connections = tls.aggregate(passed=Sum("passed"), failed=Sum("failed"))
    sources = _by_source(dmarc)
    own = _own_addresses(organisation)
    newest = dmarc.order_by("-ends_at", "-pk").values_list("policy", flat=True).first() or {}
    return DomainUse(
        domain=domain,
        since=since,
        days=_by_day(dmarc, since, days),
        sources=tuple(_line(row, own) for row in sources[:MOST_SOURCES]),
        source_count=sources.count(),
        passed=sums["passed"] or 0,
        failed=sums["failed"] or 0,
        reporters=sums["reporters"],
        policy=str(newest.get("p", "")),
        encrypted=connections["passed"],
        unencrypted=connections["failed"] or 0,
        failures=_by_failure(tls),
    )


def _by_day(reports: Any, since: date, days: int) -> tuple[Day, ...]:
    rows = reports.annotate(on=TruncDate("begins_at", tzinfo=UTC)).values("on")
    found = {
        row["on"]: Day(on=row["on"], passed=row["good"], failed=row["bad"])
        for row in rows.annotate(good=Sum("passed"), bad=Sum("failed")).order_by("on")
    }
    return tuple(found.get(on) or Day(on=on) for on in (since + timedelta(days=number) for number in range(days)))


def _by_source(reports: Any) -> Any:
    passes = Q(dkim=True) | Q(spf=True)
    return (
        ReportedSource.objects.filter(report__in=reports)
        .values("address")
        .annotate(
            total=Sum("messages"),
            passed=Sum("messages", filter=passes, default=0),
            by_spf=Sum("messages", filter=Q(spf=True), default=0),
            by_dkim=Sum("messages", filter=Q(dkim=True), default=0),
            quarantined=Sum("messages", filter=Q(disposition="quarantine"), default=0),
            rejected=Sum("messages", filter=Q(disposition="reject"), default=0),
            forwarded=Sum("messages", filter=~passes & ~Q(override=""), default=0),
            reporters=Count("report__reporter", distinct=True),
            named=Max("returned_to"),
            last=Max("report__begins_at"),
        )
        .order_by("-total", "address")
    )


def _line(row: dict[str, Any], own: frozenset[str]) -> SourceLine:
    return SourceLine(
        address=row["address"],
        messages=row["total"],
        passed=row["passed"],
        spf=row["by_spf"],
        dkim=row["by_dkim"],
        quarantined=row["quarantined"],
        rejected=row["rejected"],
        forwarded=row["forwarded"],
        reporters=row["reporters"],
        returned_to=row["named"],
        last_on=row["last"].date(),
        is_ours=row["address"] in own,
    )


def _by_failure(reports: Any) -> tuple[FailureLine, ...]:
    rows = (
        ReportedTlsFailure.objects.filter(report__in=reports)
        .values("result", "server")
        .annotate(total=Sum("sessions"), by=Count("report__reporter", distinct=True), last=Max(F("report__begins_at")))
        .order_by("-total", "result", "server")[:MOST_SOURCES]
    )
    return tuple(
        FailureLine(
            result=row["result"],
            server=row["server"],
            sessions=row["total"],
            reporters=row["by"],
            last_on=row["last"].date(),
        )
        for row in rows
    )


def _own_addresses(organisation: Organisation) -> frozenset[str]:
    settings = Account.objects.for_organisation(organisation).filter(channel=Channel.EMAIL).values_list("settings")
    named = " ".join(str(row[0].get("sends_from") or "") for row in settings)
    return frozenset(named.replace(",", " ").split())
