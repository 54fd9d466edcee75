"""What messages cost: reckoned before they leave, for the review, and from the ledger afterwards, for the report.

Parts are reckoned from messages made for a few real recipients of each text: a name more or less may add a part.
Money is Decimal and never rounded before it is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction

from outreach.audience.models import Subscriber
from outreach.audience.selection import Group, group_audience
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import ENDED, Channel, DeliveryState, RunKind
from outreach.delivery.adapters import capabilities
from outreach.delivery.latin import to_latin
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Delivery, Notice, Price, Spend
from outreach.delivery.people import NOBODY, person_facts
from outreach.delivery.prices import Tariff, country_of, tariffs
from outreach.delivery.render import Recipient, RenderingFailed
from outreach.delivery.segments import measure_sms

#: Recipients whose messages are made to reckon the parts of a text.
SAMPLE: Final = 20
#: How long after its end a run's receipts and stragglers may still change what it cost.
SETTLED: Final = timedelta(hours=1)
_CENTS: Final = 2
#: Runs that one task reckons.
MOST_RUNS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How many parts a text takes, over its sample."""

    mean: Decimal
    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """What one language's messages through one account into one country cost."""

    channel: str
    language: str
    #: Its id, and its name.
    account: int
    account_name: str
    country: str
    messages: int
    #: Parts of SMS, reckoned; 0 on other channels.
    segments: int
    #: None where no price says it.
    amount: Decimal | None
    currency: str
    #: The same in Latin letters, where that is cheaper.
    latin: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a campaign, or all of an organisation's, will cost or did."""

    lines: tuple[CostLine, ...] = ()

    @property
    def sums(self) -> dict[str, Decimal]:
        """Currency -> the sum of what is priced."""
        return _sum(self.lines, lambda line: line.amount)

    @property
    def unpriced(self) -> int:
        """Messages that cost something, but nobody wrote how much."""
        return sum(line.messages for line in self.lines if line.amount is None)

    def by_country(self) -> list[CostLine]:
        """The lines of one channel, account and country together, whatever their language."""
        found: dict[tuple[str, str, int, bool], list[CostLine]] = defaultdict(list)
        for line in self.lines:
            found[line.channel, line.country, line.account, line.amount is None].append(line)
        return [_together(lines) for _key, lines in sorted(found.items())]

    def sums_by(self, name: str) -> dict[tuple[str, str], Decimal]:
        """(`channel`, `country` ... of the line, currency) -> sum."""
        found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for line in self.lines:
            if line.amount is not None:
                found[getattr(line, name), line.currency] += line.amount
        return dict(found)


def _together(lines: list[CostLine]) -> CostLine:
    amounts = [line.amount for line in lines if line.amount is not None]
    return replace(
        lines[0],
        language="",
        messages=sum(line.messages for line in lines),
        segments=sum(line.segments for line in lines),
        amount=sum(amounts, Decimal(0)) if amounts else None,
        latin=None,
    )


