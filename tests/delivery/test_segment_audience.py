"""A campaign's segment: fan-out writes whom it means and nobody else, and the review counts the same."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.audience.models import Segment, Subscriber
from outreach.audience.rule_sql import thaw_rule
from outreach.audience.selection import compile_choices, compile_selection, count_audience
from outreach.campaigns.planning import segment_facts
from outreach.core import clock
from outreach.delivery.models import Delivery
from outreach.effectiveness.receipts import as_json, receipt
from tests.delivery.world import SALT, World, campaign_of


@pytest.fixture
def people(world: World) -> list[Subscriber]:
    """Nine people: three of each city, the first of each of them speaks English."""
    made = world.people(9, channels=("email", "sms"))
    for place, person in enumerate(made):
        person.attributes = {"city": ("София", "Варна", "Русе")[place % 3]}
        person.language = "en" if place < 3 else "bg"
        person.save()
    return made


def segment(world: World, where: dict[str, Any]) -> Segment:
    return Segment.objects.create(organisation=world.organisation, name=str(where)[:200], where=where)


def written(world: World, *, excluded: list[Segment] | None = None, wanted: Segment | None = None) -> list[int | None]:
    run = world.fanned_out(**segment_facts(wanted, excluded or []))
    frozen = run.frozen
    assert count_audience(frozen, ancestors=[world.organisation.pk]).audience == run.audience_count
    return list(Delivery.objects.filter(run=run).order_by("subscriber").values_list("subscriber", flat=True))


def test_only_whom_it_means_is_written_to(world: World, people: list[Subscriber]) -> None:
    of_sofia = segment(world, {"attribute": {"name": "city", "is": "София"}})
    english = segment(world, {"language": {"in": ["en"]}})
    keys = [person.pk for person in people]

    assert written(world, wanted=of_sofia) == [keys[0], keys[3], keys[6]]
    assert written(world, wanted=of_sofia, excluded=[english]) == [keys[3], keys[6]]
    assert written(world, excluded=[english, of_sofia]) == [keys[4], keys[5], keys[7], keys[8]]


def test_what_the_run_itself_sends_does_not_change_its_audience(world: World, people: list[Subscriber]) -> None:
    """Got the first and did not open it; the second run's own messages do not make anybody a receiver of it."""
    run = world.fanned_out()
    campaign = str(campaign_of(run).pk)
    Delivery.objects.filter(run=run, subscriber__in=people[:2]).update(state="accepted", settled_at=clock.now())
    got = segment(world, {"received": {"campaign": campaign, "within": 14}})
    nothing = segment(world, {"not": {"received": {"within": 14}}})

    assert written(world, wanted=got) == [person.pk for person in people[:2]]
    plan = world.frozen(**segment_facts(nothing, []))
    Delivery.objects.filter(run=run, subscriber__in=people[2:]).update(state="accepted", settled_at=clock.now())
    assert count_audience(plan, ancestors=[]).audience == len(people) - 2


def test_without_a_segment_the_sql_is_as_it_was(world: World) -> None:
    """With one, its condition is all that is added: fan-out pays nothing for what a plan does not ask."""
    facts = segment_facts(segment(world, {"language": {"in": ["en"]}}), [])
    condition = thaw_rule(facts["segment"])
    plain, narrowed = world.frozen(), world.frozen(**facts)
    found = [compile_selection(plan, ancestors=[1], salt=SALT) for plan in (plain, narrowed)]
    choices = [compile_choices(plan, ancestors=[1]) for plan in (plain, narrowed)]
    for without, having in ([*found], [*choices]):
        assert without is not None
        assert having is not None
        for name in ("bound", "sql", "dense"):
            clause = f"\n      AND {condition.sql}"
            assert getattr(having, name).replace(clause, "") == getattr(without, name)
        assert having.params == {**without.params, **condition.params}


def test_people_are_not_merged_with_tables_that_are_larger_than_a_chunk(world: World) -> None:
    plan = world.frozen(**segment_facts(segment(world, {"received": {}}), []))
    found = compile_selection(plan, ancestors=[1], salt=SALT)

    assert found is not None
    assert found.dense == ""


def test_the_plan_keeps_its_rules_in_words_for_receipts_and_readers(world: World, people: list[Subscriber]) -> None:
    wanted, left_out = segment(world, {"language": {"in": ["en"]}}), segment(world, {"kind": {"in": ["business"]}})
    run = world.fanned_out(**segment_facts(wanted, [left_out]))
    words = {
        "bg": "Хора, чийто език е English. Без: хора, чийто вид е Фирма.",
        "en": "People whose language is English. Left out: people whose kind is Business.",
    }
    assert run.frozen["segment"]["words"] == words
    story = receipt(world.organisation, Delivery.objects.filter(run=run)[0].public_id)
    assert f"Of the topics' people the campaign means: {words['en']}" in as_json(story)["steps"][0]["text"]
