"""What messages cost: reckoned before they leave, for the review, and from the ledger afterwards, for the report.

Parts are counted on messages made for real recipients: for all of them where the text is the same for everybody or they
are few, else for some drawn at random, and then the cost is known between two bounds.
Money is Decimal and never rounded before it is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Func
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Subscriber
from outreach.audience.selection import Group, group_audience
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.errors import Invalid
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import ENDED, Channel, DeliveryState, RunKind
from outreach.delivery.adapters import capabilities
from outreach.delivery.digests import carried_by
from outreach.delivery.latin import to_latin
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Delivery, Notice, Price, Spend
from outreach.delivery.people import NOBODY, person_facts
from outreach.delivery.prices import Tariff, country_of, tariffs
from outreach.delivery.render import Recipient, RenderingFailed
from outreach.delivery.segments import measure_sms

#: Recipients of a language whose messages are made to reckon the parts of a text; where there are no more, all are.
SAMPLE: Final = 1_000
#: Standard errors on each side of a mean: 19 of 20 samples are no further off.
_SIGMAS: Final = Decimal("1.96")
#: Of what a sample of n never showed, there are with the same confidence no more than 3/n (the rule of three).
_UNSEEN: Final = Decimal(3)
#: Days that are summed where none are named, and the longest span that is.
DAYS: Final = 30
MOST_DAYS: Final = 366
#: How long after its end a run's receipts and stragglers may still change what it cost.
SETTLED: Final = timedelta(hours=1)
_CENTS: Final = 2
#: Runs that one task reckons.
MOST_RUNS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How many parts a text takes, over those whose messages were made."""

    mean: Decimal
    least: int
    most: int
    #: How far the mean of all may be from this one; 0 where everybody's message was counted.
    margin: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Made:
    """Messages of one SMS text, made to be counted."""

    #: (country, text) of each.
    texts: Sequence[tuple[str, str]]
    #: Whether they stand for everybody: all were made, or the text is the same for all.
    is_whole: bool

    def by(self, country: str) -> Made | None:
        """Those of one country, where they are all of it; None where they say nothing of it by themselves."""
        found = [(where, text) for where, text in self.texts if where == country]
        return Made(texts=found, is_whole=True) if self.is_whole and found else None


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
    #: Between what the amount lies; None where it is exact.
    least: Decimal | None = None
    most: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a campaign, or all of an organisation's, will cost or did."""

    lines: tuple[CostLine, ...] = ()

    @property
    def sums(self) -> dict[str, Decimal]:
        """Currency -> the sum of what is priced."""
        return _sum(self.lines, lambda line: line.amount)

    @property
    def least(self) -> dict[str, Decimal]:
        """Currency -> what it costs at least."""
        return _sum(self.lines, lambda line: line.amount if line.least is None else line.least)

    @property
    def most(self) -> dict[str, Decimal]:
        """Currency -> what it costs at most."""
        return _sum(self.lines, lambda line: line.amount if line.most is None else line.most)

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
        least=None,
        most=None,
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
    #: Currency -> sum, and between what it lies.
    sums: Mapping[str, Decimal]
    least: Mapping[str, Decimal]
    most: Mapping[str, Decimal]
    #: The same in Latin letters; None where they take as many parts.
    latin_parts: Parts | None
    latin_sums: Mapping[str, Decimal]


@lru_cache(maxsize=4 * SAMPLE)
def _segments(text: str) -> int:
    """Each text is asked for by language, by country and for its alphabet."""
    return measure_sms(text).segments


def measure_parts(made: Made) -> Parts | None:
    """How many parts these messages take; None where there is none."""
    counts = [_segments(text) for _country, text in made.texts]
    if not counts:
        return None
    mean = Decimal(sum(counts)) / len(counts)
    margin = Decimal(0) if made.is_whole else _margin(counts, mean)
    return Parts(mean=mean, least=min(counts), most=max(counts), margin=margin)