def _sum(lines: Iterable[CostLine], of: Callable[[CostLine], Decimal | None]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        amount = of(line)
        if amount is not None:
            sums[line.currency] += amount
    return dict(sums)


@dataclass(frozen=True, kw_only=True)
class SmsLine:
    """One SMS text of a campaign: its size for real recipients, how many they are, and what it costs either way."""

    #: Path of its body, as in the campaign's JSON.
    field: str
    language: str
    recipients: int
    encoding: str
    parts: Parts
    #: Currency -> sum.
    sums: Mapping[str, Decimal]
    #: The same in Latin letters; None where they take as many parts.
    latin_parts: Parts | None
    latin_sums: Mapping[str, Decimal]


def measure_parts(texts: Sequence[str]) -> Parts | None:
    """How many parts these texts take; None where there is none."""
    counts = [measure_sms(text).segments for text in texts]
    if not counts:
        return None
    return Parts(mean=Decimal(sum(counts)) / len(counts), least=min(counts), most=max(counts))


def estimate(frozen: Mapping[str, Any], *, ancestors: list[int], texts: Mapping[str, Sequence[str]]) -> Cost:
    """What a plan would cost if it went now. `texts`: language -> SMS as some of its recipients would get them."""
    senders = {int(key): facts for key, facts in frozen["senders"].items()}
    known = tariffs(senders, clock.now().date())
    charged = {key for key, facts in senders.items() if key in known or capabilities(facts["adapter"]).paid}
    if not charged:
        return Cost()
    groups = [group for group in group_audience(frozen, ancestors=ancestors) if group.account in charged]
    names = dict(Account.objects.filter(pk__in=charged).values_list("pk", "name"))
    priced = [(group, known.get(group.account)) for group in groups]
    return _cost(priced, parts=_parts(texts), latin=_latin_parts(texts), names=names)


def _parts(texts: Mapping[str, Sequence[str]]) -> dict[str, Parts]:
    return {language: found for language, sample in texts.items() if (found := measure_parts(sample))}


def _latin_parts(texts: Mapping[str, Sequence[str]]) -> dict[str, Parts]:
    """The same in Latin letters, where they take fewer parts."""
    usual, latin = _parts(texts), _parts({key: [to_latin(text) for text in sample] for key, sample in texts.items()})
    return {language: found for language, found in latin.items() if found.mean < usual[language].mean}


def sms_lines(
    frozen: Mapping[str, Any], cost: Cost, texts: Mapping[str, tuple[str, Sequence[str]]], *, ancestors: list[int]
) -> tuple[SmsLine, ...]:
    """Each SMS text with its recipients. `texts`: language -> its path, and as some would get it."""
    samples = {language: sample for language, (_path, sample) in texts.items()}
    parts, latin = _parts(samples), _latin_parts(samples)
    if not parts:
        return ()
    counts: dict[str, int] = defaultdict(int)
    for group in group_audience(frozen, ancestors=ancestors) if not cost.lines else ():
        counts[group.language] += group.count if group.channel == Channel.SMS else 0
    lines = [line for line in cost.lines if line.channel == Channel.SMS]
    for line in lines:
        counts[line.language] += line.messages
    return tuple(
        SmsLine(
            field=path,
            language=language,
            recipients=counts[language],
            encoding=measure_sms(max(sample, key=lambda text: measure_sms(text).segments)).encoding,
            parts=parts[language],
            sums=_sum((line for line in lines if line.language == language), lambda line: line.amount),
            latin_parts=latin.get(language),
            latin_sums=_sum((line for line in lines if line.language == language), lambda line: line.latin),
        )
        for language, (path, sample) in texts.items()
        if language in parts
    )


def _cost(
    groups: Iterable[tuple[Group, Tariff | None]],
    *,
    parts: Mapping[str, Parts],
    latin: Mapping[str, Parts],
    names: Mapping[int, str],
) -> Cost:
    """The groups as lines, those of one country together."""
    counts: dict[tuple[str, str, int, str], int] = defaultdict(int)
    known: dict[int, Tariff | None] = {}
    for group, tariff in groups:
        country = country_of(group.number) if group.number else ""
        counts[group.channel, group.language, group.account, country] += group.count
        known[group.account] = tariff
    lines = [
        _line(key, count, known[key[2]], parts=parts, latin=latin, name=names.get(key[2], ""))
        for key, count in sorted(counts.items())
    ]
    return Cost(lines=tuple(lines))


def _line(
    key: tuple[str, str, int, str],
    count: int,
    tariff: Tariff | None,
    *,
    parts: Mapping[str, Parts],
    latin: Mapping[str, Parts],
    name: str,
) -> CostLine:
    channel, language, account, country = key
    is_sms = channel == Channel.SMS
    one = Decimal(1)
    messages = Decimal(count)
    mean = parts[language].mean if is_sms and language in parts else one if is_sms else Decimal(0)
    shorter = latin.get(language) if is_sms else None
    price = tariff.price(country=country, messages=messages, segments=messages * mean) if tariff else None
    in_latin = (
        tariff.price(country=country, messages=messages, segments=messages * shorter.mean)
        if tariff and shorter
        else None
    )
    return CostLine(
        channel=channel,
        language=language,
        account=account,
        account_name=name,
        country=country,
        messages=count,
        segments=int((messages * mean).to_integral_value()),
        amount=price,
        currency=tariff.currency if tariff and price is not None else "",
        latin=in_latin,
    )


#: What left, or may have been charged: by run, in the groups of `group_audience`.
_LEFT: Final = """
SELECT d.channel, d.language, d.account_id, coalesce(min(a.normalised), ''), count(*)
FROM outreach_delivery d LEFT JOIN outreach_address a ON a.id = d.address_id AND d.channel = 'sms'
WHERE d.run_id = %s AND d.state = 'accepted' AND d.account_id = ANY (%s)
GROUP BY d.channel, d.language, d.account_id, left(a.normalised, 5)
"""


def spent(runs: Iterable[Run]) -> Cost:
    """What these runs cost: as it was kept, or reckoned from the ledger where they are not over."""
    found = [run for run in runs if run.frozen.get("senders")]
    if not _is_any_charged(found):
        return Cost()
    kept: dict[int, list[CostLine]] = defaultdict(list)
    for spend in Spend.objects.filter(run__in=[run.pk for run in found]).select_related("account"):
        kept[spend.run_id].append(_kept_line(spend))
    return Cost(lines=tuple(line for run in found for line in kept.get(run.pk) or reckon(run).lines))


def _is_any_charged(runs: Iterable[Run]) -> bool:
    """Whether anything that these runs sent through costs money: most installations' e-mails do not."""
    senders = {int(key): facts["adapter"] for run in runs for key, facts in run.frozen["senders"].items()}
    return any(capabilities(adapter).paid for adapter in set(senders.values())) or (
        Price.objects.filter(account__in=senders).exists()
        or Spend.objects.filter(run__in=[r.pk for r in runs]).exists()
    )


def _kept_line(spend: Spend) -> CostLine:
    return CostLine(
        channel=spend.channel,
        language=spend.language,
        account=spend.account_id or 0,
        account_name=spend.account.name if spend.account else "",
        country=spend.country,
        messages=spend.messages,
        segments=spend.segments,
        amount=spend.amount,
        currency=spend.currency,
    )


def reckon(run: Run) -> Cost:
    """What a run has cost by now, from its rows; nothing where none of its accounts costs anything."""
    senders = {int(key): facts for key, facts in run.frozen.get("senders", {}).items()}
    known = tariffs(senders, run.as_of.date())
    charged = [key for key, facts in senders.items() if key in known or capabilities(facts["adapter"]).paid]
    if not charged or run.retired_at is not None:
        return Cost()
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, [run.pk, charged])
        rows = cursor.fetchall()
    groups = [Group(channel=a, language=b, account=c, number=d, count=e) for a, b, c, d, e in rows]
    languages = {group.language for group in groups if group.channel == Channel.SMS}
    parts = {language: found for language in languages if (found := measure_parts(_sent_texts(run, language)))}
    names = dict(Account.objects.filter(pk__in=charged).values_list("pk", "name"))
    return _cost([(group, known.get(group.account)) for group in groups], parts=parts, latin={}, names=names)


