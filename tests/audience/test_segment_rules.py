"""The language of segments: the compiler means what a plain reading means; what is wrong is said where it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience.facts import FACTS
from outreach.audience.models import AttributeField, Subscriber, Topic
from outreach.audience.rule_sql import Condition, compile_rule, freeze_rules, ids_of, thaw_rule
from outreach.audience.rule_words import in_words
from outreach.audience.rules import DEEPEST, MOST_CLAUSES, read_rule, read_rules
from outreach.core import clock
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from tests.audience.segment_world import PLAIN, Town

pytestmark = pytest.mark.django_db


def meant(condition: Condition) -> set[int]:
    sql = f"SELECT s.id FROM outreach_subscriber s WHERE s.erased_at IS NULL AND {condition.sql}"
    return {row.pk for row in Subscriber.objects.raw(sql, dict(condition.params))}


@pytest.mark.parametrize(("seed", "merged"), [(1, 0), (2, 20)])
def test_the_compiler_agrees_with_a_plain_reading(ministry: Organisation, seed: int, merged: int) -> None:
    """Also of people of whom there were two records: what either got, opened, said or was counts for the one."""
    town = Town(ministry, seed)
    town.merge(merged)

    @settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(rule=town.rules())
    def agree(rule: dict[str, Any]) -> None:
        known = read_rule(rule, ministry)
        assert meant(compile_rule(known.where, ids_of(known), as_of=town.now)) == town.meant(rule, town.now)

    agree()


def test_every_fact_is_tried() -> None:
    assert set(PLAIN) == set(FACTS)


@settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(min_size=1, max_size=40))
def test_nothing_that_is_given_is_part_of_the_text(ministry: Organisation, text: str) -> None:
    rule = {"or": [{"attribute": {"name": text, "is": text}}, {"converted": {"name": text}}]}
    try:
        known = read_rule(rule, ministry)
    except Invalid:
        return
    plain = compile_rule(
        {"or": [{"attribute": {"name": "x", "is": "x"}}, {"converted": {"name": "x"}}]}, {}, as_of=clock.now()
    )
    found = compile_rule(known.where, {}, as_of=clock.now())

    assert (found.sql, meant(found)) == (plain.sql, set())


def test_a_frozen_rule_is_the_same_rule(ministry: Organisation) -> None:
    town = Town(ministry, 3)
    wanted = {"and": [{"topic": {"in": ["health"]}}, {"not": {"received": {"within": 14}}}]}
    unwanted = {"topic": {"in": ["taxes"]}}
    frozen = freeze_rules([read_rule(wanted, ministry)], [read_rule(unwanted, ministry)], as_of=town.now)

    assert meant(thaw_rule(json.loads(json.dumps(frozen)))) == town.meant(wanted, town.now) - town.meant(
        unwanted, town.now
    )


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ({}, {"where": "This must be an object with one key: and, or, not, or a fact."}),
        ([], {"where": "This must be an object with one key: and, or, not, or a fact."}),
        ({"and": []}, {"where/and": "This must be a list of at least one rule."}),
        ({"nott": {}}, {"where/nott": "There is no “nott”. Did you mean “not”?"}),
        (
            {"and": [{"language": {"in": ["bg", "xx"]}}, {"not": {"topic": {"in": ["gone"]}}}]},
            {
                "where/and/0/language/in/1": "There is no “xx”. There are: bg, en.",
                "where/and/1/not/topic/in/0": "There is no “gone”.",
            },
        ),
        (
            {"clicked": {"within": 0, "chanel": "sms", "campaign": "1; DROP TABLE"}},
            {
                "where/clicked/within": "Write a whole number of days from 1 to 3650.",
                "where/clicked/chanel": "There is no “chanel”. Did you mean “channel”?",
                "where/clicked/campaign": "There is no “1; DROP TABLE”.",
            },
        ),
        (
            {"attribute": {"is": float("inf"), "contains": "\0"}},
            {
                "where/attribute/name": "This must be there.",
                "where/attribute/is": "This number is too large.",
                "where/attribute/contains": "This holds a character that is not text.",
            },
        ),
        (
            {"attribute": {"name": "city"}},
            {"where/attribute": "Give at least one of: at_least, at_most, begins, contains, in, is, known."},
        ),
        ({"kind": ["citizen"]}, {"where/kind": "This must be an object."}),
    ],
)
def test_what_is_wrong_is_said_at_its_path(ministry: Organisation, rule: Any, wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        read_rule(rule, ministry)

    said = {path: str(texts[0]) for path, texts in caught.value.fields.items()}
    assert {path: said.get(path) for path in wrong} == wrong


def test_a_rule_has_an_end(ministry: Organisation) -> None:
    deep: dict[str, Any] = {"measured": {}}
    for _ in range(DEEPEST):
        deep = {"not": deep}
    wide: dict[str, Any] = {"or": [{"and": [{"measured": {}}] * 30}, {"and": [{"measured": {}}] * 30}]}
    long: dict[str, Any] = {"or": [{"measured": {}}] * (MOST_CLAUSES + 1)}
    for rule in (deep, wide, long):
        with pytest.raises(Invalid):
            read_rule(rule, ministry)


def test_what_others_have_is_not_there(ministry: Organisation) -> None:
    other = Organisation.objects.create(slug="elsewhere")
    Topic.objects.create(organisation=other, slug="theirs")
    with pytest.raises(Invalid) as caught:
        read_rule({"topic": {"in": ["theirs"]}}, ministry)

    assert list(caught.value.fields) == ["where/topic/in/0"]


def test_a_rule_says_itself_in_both_languages(ministry: Organisation) -> None:
    Town(ministry, 4)
    Topic.objects.filter(slug="health").update(name={"bg": "Здраве", "en": "Health"})
    rule = {
        "and": [
            {"language": {"in": ["bg"]}},
            {"or": [{"topic": {"in": ["health"], "channel": "sms"}}, {"attribute": {"name": "city", "is": "София"}}]},
            {"not": {"or": [{"clicked": {"within": 90}}, {"received": {"within": 1}}]}},
        ]
    }
    known = read_rule(rule, ministry)
    with translation.override("en"):
        english = in_words(known)
    with translation.override("bg"):
        bulgarian = in_words(known)

    assert english == (
        "People whose language is Български and (who subscribe to “Health” by SMS or whose “city” is “София”) and"
        " who followed no link of a message in the last 90 days and who received no message in the last day."
    )
    assert bulgarian == (
        "Хора, чийто език е Български и (които са абонирани за „Здраве“ по канал SMS или чието „city“ е „София“) и"
        " които не са последвали връзка от съобщение през последните 90 дни и които не са получили съобщение през"
        " последния ден."
    )


def test_an_attribute_is_said_by_what_it_is_called(ministry: Organisation) -> None:
    """By the declaration that holds for these people; what nobody declared says its own name."""
    below = Organisation.objects.create(slug="below", parent=ministry)
    for owner, name, label in (
        (ministry, "city", {"bg": "Град", "en": "Town"}),
        (below, "city", {"bg": "Населено място", "en": "Place"}),
        (below, "since", {"bg": "Клиент от"}),
    ):
        AttributeField.objects.create(organisation=owner, name=name, type="text", label=label)
    rule = {"and": [{"attribute": {"name": name, "known": True}} for name in ("city", "since", "няма")]}
    said = {}
    for owner in (ministry, below):
        for language in ("en", "bg"):
            with translation.override(language):
                said[owner.slug, language] = in_words(read_rules([rule], owner)[0])

    assert said == {
        (ministry.slug, "en"): "People whose “Town” is known and whose “Клиент от” is known and whose “няма” is known.",
        (
            ministry.slug,
            "bg",
        ): "Хора, чието „Град“ е известно и чието „Клиент от“ е известно и чието „няма“ е известно.",
        (below.slug, "en"): "People whose “Place” is known and whose “Клиент от” is known and whose “няма” is known.",
        (below.slug, "bg"): (
            "Хора, чието „Населено място“ е известно и чието „Клиент от“ е известно и чието „няма“ е известно."
        ),
    }
    assert ids_of(read_rule(rule, below)) == {}
