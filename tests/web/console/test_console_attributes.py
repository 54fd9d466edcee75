"""What we know of people: declaring attributes, and correcting a person's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import DjangoAssertNumQueries

from outreach.audience.attributes import declare_attribute
from outreach.audience.models import AttributeField, Subscriber
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.core.vocabulary import Role
from tests.web.console.conftest import Person

SIZE = {"label_bg": "Размер", "label_en": "Size", "name": "size", "type": "choice", "choices": "S\nL\n"}


@pytest.fixture
def ana(alice: Person) -> Subscriber:
    data = SubscriberData(
        addresses=[AddressData(channel="email", value="ana@example.org")],
        name="Ana",
        attributes={"size": "odd", "x": 1},
    )
    return upsert_subscriber(alice.actor, data)[0]


def test_attribute_is_declared_changed_and_taken_back(alice: Person) -> None:
    empty = alice.see("/attributes")
    alice.post("/attributes/new", **SIZE)
    field = AttributeField.objects.get()
    listed = alice.see("/attributes")
    alice.post(f"/attributes/{field.pk}", label_bg="", label_en="Shoe size", choices="40\n41")
    field.refresh_from_db()
    changed = (field.name, field.label, field.choices)
    alice.post(f"/attributes/{field.pk}/withdraw")

    assert ("Nothing is declared yet" in empty, "S, L" in listed) == (True, True)
    assert (changed, AttributeField.objects.count()) == (("size", {"en": "Shoe size"}, ["40", "41"]), 0)


def test_only_a_choice_is_asked_for_its_words(alice: Person) -> None:
    town = declare_attribute(alice.actor, name="town", type="text", label={"en": "Place"})
    size = declare_attribute(alice.actor, name="size", type="choice", label={"en": "Size"}, choices=["S"])
    asked = ['name="choices"' in alice.see(f"/attributes/{one.pk}") for one in (town, size)]
    alice.post(f"/attributes/{town.pk}", label_bg="Град", label_en="Town")
    town.refresh_from_db()

    assert (asked, town.label) == ([False, True], {"bg": "Град", "en": "Town"})


def test_bad_declaration_says_so_at_the_field(alice: Person) -> None:
    page = alice.post("/attributes/new", **{**SIZE, "choices": ""}).content.decode()

    assert ('id="id_choices_error"' in page, AttributeField.objects.count()) == (True, 0)


def test_declarations_from_above_are_seen_and_left_alone(alice: Person, member: Callable[..., Person]) -> None:
    from outreach.core.models import Organisation

    town = Organisation.objects.create(slug="village", parent=alice.organisation, name={"en": "Village"})
    dora = member("Dora", town, Role.ADMINISTRATOR)
    field = declare_attribute(alice.actor, name="size", type="text", label={"en": "Size"})

    assert "holds here too" in dora.see("/attributes")
    assert dora.client.get(f"/attributes/{field.pk}").status_code == 404


def test_list_takes_as_many_queries_for_three_as_for_one(
    alice: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for name in ("a", "b", "c"):
        declare_attribute(alice.actor, name=name, type="text", label={"en": name})
        with django_assert_max_num_queries(9):
            alice.see("/attributes")


def test_what_is_known_of_a_person_is_corrected(alice: Person, ana: Subscriber) -> None:
    declare_attribute(alice.actor, name="size", type="choice", label={"en": "Shoe size"}, choices=["S", "L"])
    declare_attribute(alice.actor, name="born", type="date", label={"en": "Born"})
    declare_attribute(alice.actor, name="owner", type="yes_no", label={"en": "Owns a house"})
    form = {"name": "Ana Petrova", "kind": "business", "language": "en", "region": "BG-03", "timezone": ""}
    refused = alice.post(f"/people/{ana.pk}/change", **form, attribute_0="someday", attribute_1="yes", attribute_2="L")
    alice.post(f"/people/{ana.pk}/change", **form, attribute_0="01.05.1980", attribute_1="yes", attribute_2="L")

    ana.refresh_from_db()
    assert 'id="id_attribute_0_error"' in refused.content.decode()
    assert (ana.name, ana.kind, ana.region) == ("Ana Petrova", "business", "BG-03")
    assert ana.attributes == {"x": 1, "size": "L", "born": "1980-05-01", "owner": True}
    page = alice.see(f"/people/{ana.pk}")
    assert [word for word in ("Varna", "Shoe size", "1980-05-01", "<dd>Yes</dd>") if word not in page] == []


def test_value_of_before_the_declaration_stays_where_it_is_not_touched(alice: Person, ana: Subscriber) -> None:
    declare_attribute(alice.actor, name="size", type="text", label={"en": "Size"})
    alice.post(f"/people/{ana.pk}/change", name="Ana", kind="citizen", language="bg", region="", attribute_0="odd")

    ana.refresh_from_db()
    assert ana.attributes == {"size": "odd", "x": 1}


def test_only_who_may_change_the_audience_corrects(
    alice: Person, charlie: Person, member: Callable[..., Person], ana: Subscriber
) -> None:
    reader = member("Dan", alice.organisation, Role.ANALYST)

    statuses = [person.post(f"/people/{ana.pk}/change", name="Eve").status_code for person in (reader, charlie)]

    ana.refresh_from_db()
    assert (statuses, ana.name) == ([403, 404], "Ana")