def _sent_texts(run: Run, language: str) -> list[str]:
    """The SMS of some recipients, made again by the run's own frozen texts."""
    compiled = compiled_run(run.pk)
    if compiled is None:
        return []
    texts = []
    for recipient in _recipients(run, language):
        try:
            texts.append(compiled.render(recipient).text)
        except RenderingFailed:
            continue
    return texts


def _recipients(run: Run, language: str) -> list[Recipient]:
    left = Delivery.objects.filter(run=run, channel=Channel.SMS, language=language, state=DeliveryState.ACCEPTED)
    rows = list(left.order_by("id").values_list("id", "subscriber_id")[:SAMPLE])
    people = Subscriber.objects.in_bulk([subscriber for _, subscriber in rows if subscriber])
    told = {}
    if run.kind == RunKind.NOTICE:
        told = dict(
            Notice.objects.filter(run=run, delivery__in=[key for key, _ in rows]).values_list("delivery", "data")
        )
    return [
        Recipient(
            delivery=key,
            channel=Channel.SMS.value,
            language=language,
            subscriber=person_facts(people[subscriber]) if subscriber in people else NOBODY,
            data=told.get(key),
        )
        for key, subscriber in rows
    ]


def keep_spends() -> int:
    """Keep what runs cost that are over, since their rows will not be there for ever; how many were kept."""
    with_prices = Price.objects.values("account").distinct()
    accounts = [str(row["account"]) for row in with_prices]
    over = Run.objects.filter(state__in=ENDED, finished_at__lt=clock.now() - SETTLED, retired_at=None, spends=None)
    wanted = over.filter(frozen__senders__has_any_keys=accounts) if accounts else over.none()
    return sum(_keep(run) for run in wanted.order_by("pk")[:MOST_RUNS])


@transaction.atomic
def _keep(run: Run) -> int:
    lines = reckon(run).lines
    if any(line.amount is None for line in lines):
        return 0  # somebody may still write the missing price
    Spend.objects.bulk_create(
        [
            Spend(
                run=run,
                account_id=line.account,
                channel=line.channel,
                language=line.language,
                country=line.country,
                messages=line.messages,
                segments=line.segments,
                amount=line.amount,
                currency=line.currency,
            )
            for line in lines
        ],
        ignore_conflicts=True,
    )
    return int(bool(lines))


def spent_by(organisation: Organisation, *, since: date, until: date) -> Cost:
    """What the runs of an organisation and all below it cost that began on these days, notices among them."""
    begun = Run.objects.for_organisation(organisation).filter(
        kind__in=(RunKind.CAMPAIGN, RunKind.NOTICE), as_of__date__gte=since, as_of__date__lte=until
    )
    return spent(begun.order_by("pk"))


def as_json(cost: Cost) -> dict[str, Any]:
    """Money as decimal text, since numbers of JSON are none."""
    return {
        "sums": {currency: _money(amount) for currency, amount in cost.sums.items()},
        "unpriced": cost.unpriced,
        "lines": [
            {
                "channel": line.channel,
                "language": line.language,
                "account": str(line.account) if line.account else None,
                "country": line.country,
                "messages": line.messages,
                "segments": line.segments,
                "amount": None if line.amount is None else _money(line.amount),
                "currency": line.currency,
                "in_latin": None if line.latin is None else _money(line.latin),
            }
            for line in cost.lines
        ],
    }


def _money(amount: Decimal) -> str:
    """At least the cents, and what is finer where there is any."""
    plain = amount.quantize(Decimal("0.000001")).normalize()
    return f"{plain:.2f}" if -int(plain.as_tuple().exponent) < _CENTS else f"{plain:f}"
