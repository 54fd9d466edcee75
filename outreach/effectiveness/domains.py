"""Which recipient domains put us off, refuse or return what we send: since when, how many, why, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import F, Max, Min, Q, QuerySet, Sum

from outreach.core import clock
from outreach.core.models import Organisation
from outreach.core.vocabulary import TroubleCause
from outreach.effectiveness.domain_remedies import Contact, contact_of, remedy_of
from outreach.events.domain_tally import DomainTrouble

#: Domains that are shown; those with the most trouble that we can do something about come first.
MOST: Final = 100
#: Trouble whose last sign is older seems to be over.
PRESENT: Final = timedelta(hours=24)
_COUNTS: Final = ("deferred", "refused", "returned", "complained")
_ALL: Final = F("deferred") + F("refused") + F("returned") + F("complained")
#: Causes that concern single mailboxes: nothing is wrong between the domain and us.
OF_MAILBOXES: Final = frozenset({TroubleCause.NOBODY, TroubleCause.FULL, TroubleCause.SIZE})


@dataclass(frozen=True, kw_only=True)
class CauseLine:
    """What one domain did for one cause, over all days."""

    cause: TroubleCause
    deferred: int
    refused: int
    returned: int
    complained: int
    first_at: datetime
    last_at: datetime
    #: Its server's words, '' where none were passed on.
    said: str
    #: The account, where all of it went through one; else None.
    account: int | None

    @property
    def messages(self) -> int:
        return self.deferred + self.refused + self.returned + self.complained

    @property
    def remedy(self) -> str:
        """What to do, in the language that is active."""
        return remedy_of(self.cause)


@dataclass(frozen=True, kw_only=True)
class DomainLine:
    """One domain with its causes, the weightiest first."""

    domain: str
    causes: tuple[CauseLine, ...]

    @property
    def deferred(self) -> int:
        return sum(line.deferred for line in self.causes)

    @property
    def refused(self) -> int:
        return sum(line.refused for line in self.causes)

    @property
    def returned(self) -> int:
        return sum(line.returned for line in self.causes)

    @property
    def complained(self) -> int:
        return sum(line.complained for line in self.causes)

    @property
    def first_at(self) -> datetime:
        return min(line.first_at for line in self.causes)

    @property
    def last_at(self) -> datetime:
        return max(line.last_at for line in self.causes)

    @property
    def is_present(self) -> bool:
        """Whether it lasts, as far as we know."""
        return self.last_at > clock.now() - PRESENT

    @property
    def contact(self) -> Contact | None:
        """Whom to ask, where the domain itself is against us."""
        is_ours = any(line.cause not in OF_MAILBOXES | {TroubleCause.UNREACHABLE} for line in self.causes)
        return contact_of(self.domain) if is_ours else None


@dataclass(frozen=True, kw_only=True)
class Troubles:
    """What the page shows."""

    domains: tuple[DomainLine, ...]
    #: How many domains there are in all.
    count: int


def domain_troubles(organisation: Organisation, *, days: int, domain: str = "") -> Troubles:
    """Trouble of the last `days` of the organisation and those below it, of one domain where one is named."""
    rows = _rows(organisation, days, domain)
    weight = Sum(_ALL, filter=~Q(cause__in=OF_MAILBOXES), default=0)
    ranked = rows.values("domain").annotate(weight=weight, all=Sum(_ALL)).order_by("-weight", "-all", "domain")
    names = [row["domain"] for row in ranked[:MOST]]
    causes = _causes(rows.filter(domain__in=names))
    return Troubles(
        domains=tuple(DomainLine(domain=name, causes=tuple(causes[name])) for name in names),
        count=len(names) if len(names) < MOST else rows.values("domain").distinct().count(),
    )


def as_json(line: DomainLine) -> dict[str, Any]:
    """A domain as the API and the command show it, its remedies in the language that is active."""
    return {
        "domain": line.domain,
        **{name: getattr(line, name) for name in _COUNTS},
        "first_at": line.first_at.isoformat(),
        "last_at": line.last_at.isoformat(),
        "is_present": line.is_present,
        "contact": asdict(line.contact) if line.contact else None,
        "causes": [_cause_json(cause) for cause in line.causes],
    }


def _cause_json(line: CauseLine) -> dict[str, Any]:
    return {
        **asdict(line),
        "cause": str(line.cause),
        "remedy": line.remedy,
        "first_at": line.first_at.isoformat(),
        "last_at": line.last_at.isoformat(),
        "account": str(line.account) if line.account else None,
    }


def _rows(organisation: Organisation, days: int, domain: str) -> QuerySet[DomainTrouble]:
    since = (clock.now() - timedelta(days=days - 1)).date()
    rows = DomainTrouble.objects.for_organisation(organisation).filter(on__gte=since)
    return rows.filter(domain=domain) if domain else rows


def _causes(rows: QuerySet[DomainTrouble]) -> dict[str, list[CauseLine]]:
    """Domain -> its causes; what can be helped first, then by weight."""
    newest = rows.exclude(said="").order_by("domain", "cause", "-last_at").distinct("domain", "cause")
    said = {(row.domain, row.cause): row.said for row in newest}
    sums: dict[str, Any] = {f"all_{name}": Sum(name) for name in _COUNTS}
    groups = rows.values("domain", "cause").annotate(
        **sums, first=Min("first_at"), last=Max("last_at"), lowest=Min("account"), highest=Max("account"), all=Sum(_ALL)
    )
    found: dict[str, list[CauseLine]] = {}
    for found_row in groups.order_by("-all", "cause"):
        row: dict[str, Any] = {**found_row}
        line = CauseLine(
            cause=TroubleCause(row["cause"]),
            **{name: row[f"all_{name}"] for name in _COUNTS},
            first_at=row["first"],
            last_at=row["last"],
            said=said.get((row["domain"], row["cause"]), ""),
            account=row["lowest"] if row["lowest"] == row["highest"] else None,
        )
        found.setdefault(row["domain"], []).append(line)
    return {domain: sorted(lines, key=lambda line: line.cause in OF_MAILBOXES) for domain, lines in found.items()}
