"""What two large receivers would have reported of the demonstration: its own mail, a forgotten sender, a forger."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Final

from outreach.core import clock
from outreach.core.models import Account
from outreach.core.vocabulary import ReportKind
from outreach.events.sender_domains import domains_of
from outreach.events.sender_inbox import keep_reports
from outreach.events.sender_reports import SenderReport, Source, TlsFailure

DAYS: Final = 30
REPORTERS: Final = ("google.com", "Yahoo")
SEED: Final = 11
#: Addresses of documentation (RFC 5737): nobody has them.
OWN, FORGOTTEN, LIST, FORGER = "192.0.2.25", "198.51.100.40", "198.51.100.7", "203.0.113.66"


def receive_reports() -> None:
    """Keep a month of daily reports for the account that reads a mailbox."""
    account = Account.objects.filter(is_sandbox=True, settings__has_key="imap_host").order_by("pk").first()
    domain = next(iter(domains_of(account.organisation)), "") if account else ""
    if account is None or not domain:
        return
    random = Random(SEED)  # noqa: S311 -- made-up numbers, no secret
    reports = [_report(domain, reporter, ago, random) for ago in range(1, DAYS) for reporter in REPORTERS]
    keep_reports(account, [*reports, _tls_report(domain)])


def _report(domain: str, reporter: str, ago: int, random: Random) -> SenderReport:
    sources = tuple(source for source in _sources(domain, ago, random) if source.messages)
    begins_at = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=ago)
    return SenderReport(
        kind=ReportKind.DMARC,
        domain=domain,
        reporter=reporter,
        report_id=f"demonstration-{ago}",
        begins_at=begins_at,
        ends_at=begins_at + timedelta(days=1, seconds=-1),
        passed=sum(source.messages for source in sources if source.passed),
        failed=sum(source.messages for source in sources if not source.passed),
        policy={"p": "none"},
        sources=sources,
    )


def _sources(domain: str, ago: int, random: Random) -> tuple[Source, ...]:
    weekly = 900 if ago % 7 == 3 else 140
    common = {"header_from": domain}
    return (
        Source(address=OWN, messages=weekly + random.randrange(90), dkim=True, spf=True, returned_to=domain, **common),
        Source(
            address=FORGOTTEN, messages=random.randrange(12), dkim=False, spf=False, returned_to="old.example", **common
        ),
        Source(address=LIST, messages=random.randrange(6), dkim=True, spf=False, returned_to="lists.example", **common),
        Source(address=FORGER, messages=random.choice((0, 0, 0, 55)), dkim=False, spf=False, **common),
    )


def _tls_report(domain: str) -> SenderReport:
    begins_at = clock.now() - timedelta(days=2)
    failure = TlsFailure(result="certificate-host-mismatch", sessions=4, server=f"mx2.{domain}", address=OWN)
    return SenderReport(
        kind=ReportKind.TLS,
        domain=domain,
        reporter=REPORTERS[0],
        report_id="demonstration",
        begins_at=begins_at,
        ends_at=begins_at + timedelta(days=1),
        passed=612,
        failed=4,
        policy={"type": "sts"},
        failures=(failure,),
    )
