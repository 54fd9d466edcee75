from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.audience.attributes import (
    BadValue,
    change_attribute,
    declare_attribute,
    fields_of,
    read_value,
    withdraw_attribute,
)
from outreach.audience.models import AttributeField, Subscriber
from outreach.audience.regions import BULGARIAN, find_region, region_name
from outreach.audience.subscribers import AddressData, SubscriberData, change_subscriber, upsert_subscriber
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Invalid
from outreach.core.models import AuditEntry, Organisation

ANA = [AddressData(channel="email", value="ana@example.org")]


def kept(type: str, value: Any) -> Any:
    """What is kept of the value; "refused" where it is none of the type."""
    try:
        return read_value(AttributeField(name="x", type=type, choices=["Red", "Dark blue"]), value)
    except BadValue:
        return "refused"


@pytest.mark.parametrize(
    ("type", "value", "wanted"),
    [
        ("text", " as it is ", " as it is "), ("text", 7, "refused"), ("text", True, "refused"),
        ("number", "1 200,50", 1200.5), ("number", "12", 12), ("number", -3.5, -3.5), ("number", "1e3", 1000.0),
        ("number", True, "refused"), ("number", "inf", "refused"), ("number", "1_0", "refused"),
        ("number", "", "refused"), ("number", "many", "refused"), ("number", "٣", "refused"),
        ("date", "2026-05-01", "2026-05-01"), ("date", "9.9.1976", "1976-09-09"), ("date", "01/02/2026", "2026-02-01"),
        ("date", "31.02.2026", "refused"), ("date", 2026, "refused"),
        ("yes_no", "Да", True), ("yes_no", "no", False), ("yes_no", 1, True), ("yes_no", "maybe", "refused"),
        ("choice", "dark  BLUE", "Dark blue"), ("choice", "green", "refused"), ("choice", True, "refused"),
    ],
)  # fmt: skip
def test_value_is_kept_as_its_type(type: str, value: Any, wanted: Any) -> None:
    assert (kept(type, value), kept(type, value).__class__) == (wanted, wanted.__class__)


VALUES = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.dates().map(date.isoformat), st.none())


@given(type=st.sampled_from(["text", "number", "date", "yes_no", "choice"]), value=VALUES)
def test_what_is_kept_is_read_as_itself(type: str, value: Any) -> None:
    once = kept(type, value)

    assert once == "refused" or kept(type, once) == once


def test_declared_attribute_takes_only_its_type(actor: Actor) -> None:
    declare_attribute(actor, name="children", type="number", label={"bg": "Деца"})
    declare_attribute(actor, name="size", type="choice", label={"en": "Size"}, choices=["Small", "Large"])
    person, _new = upsert_subscriber(
        actor, SubscriberData(addresses=ANA, attributes={"children": "2", "size": "LARGE", "other": 1})
    )

    with pytest.raises(Invalid) as refused:
        change_subscriber(actor, person, attributes={"children": "few", "size": "huge", "other": "free"})
    change_subscriber(actor, person, attributes={"children": None})

    assert {path: [str(text) for text in texts] for path, texts in refused.value.fields.items()} == {
        "attributes/children": ["This is not a number such as 12 or 3.5."],
        "attributes/size": ["This is none of the words that may be chosen."],
    }
    person.refresh_from_db()
    assert person.attributes == {"size": "Large", "other": 1}


def test_declaration_holds_below_and_the_nearest_counts(actor: Actor, ministry: Organisation) -> None:
    town = product_itself(Organisation.objects.create(slug="town", parent=ministry))
    declare_attribute(actor, name="age", type="number", label={"en": "Age"})
    declare_attribute(actor, name="since", type="date", label={"en": "Since"})
    declare_attribute(town, name="age", type="text", label={"en": "Age group"})

    types = [{name: field.type for name, field in fields_of(node).items()} for node in (ministry, town.organisation)]

    assert types == [{"age": "number", "since": "date"}, {"age": "text", "since": "date"}]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": " "}, "name"), ({"name": "town"}, "name"), ({"type": "colour"}, "type"), ({"label": {}}, "label"),
        ({"label": {"de": "Stadt"}}, "label/de"), ({"type": "choice"}, "choices"), ({"choices": ["a"]}, "choices"),
        ({"type": "choice", "choices": ["a" * 101]}, "choices"),
    ],
)  # fmt: skip
def test_bad_declaration_says_so_at_its_field(actor: Actor, wrong: dict[str, Any], path: str) -> None:
    declare_attribute(actor, name="town", type="text", label={"en": "Town"})

    with pytest.raises(Invalid) as refused:
        declare_attribute(actor, **{"name": "other", "type": "text", "label": {"en": "Other"}, **wrong})

    assert (list(refused.value.fields), AttributeField.objects.count()) == ([path], 1)


def test_declaration_is_changed_and_taken_back(actor: Actor) -> None:
    field = declare_attribute(actor, name="size", type="choice", label={"en": "Size"}, choices=["S"])
    change_attribute(actor, field, label={"bg": "Размер"}, choices=["S", " L ", "S"])
    changed = (field.label, field.choices)
    withdraw_attribute(actor, field)

    assert (changed, AttributeField.objects.count()) == (({"bg": "Размер"}, ["S", "L"]), 0)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["attribute.declared", "attribute.changed", "attribute.withdrawn"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("BG-16", "BG-16"), ("bg-16", "BG-16"), ("Пловдив", "BG-16"), ("Област Пловдив", "BG-16"), ("PLOVDIV", "BG-16"),
        ("София", "BG-22"), ("Софийска област", "BG-23"), ("софийска", "BG-23"), ("RO-B", "RO-B"),
        ("BG-99", None), ("Атлантида", None), ("", None),
    ],
)  # fmt: skip
def test_region_is_found_by_name_or_code(text: str, code: str | None) -> None:
    assert find_region(text) == code


@pytest.mark.parametrize("language", ["bg", "en"])
def test_every_region_is_found_by_its_own_name(language: str) -> None:
    assert [code for code in BULGARIAN if find_region(region_name(code, language)) != code] == []


def test_region_of_a_person_is_kept_as_its_code(actor: Actor) -> None:
    person, _new = upsert_subscriber(actor, SubscriberData(addresses=ANA, region="Варна"))
    with pytest.raises(Invalid) as refused:
        change_subscriber(actor, person, region="Атлантида")

    assert (Subscriber.objects.get().region, list(refused.value.fields)) == ("BG-03", ["region"])
    change_subscriber(actor, person, region="")
    assert Subscriber.objects.get().region == ""
