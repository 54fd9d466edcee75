"""Reports of receivers that come by mail: recognised, kept once, of our own domains alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message
from typing import Final

from django.db import transaction

from outreach.core import clock
from outreach.core.models import Account
from outreach.events.letters import header
from outreach.events.models import DomainReport, ReportedSource, ReportedTlsFailure
from outreach.events.report_files import report_files
from outreach.events.sender_domains import domains_of, is_related
from outreach.events.sender_reports import NoReport, SenderReport, read_report

logger = logging.getLogger(__name__)

#: Reports are compared with those of a year before.
KEPT: Final = timedelta(days=400)
#: RFC 7489, 7.2.1.1, and what senders make of it.
_SUBJECT: Final = re.compile(r"report domain:|\breport[- ]id:|dmarc aggregate|tls[- ]?rpt|smtp tls report", re.I)


def read_reports(message: Message) -> list[SenderReport] | None:
    """The reports in a mail; [] for a report that cannot be read; None where the mail is something else."""
    if message.get("In-Reply-To"):  # a person's answer, to which a report may be attached
        return None
    found = list(_readable(message))
    if found or _says_that_it_is_one(message):
        return found
    return None


def _readable(message: Message) -> Iterator[SenderReport]:
    for data in report_files(message):
        try:
            yield from read_report(data)
        except NoReport:
            continue


def _says_that_it_is_one(message: Message) -> bool:
    if message.get("TLS-Report-Domain") or str(message.get_param("report-type", "")).lower() == "tlsrpt":
        return True
    return bool(_SUBJECT.search(header(message, "Subject"))) and any(True for _file in report_files(message))


def keep_reports(account: Account, reports: list[SenderReport]) -> int:
    """Keep those that are new and of a domain that the organisation sends from; answer how many.

    Anybody can write to a mailbox: a report about a stranger's domain is passed over.
    """
    own = domains_of(account.organisation)
    ours = [report for report in reports if is_related(report.domain, own)]
    if len(ours) < len(reports) or not reports:
        logger.info("a report was passed over", extra={"action": "reports.pass_over", "account": account.pk})
    return sum(_keep(account, report) for report in ours)


@transaction.atomic
def _keep(account: Account, report: SenderReport) -> bool:
    row, is_new = DomainReport.objects.get_or_create(
        organisation=account.organisation,
        kind=report.kind,
        domain=report.domain,
        reporter=report.reporter,
        report_id=report.report_id,
        defaults={
            "account": account,
            "begins_at": report.begins_at,
            "ends_at": report.ends_at,
            "passed": report.passed,
            "failed": report.failed,
            "policy": dict(report.policy),
        },
    )
    if is_new:
        ReportedSource.objects.bulk_create(
            [ReportedSource(report=row, **vars(source)) for source in report.sources], batch_size=1000
        )
        ReportedTlsFailure.objects.bulk_create(
            [ReportedTlsFailure(report=row, **vars(failure)) for failure in report.failures], batch_size=1000
        )
    return is_new


def forget_reports() -> int:
    """Drop what is older than reports are kept; answer how many reports."""
    old = DomainReport.objects.filter(ends_at__lt=clock.now() - KEPT)
    count = old.count()
    old.delete()
    return count
