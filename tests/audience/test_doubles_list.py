"""Who may be in twice: every group of a few of one name, once, however small the stretches that are looked through."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from outreach.audience import doubles_list
from outreach.audience.doubles_list import doubles_of
from outreach.audience.models import Subscriber
from outreach.audience.names import sort_key
from outreach.core import clock
from outreach.core.models import Organisation


def add(organisation: Organisation, *names: str) -> None:
    for name in names:
        Subscriber.objects.create(organisation=organisation, name=name, sort_key=sort_key(name))


def walk(organisation: Organisation, stretch: int) -> list[list[str]]:
    groups, after = [], ""
    for _page in range(100):
        found = doubles_of(organisation, after=after, stretch=stretch)
        groups += [[one.name for one in group] for group in found.groups]
        after = found.following
        if not after:
            return groups
    raise AssertionError("it does not end")


@pytest.mark.parametrize("stretch", [6, 7, 50])
def test_each_group_is_told_once(ministry: Organisation, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubles_list, "PAGE", 2)
    other = Organisation.objects.create(slug="other")
    add(ministry, "Ана", "Борис", "ана", "Вера", *["Иван Иванов"] * 5, "Яна", "Гео", "Яна", "Яна", "", "", "Вера")
    add(other, "Борис", "Гео")
    Subscriber.objects.filter(name="Вера").update(erased_at=clock.now())

    assert walk(ministry, stretch) == [["Ана", "ана"], ["Яна", "Яна", "Яна"]]
    assert walk(other, stretch) == []


def test_a_page_costs_the_same_however_many_are_alike(
    ministry: Organisation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 3):
        add(ministry, *[f"Име {count} {number // 2}" for number in range(2 * count)])
        with django_assert_num_queries(4):
            assert len(doubles_of(ministry).groups) == (1 if count == 1 else 4)