def _margin(counts: Sequence[int], mean: Decimal) -> Decimal:
    """How far the mean of all may be from that of a random sample: its standard error, and a part more or less for as
    many as may have a length that the sample does not show."""
    size = len(counts)
    variance = sum(((count - mean) ** 2 for count in counts), Decimal(0)) / max(1, size - 1)
    return _SIGMAS * (variance / size).sqrt() + _UNSEEN / size


def estimate(frozen: Mapping[str, Any], *, ancestors: list[int], texts: Mapping[str, Made]) -> Cost:
    """What a plan would cost if it went now. `texts`: language -> SMS as its recipients would get them."""
    senders = {int(key): facts for key, facts in frozen["senders"].items()}
    known = tariffs(senders, timezone.localdate(clock.now()))
    charged = {key for key, facts in senders.items() if key in known or capabilities(facts["adapter"]).paid}
    if not charged:
        return Cost()
    groups = [group for group in group_audience(frozen, ancestors=ancestors) if group.account in charged]
    names = dict(Account.objects.filter(pk__in=charged).values_list("pk", "name"))
    priced = [(group, known.get(group.account)) for group in groups]
    return _cost(priced, parts=_parts(texts), latin=_latin_parts(texts), names=names)


def _parts(texts: Mapping[str, Made]) -> dict[tuple[str, str], Parts]:
    """Of each language, and of each country that was counted whole: names differ from country to country."""
    found: dict[tuple[str, str], Parts] = {}
    for language, made in texts.items():
        for country in {"", *(where for where, _text in made.texts)}:
            counted = measure_parts(made.by(country) or made) if country else measure_parts(made)
            if counted:
                found[language, country] = counted
    return found


def _latin_parts(texts: Mapping[str, Made]) -> dict[tuple[str, str], Parts]:
    """The same in Latin letters, where they take fewer parts in the language as a whole."""
    usual = _parts(texts)
    spelt = {
        language: replace(made, texts=[(country, to_latin(text)) for country, text in made.texts])
        for language, made in texts.items()
    }
    latin = _parts(spelt)
    cheaper = {key[0] for key, found in latin.items() if not key[1] and found.mean < usual[key].mean}
    return {key: found for key, found in latin.items() if key[0] in cheaper}


def sms_lines(
    frozen: Mapping[str, Any], cost: Cost, texts: Mapping[str, tuple[str, Made]], *, ancestors: list[int]
) -> tuple[SmsLine, ...]:
    """Each SMS text with its recipients. `texts`: language -> its path, and as they would get it."""
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
            encoding=measure_sms(max((text for _country, text in made.texts), key=_segments)).encoding,
            parts=parts[language, ""],
            sums=own.sums,
            least=own.least,
            most=own.most,
            latin_parts=latin.get((language, "")),
            latin_sums=_sum(own.lines, lambda line: line.latin),
        )
        for language, (path, made) in texts.items()
        if (language, "") in parts
        for own in [Cost(lines=tuple(line for line in lines if line.language == language))]
    )


def _cost(
    groups: Iterable[tuple[Group, Tariff | None]],
    *,
    parts: Mapping[tuple[str, str], Parts],
    latin: Mapping[tuple[str, str], Parts],
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
    parts: Mapping[tuple[str, str], Parts],
    latin: Mapping[tuple[str, str], Parts],
    name: str,
) -> CostLine:
    channel, language, account, country = key
    messages = Decimal(count)
    taken = _of(parts, language, country) or _ONE_PART if channel == Channel.SMS else _NO_PART
    shorter = _of(latin, language, country) if channel == Channel.SMS else None

    def price_of(each: Decimal) -> Decimal | None:
        return tariff.price(country=country, messages=messages, segments=messages * each) if tariff else None

    price = price_of(taken.mean)
    return CostLine(
        channel=channel,
        language=language,
        account=account,
        account_name=name,
        country=country,
        messages=count,
        segments=int((messages * taken.mean).to_integral_value()),
        amount=price,
        currency=tariff.currency if tariff and price is not None else "",
        latin=price_of(shorter.mean) if shorter else None,
        least=price_of(max(Decimal(1), taken.mean - taken.margin)) if taken.margin else None,
        most=price_of(taken.mean + taken.margin) if taken.margin else None,
    )


