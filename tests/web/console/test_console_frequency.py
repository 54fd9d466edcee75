from __future__ import annotations

from collections.abc import Callable

import pytest

from outreach.audience.caps import Allowance, cap_of_topic, joined_budget
from outreach.audience.models import Budget, Topic
from outreach.core.vocabulary import Role

from .conftest import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def taxes(alice: Person) -> Topic:
    return Topic.objects.create(organisation=alice.organisation, slug="taxes", name={"en": "Taxes"})


def test_a_topic_is_capped_on_the_page(alice: Person, charlie: Person, taxes: Topic) -> None:
    path = f"/frequency/topics/{taxes.pk}"
    assert charlie.post(path, messages="2", days="7").status_code == 404
    assert alice.post(path, messages="2", days="7")["Location"] == "/frequency"
    taxes.refresh_from_db()
    page = alice.see("/frequency")
    assert (cap_of_topic(taxes), "The cap of “Taxes” is saved." in page) == (Allowance(messages=2, days=7), True)
    for wrong, sentence in (("0", "from 1 to 1,000"), ("٣", "a whole number"), ("", "a whole number")):
        alice.post(path, messages=wrong, days="7")
        assert f"Taxes: Give {'a number of messages ' if wrong == '0' else ''}{sentence}" in alice.see("/frequency")
    alice.post(path, messages="", days="")
    taxes.refresh_from_db()
    assert cap_of_topic(taxes) is None


def test_a_budget_is_offered_joined_and_left(alice: Person, charlie: Person) -> None:
    alice.post("/frequency/budget", messages="3", days="30")
    budget = Budget.objects.get()
    assert charlie.post("/frequency/joined", budget=str(budget.pk)).status_code == 404
    alice.post("/frequency/joined", budget=str(budget.pk))
    assert joined_budget(alice.organisation) == budget
    assert "at most 3 per person in 30 days" in alice.see("/frequency")
    alice.post("/frequency/joined", budget="")
    assert joined_budget(alice.organisation) is None
    alice.post("/frequency/budget", messages="", days="")
    assert "No budget is offered to you yet" in alice.see("/frequency")


def test_the_time_of_digests_is_chosen_on_the_page(alice: Person, taxes: Topic) -> None:
    alice.post("/frequency/digests", at="17:30", weekday="friday")
    page = alice.see("/frequency")
    assert ('value="17:30"' in page, '<option value="friday" selected>' in page) == (True, True)
    alice.post("/frequency/digests", at="later", weekday="friday")
    assert "Digests: Give a time of day such as 08:00." in alice.see("/frequency")
    assert "Everybody gets each message at once." in alice.see(f"/topics/{taxes.pk}")


def test_who_may_only_look_changes_nothing(alice: Person, member: Callable[..., Person], taxes: Topic) -> None:
    dan = member("Dan", alice.organisation, Role.ANALYST)
    page = dan.see("/frequency")
    assert ("Taxes" in page, '<button type="submit" class="btn btn-sm">Save' in page) == (True, False)
    paths = (f"/frequency/topics/{taxes.pk}", "/frequency/budget", "/frequency/joined", "/frequency/digests")
    assert [dan.post(path, messages="1", days="1").status_code for path in paths] == [403, 403, 403, 403]
