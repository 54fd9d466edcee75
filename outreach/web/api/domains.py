"""API: recipient domains that do not take our e-mails, with the remedy. Only to read."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Query, Router, Schema

from outreach.core.errors import NotFound
from outreach.effectiveness.domains import as_json, domain_troubles
from outreach.web.api.access import Caller
from outreach.web.api.paging import read_word

router = Router(tags=["Our name"])

Days = Annotated[int, Query(ge=1, le=90, description="Of how many days, today included.")]


class SumsOut(Schema):
    """Tries put off; messages refused, returned and complained about; the first and last sign."""

    deferred: int
    refused: int
    returned: int
    complained: int
    first_at: str
    last_at: str


class CauseOut(SumsOut):
    """`cause` is a TroubleCause; `remedy` is in the language of the call; `said` are its server's words."""

    cause: str
    remedy: str
    said: str
    account: str | None


class ContactOut(Schema):
    """Whom to ask: the page for senders of whoever runs the domain's mail, else its postmaster."""

    name: str
    url: str


class DomainOut(SumsOut):
    """`is_present`: there was a sign of it within the last day."""

    domain: str
    is_present: bool
    contact: ContactOut | None
    causes: list[CauseOut]


class DomainsOut(Schema):
    """Domains with the most trouble that can be helped come first, at most 100; `count` are all."""

    items: list[DomainOut]
    count: int


@router.get("/recipient-domains", response=DomainsOut, summary="Domains that do not take our e-mails, with the remedy")
def list_recipient_domains(request: Caller, days: Days = 7) -> Any:
    found = domain_troubles(request.auth.organisation, days=days)
    return {"items": [as_json(line) for line in found.domains], "count": found.count}


@router.get("/recipient-domains/{domain}", response=DomainOut, summary="One of them")
def get_recipient_domain(request: Caller, domain: str, days: Days = 7) -> Any:
    wanted = read_word(domain, field="domain").lower()
    found = domain_troubles(request.auth.organisation, days=days, domain=wanted)
    if not found.domains:
        raise NotFound
    return as_json(found.domains[0])
