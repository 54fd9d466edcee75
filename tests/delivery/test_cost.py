"""What a campaign will cost, to the cent, before it leaves; and what it did, from the ledger."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from outreach.audience.models import Address, Subscription
from outreach.campaigns.models import Campaign, Run
from outreach.campaigns.planning import freeze
from outreach.core import clock
from outreach.core.errors import Invalid
from outreach.core.models import Account
from outreach.core.secrets import address_digest
from outreach.delivery.cost import (
    Made,
    Parts,
    Period,
    SmsLine,
    as_json,
    keep_spends,
    measure_parts,
    read_period,
    reckon,
    spent,
    spent_by,
)
from outreach.delivery.models import Delivery, Spend
from outreach.delivery.prices import replace_prices
from outreach.delivery.review import review
from tests.campaigns.studio import Studio

pytestmark = pytest.mark.django_db

LONG = "Здравейте, {{ subscriber.name }}! Можете да подадете данъчната си декларация по интернет до 30 април."
ENGLISH = "Hello {{ subscriber.name }}"
PRICES = [
    {"country": "", "unit": "segment", "amount": "0.09", "currency": "EUR", "valid_from": "2026-01-01"},
    {"country": "BG", "unit": "segment", "amount": "0.045", "currency": "EUR", "valid_from": "2026-01-01"},
    {"country": "BG", "unit": "message", "amount": "0.001", "currency": "EUR", "valid_from": "2026-01-01"},
]


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def account(studio: Studio) -> Account:
    return studio.account("sms", organisation=studio.town)


@pytest.fixture
def campaign(studio: Studio, account: Account) -> Campaign:
    for name in ("Анна", "Иван", "Мария"):
        studio.person(name, channel="sms")
    abroad = studio.person("John", language="en", channel="sms")
    Address.objects.filter(subscriber=abroad).update(
        value="+447700900123", normalised="+447700900123", digest=address_digest("sms", "+447700900123")
    )
    contents = [
        {"channel": "sms", "language": "bg", "format": "text", "body": LONG},
        {"channel": "sms", "language": "en", "format": "text", "body": ENGLISH},
    ]
    return studio.campaign(channels={"order": ["sms"]}, contents=contents)


def lines(cost: Any) -> list[tuple[Any, ...]]:
    return [(line.language, line.country, line.messages, line.segments, line.amount, line.latin) for line in cost.lines]


def test_review_shows_the_price_by_country_and_in_latin_letters(
    studio: Studio, account: Account, campaign: Campaign
) -> None:
    replace_prices(studio.administrator, account, PRICES)
    seen = review(campaign)
    assert lines(seen.cost) == [
        ("bg", "BG", 3, 6, Decimal("0.273"), Decimal("0.138")),
        ("en", "GB", 1, 1, Decimal("0.09"), None),
    ]
    assert (seen.cost.sums, seen.cost.unpriced) == ({"EUR": Decimal("0.363")}, 0)
    assert seen.sms == (
        SmsLine(
            field="contents/0/body",
            language="bg",
            recipients=3,
            encoding="ucs2",
            parts=Parts(mean=Decimal(2), least=2, most=2),
            sums={"EUR": Decimal("0.273")},
            least={"EUR": Decimal("0.273")},
            most={"EUR": Decimal("0.273")},
            latin_parts=Parts(mean=Decimal(1), least=1, most=1),
            latin_sums={"EUR": Decimal("0.138")},
        ),
        SmsLine(
            field="contents/1/body",
            language="en",
            recipients=1,
            encoding="gsm7",
            parts=Parts(mean=Decimal(1), least=1, most=1),
            sums={"EUR": Decimal("0.09")},
            least={"EUR": Decimal("0.09")},
            most={"EUR": Decimal("0.09")},
            latin_parts=None,
            latin_sums={},
        ),
    )


def test_review_says_what_has_no_price(studio: Studio, account: Account, campaign: Campaign) -> None:
    seen = review(campaign)
    assert [(line.country, line.messages, line.amount) for line in seen.cost.lines] == [
        ("BG", 3, None),
        ("GB", 1, None),
    ]
    assert (seen.cost.sums, seen.cost.unpriced) == ({}, 4)
    assert [(line.recipients, line.sums, line.latin_sums) for line in seen.sms] == [(3, {}, {}), (1, {}, {})]
    replace_prices(studio.administrator, account, PRICES[1:2])
    seen = review(campaign)
    assert (seen.cost.sums, seen.cost.unpriced) == ({"EUR": Decimal("0.27")}, 1)


def test_parts_are_those_of_real_people(studio: Studio, account: Account, campaign: Campaign) -> None:
    replace_prices(studio.administrator, account, PRICES)
    long_name = "Александра-Константина " * 3
    studio.person(long_name, channel="sms")
    seen = review(campaign)
    [bulgarian, _english] = seen.sms
    assert bulgarian.parts == Parts(mean=Decimal("2.25"), least=2, most=3)
    assert bulgarian.sums == {"EUR": Decimal(9) * Decimal("0.045") + 4 * Decimal("0.001")}


def test_cost_is_exact_by_country_and_only_of_those_who_get_it(
    studio: Studio, account: Account, campaign: Campaign
) -> None:
    replace_prices(studio.administrator, account, PRICES)
    long_name = "Александра-Константина " * 3
    abroad = studio.person(long_name, channel="sms")
    Address.objects.filter(subscriber=abroad).update(
        value="+447700900124", normalised="+447700900124", digest=address_digest("sms", "+447700900124")
    )
    left = studio.person(long_name, channel="sms")
    Subscription.objects.filter(subscriber=left).update(state="unsubscribed")
    seen = review(campaign)
    assert lines(seen.cost) == [
        ("bg", "BG", 3, 6, Decimal("0.273"), Decimal("0.138")),
        ("bg", "GB", 1, 3, Decimal("0.27"), Decimal("0.09")),
        ("en", "GB", 1, 1, Decimal("0.09"), None),
    ]
    assert (seen.is_cost_exact, seen.cost.least, seen.cost.most) == (True, seen.cost.sums, seen.cost.sums)


def test_a_large_audience_costs_between_two_bounds(
    studio: Studio, account: Account, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_prices(studio.administrator, account, PRICES[1:2])
    for number in range(37):
        studio.person("Александра-Константина " * 3 if number % 2 else "Иво", channel="sms")
    exact = review(campaign).cost.sums["EUR"]
    monkeypatch.setattr("outreach.delivery.review.SAMPLE", 20)
    first, again = review(campaign), review(campaign)
    bounds = first.cost.least["EUR"], first.cost.most["EUR"]
    assert bounds[0] < exact < bounds[1]
    assert (first.is_cost_exact, bounds[1] - bounds[0] < exact / 2) == (False, True)
    assert (first.cost, first.sms) == (again.cost, again.sms)


def test_the_bounds_hold_nineteen_times_of_twenty() -> None:
    """Against 10,000 people of whom one of a hundred has a longer name, drawn anew 400 times."""
    drawn = random.Random(7)
    long, short = "я" * 80, "я" * 60
    everybody = [("BG", long if number % 100 == 0 else short) for number in range(10_000)]
    true = Decimal("1.01")
    held = 0
    for _ in range(400):
        parts = measure_parts(Made(texts=drawn.sample(everybody, 300), is_whole=False))
        held += parts is not None and parts.mean - parts.margin <= true <= parts.mean + parts.margin
    assert held >= 380


def test_a_sample_without_any_variety_still_leaves_room() -> None:
    assert measure_parts(Made(texts=[("BG", "a")] * 1000, is_whole=False)) == Parts(
        mean=Decimal(1), least=1, most=1, margin=Decimal("0.003")
    )


def test_days_are_read_in_one_place() -> None:
    today = timezone.localdate(clock.now())
    assert read_period() == Period(since=today - timedelta(days=30), until=today)
    for wrong in ((today, today - timedelta(days=1)), (today - timedelta(days=367), today)):
        with pytest.raises(Invalid):
            read_period(*wrong)


def test_emails_without_a_price_cost_nothing_that_is_shown(studio: Studio) -> None:
    studio.account()
    studio.person("Анна")
    seen = review(studio.campaign())
    assert (seen.cost.lines, seen.sms) == ((), ())


def test_email_may_have_a_price_a_message(studio: Studio) -> None:
    account = studio.account(organisation=studio.town)
    studio.person("Анна")
    prices = [{"unit": "message", "amount": "0.0004", "currency": "USD", "valid_from": "2026-01-01"}]
    replace_prices(studio.administrator, account, prices)
    assert as_json(review(studio.campaign()).cost) == {
        "sums": {"USD": "0.0004"},
        "least": {"USD": "0.0004"},
        "most": {"USD": "0.0004"},
        "unpriced": 0,
        "lines": [
            {
                "channel": "email",
                "language": "bg",
                "account": str(account.pk),
                "country": "",
                "messages": 1,
                "segments": 0,
                "amount": "0.0004",
                "currency": "USD",
                "least": None,
                "most": None,
                "in_latin": None,
            }
        ],
    }


def sent_run(campaign: Campaign, account: Account, *, state: str = "finished") -> Run:
    """The campaign as if it had run: two Bulgarians and John got it, one Bulgarian's message was refused."""
    from django.db import connection

    run = Run.objects.create(
        organisation=campaign.organisation,
        campaign=campaign,
        occurrence=clock.now(),
        as_of=clock.now(),
        finished_at=clock.now(),
        state=state,
        salt=b"salt",
        frozen=freeze(campaign),
    )
    for number, address in enumerate(Address.objects.filter(channel="sms").order_by("pk")):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO outreach_delivery (run_id, target, channel, subscriber_id, address_id, account_id,"
                " language, state) VALUES (%s, %s, 'sms', %s, %s, %s, %s, %s)",
                [
                    run.pk,
                    f"s:{address.subscriber_id}",
                    address.subscriber_id,
                    address.pk,
                    account.pk,
                    address.subscriber.language,
                    "rejected" if number == 0 else "accepted",
                ],
            )
    return run


