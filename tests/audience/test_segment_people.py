"""Counting whom a rule means: exactly, or from a sample whose interval holds the truth."""

from __future__ import annotations

import random

import pytest
from django.db import connection

from outreach.audience.models import Subscriber
from outreach.audience.regions import BULGARIAN
from outreach.audience.rules import read_rule
from outreach.audience.segment_people import Count, count_people, estimate_people, estimated, sample_people
from outreach.core.models import Organisation

pytestmark = pytest.mark.django_db


def test_people_below_count_and_others_do_not(ministry: Organisation) -> None:
    below = Organisation.objects.create(slug="below", parent=ministry)
    others = Organisation.objects.create(slug="others")
    made = [Subscriber.objects.create(organisation=one, language="bg") for one in (ministry, below, others)]
    Subscriber.objects.create(organisation=ministry, erased_at="2026-01-01T00:00:00Z")
    known = read_rule({"language": {"in": ["bg"]}}, ministry)

    assert count_people(ministry, known) == Count(count=2, low=2, high=2, is_exact=True)
    assert sample_people(ministry, known) == made[:2]


@pytest.mark.django_db(transaction=True)
def test_without_patience_it_is_an_estimate(ministry: Organisation) -> None:
    """People who are there for the database's counters, too. A draw's regions err together: so several draws."""
    worlds, held = 4, 0
    rules = {place: read_rule({"region": {"in": [place]}}, ministry) for place in BULGARIAN}
    for seed in range(worlds):
        places = random.Random(seed).choices(list(BULGARIAN), k=4000)
        Subscriber.objects.all().delete()
        Subscriber.objects.bulk_create(Subscriber(organisation=ministry, region=place) for place in places)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE outreach_subscriber")
        found = {place: estimate_people(ministry, known, part=0.3) for place, known in rules.items()}
        assert not any(one.is_exact for one in found.values())
        held += sum(one.low <= places.count(place) <= one.high for place, one in found.items())

    assert held >= 0.85 * worlds * len(BULGARIAN)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("0",)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
@pytest.mark.parametrize("known", [100_000, 0, 400_000])
def test_the_interval_holds_the_truth_nineteen_times_of_twenty(share: float, known: int) -> None:
    """Pages that are alike within themselves, as those of an imported file are."""
    draw, pages, held = random.Random(5), 4_000, 0
    world = [sum(draw.random() < share * (0.5 + page % 2) for _ in range(25)) for page in range(pages)]
    for _ in range(200):
        hits = [one for one in world if draw.random() < 0.05]
        squares = sum(one * one for one in hits)
        found = estimated(sum(hits), squares=squares, pages=len(hits), rows=25 * len(hits), part=0.05, known=known)
        held += found.low <= sum(world) <= found.high

    assert held >= 180


@pytest.mark.parametrize(("known", "count"), [(0, 400), (399, 400), (400, 40), (2_000, 200)])
def test_a_number_of_all_rows_that_is_less_than_what_was_seen_is_not_believed(known: int, count: int) -> None:
    """A young table of few pages: its number of rows is still to be counted."""
    found = estimated(40, squares=200, pages=10, rows=400, part=0.1, known=known)

    assert found.count == count
    assert 40 <= found.low <= found.count <= found.high


def test_how_many_pages_chance_drew_does_not_matter() -> None:
    few, many = (estimated(10 * n, squares=200 * n, pages=n, rows=20 * n, part=0.01, known=100_000) for n in (40, 60))

    assert (few.count, many.count) == (50_000, 50_000)
    assert many.high - many.low < few.high - few.low


def test_nobody_in_the_sample_is_not_nobody_and_all_of_it_not_everybody() -> None:
    nobody = estimated(0, squares=0, pages=5, rows=100, part=0.01, known=10_000)
    everybody = estimated(100, squares=2_000, pages=5, rows=100, part=0.01, known=10_000)

    assert nobody == Count(count=0, low=0, high=300, is_exact=False)
    assert everybody == Count(count=10_000, low=9_700, high=10_300, is_exact=False)


def test_a_sample_of_nothing_says_so() -> None:
    assert estimated(0, squares=0, pages=0, rows=0, part=0.01, known=0) == Count(
        count=0, low=0, high=300, is_exact=False
    )
