"""Who sends in our name: reports of receivers by source and day, and how to ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.core.spreadsheet import csv_rows
from outreach.effectiveness.senders import DomainUse, SourceLine, domain_use, reported_domains, wanted_records
from outreach.web.console.charts import BARS_HEIGHT, BARS_WIDTH
from outreach.web.console.visit import Visit, visiting

PERIODS: Final = (7, 30, 90)
USUAL: Final = 30
#: RFC 8460, 4.3, in words; a result that is not here stands as it is.
TLS_RESULTS: Final = {
    "starttls-not-supported": _("The server offers no encryption"),
    "certificate-host-mismatch": _("The certificate is of another name"),
    "certificate-expired": _("The certificate has expired"),
    "certificate-not-trusted": _("Nobody who is trusted signed the certificate"),
    "validation-failure": _("Encryption could not be agreed on"),
    "tlsa-invalid": _("The TLSA record is wrong"),
    "dnssec-invalid": _("DNSSEC is wrong"),
    "dane-required": _("DANE was asked for and is not there"),
    "sts-policy-fetch-error": _("The MTA-STS policy could not be fetched"),
    "sts-policy-invalid": _("The MTA-STS policy is wrong"),
    "sts-webpki-invalid": _("The certificate of the MTA-STS policy is not to be trusted"),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One day of the chart, in view-box units."""

    x: float
    width: float
    #: Heights: those that failed stand on those that passed.
    passed: float
    failed: float


@visiting()
def senders(visit: Visit) -> HttpResponse:
    domains, use, days = _chosen(visit)
    return visit.show(
        "senders/page.html",
        domains=domains,
        use=use,
        periods=PERIODS,
        days=days,
        columns=columns(use) if use else (),
        top=max((day.passed + day.failed for day in use.days), default=0) if use else 0,
        wanted=wanted_records(visit.organisation, domains),
        tls_results=TLS_RESULTS,
    )


@visiting()
def export(visit: Visit) -> HttpResponse:
    _domains, use, _days = _chosen(visit)
    lines = (line.__dict__.values() for line in (use.sources if use else ()))
    text = csv_rows([SourceLine.__dataclass_fields__, *lines])
    answer = HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="senders.csv"'
    return answer


def columns(use: DomainUse) -> tuple[Column, ...]:
    """The days, scaled to the highest."""
    top = max(1, *(day.passed + day.failed for day in use.days))
    step, scale = BARS_WIDTH / len(use.days), BARS_HEIGHT / top
    return tuple(
        Column(x=index * step, width=step, passed=day.passed * scale, failed=day.failed * scale)
        for index, day in enumerate(use.days)
    )


def _chosen(visit: Visit) -> tuple[list[str], DomainUse | None, int]:
    """The domains with reports, what is known of the chosen one, and over how many days."""
    domains = reported_domains(visit.organisation)
    asked, period = visit.request.GET.get("domain", ""), visit.request.GET.get("days", "")
    days = int(period) if period in map(str, PERIODS) else USUAL
    domain = asked if asked in domains else next(iter(domains), "")
    return domains, domain_use(visit.organisation, domain, days=days) if domain else None, days