def test_report_counts_what_left(studio: Studio, account: Account, campaign: Campaign) -> None:
    replace_prices(studio.administrator, account, PRICES)
    run = sent_run(campaign, account)
    assert lines(reckon(run)) == [
        ("bg", "BG", 2, 4, Decimal("0.182"), None),
        ("en", "GB", 1, 1, Decimal("0.09"), None),
    ]
    today = timezone.localdate(clock.now())
    assert spent_by(studio.council, since=today, until=today).sums == {"EUR": Decimal("0.272")}
    assert spent_by(studio.council, since=today - timedelta(days=9), until=today - timedelta(days=1)).sums == {}


def test_what_was_spent_outlives_rows_and_later_prices(studio: Studio, account: Account, campaign: Campaign) -> None:
    replace_prices(studio.administrator, account, PRICES)
    run = sent_run(campaign, account)
    assert keep_spends() == 0
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        assert (keep_spends(), keep_spends()) == (1, 0)
    assert Spend.objects.count() == 2
    replace_prices(studio.administrator, account, [{**PRICES[0], "amount": "7"}])
    Delivery.objects.filter(run=run).delete()
    assert spent([run]).sums == {"EUR": Decimal("0.272")}


def test_nothing_is_kept_while_a_price_is_missing(studio: Studio, account: Account, campaign: Campaign) -> None:
    replace_prices(studio.administrator, account, PRICES[1:2])
    run = sent_run(campaign, account)
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        assert keep_spends() == 0
    found = spent([run])
    assert (found.sums, found.unpriced) == ({"EUR": Decimal("0.18")}, 1)


def test_lines_of_one_country_are_shown_together(studio: Studio, account: Account, campaign: Campaign) -> None:
    replace_prices(studio.administrator, account, PRICES)
    english = studio.person("Ann", language="en", channel="sms")
    assert english.language == "en"
    shown = review(campaign).cost.by_country()
    assert [(line.country, line.language, line.messages, line.segments, line.amount) for line in shown] == [
        ("BG", "", 4, 7, Decimal("0.319")),
        ("GB", "", 1, 1, Decimal("0.09")),
    ]