_ONE_PART: Final = Parts(mean=Decimal(1), least=1, most=1)
_NO_PART: Final = Parts(mean=Decimal(0), least=0, most=0)


def _of(parts: Mapping[tuple[str, str], Parts], language: str, country: str) -> Parts | None:
    return parts.get((language, country)) or parts.get((language, ""))


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
    parts = {(language, ""): found for language in languages if (found := measure_parts(_made_again(run, language)))}
    names = dict(Account.objects.filter(pk__in=charged).values_list("pk", "name"))
    return _cost([(group, known.get(group.account)) for group in groups], parts=parts, latin={}, names=names)


def _made_again(run: Run, language: str) -> Made:
    """The SMS of some recipients, made again by the run's own frozen texts."""
    compiled = compiled_run(run.pk)
    texts = []
    if compiled is None:
        return Made(texts=(), is_whole=True)
    for recipient in _recipients(run, language):
        try:
            texts.append(("", compiled.render(recipient).text))
        except RenderingFailed:
            continue
    return Made(texts=texts, is_whole=len(texts) < SAMPLE)


def _recipients(run: Run, language: str) -> list[Recipient]:
    left = Delivery.objects.filter(run=run, channel=Channel.SMS, language=language, state=DeliveryState.ACCEPTED)
    drawn = left.order_by(Func("id", "run_id", function="hashint8extended"))
    rows = list(drawn.values_list("id", "subscriber_id")[:SAMPLE])
    people = Subscriber.objects.in_bulk([subscriber for _, subscriber in rows if subscriber])
    told: Mapping[int, Any] = {}
    if run.kind == RunKind.DIGEST:
        told = carried_by(list(left.filter(id__in=[key for key, _ in rows])))
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


@dataclass(frozen=True, kw_only=True)
class Period:
    """The days that are summed, both ends among them."""

    since: date
    until: date


def read_period(since: date | None = None, until: date | None = None) -> Period:
    """The days named, or the last thirty until the last of them.

    Raises:
        Invalid: they are not in their order, or more than a year apart.
    """
    last = until or timezone.localdate(clock.now())
    first = since or last - timedelta(days=DAYS)
    if not timedelta(0) <= last - first <= timedelta(days=MOST_DAYS):
        raise Invalid({"since": [_("Name two days in their order, at most a year apart.")]})
    return Period(since=first, until=last)


def spent_by(organisation: Organisation, *, since: date, until: date) -> Cost:
    """What the runs of an organisation and all below it cost that began on these days, notices among them."""
    begun = Run.objects.for_organisation(organisation).filter(
        kind__in=(RunKind.CAMPAIGN, RunKind.NOTICE, RunKind.DIGEST), as_of__date__gte=since, as_of__date__lte=until
    )
    return spent(begun.order_by("pk"))


def as_json(cost: Cost) -> dict[str, Any]:
    """Money as decimal text, since numbers of JSON are none."""
    return {
        "sums": {currency: _money(amount) for currency, amount in cost.sums.items()},
        "least": {currency: _money(amount) for currency, amount in cost.least.items()},
        "most": {currency: _money(amount) for currency, amount in cost.most.items()},
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
                "least": None if line.least is None else _money(line.least),
                "most": None if line.most is None else _money(line.most),
                "in_latin": None if line.latin is None else _money(line.latin),
            }
            for line in cost.lines
        ],
    }


def _money(amount: Decimal) -> str:
    """At least the cents, and what is finer where there is any."""
    plain = amount.quantize(Decimal("0.000001")).normalize()
    return f"{plain:.2f}" if -int(plain.as_tuple().exponent) < _CENTS else f"{plain:f}"
