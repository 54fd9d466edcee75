"""Recipient domains that do not take our e-mails: why, and what to do."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse

from outreach.core.vocabulary import TroubleCause
from outreach.effectiveness.domains import domain_troubles
from outreach.web.console.visit import Visit, visiting

PERIODS: Final = (1, 7, 30)
USUAL: Final = 7
#: Causes whose remedy is a setting of the account.
OF_THE_ACCOUNT: Final = frozenset(
    {
        TroubleCause.RATE,
        TroubleCause.LATER,
        TroubleCause.REPUTATION,
        TroubleCause.AUTHENTICATION,
        TroubleCause.BLOCKLIST,
        TroubleCause.REVERSE_NAME,
        TroubleCause.SENDER,
    }
)


@visiting()
def domains(visit: Visit) -> HttpResponse:
    period = visit.request.GET.get("days", "")
    days = int(period) if period in map(str, PERIODS) else USUAL
    return visit.show(
        "domains/page.html",
        troubles=domain_troubles(visit.organisation, days=days),
        periods=PERIODS,
        days=days,
        account_causes=OF_THE_ACCOUNT,
    )
