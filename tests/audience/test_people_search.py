"""Finding people: what is found and in which order, whatever the page's length, beside a plain reading of the rules."""

from __future__ import annotations

import random

import pytest

from outreach.audience.models import Subscriber
from outreach.audience.names import sort_key
from outreach.audience.people import count, search
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.core.access import Actor, product_itself
from outreach.core.models import Organisation

NAMES = ("Ана", "Анна", "Иван", "Ива", "Мария", "Петър", "Ivan", "Ana", "")
DOMAINS = ("example.bg", "ana.bg")
WHOLE_NUMBER = "088 812 3400"
TEXTS = (
    "",
    "ан",
    "ана",
    "иван",
    "ива и",
    "ana",
    "ivan1",
    "p1",
    "ana@",
    "@",
    "%",
    "_",
    "p1_",
    "\\",
    "0888",
    "88 8",
    "+3598881",
    WHOLE_NUMBER,
    "няма",
)


@pytest.fixture
def people(actor: Actor) -> list[Subscriber]:
    """Forty people with one or two words of a name and one or two addresses, half of them kept below."""
    draw = random.Random(11)
    child = Organisation.objects.create(slug="below", name={"bg": "Долу"}, parent=actor.organisation)
    made = []
    for place in range(40):
        name = f"{draw.choice(NAMES)} {draw.choice(NAMES)}".strip()
        values = [
            f"{draw.choice(('p', 'ana', 'ivan'))}{place}_{n}@{draw.choice(DOMAINS)}" for n in range(place % 2 + 1)
        ]
        addresses = [AddressData(channel="email", value=value) for value in values]
        if place % 3 == 0:
            addresses.append(AddressData(channel="sms", value=f"08881234{place:02}"))
        owner = actor if place % 2 else product_itself(child)
        made.append(upsert_subscriber(owner, SubscriberData(addresses=addresses, name=name))[0])
    return made


def naive(people: list[Subscriber], text: str) -> list[int]:
    """Ids in the order of the rules: the name's beginning, an address's beginning, another word of the name."""
    key = "" if "@" in text else sort_key(text)
    beginning = "+359888123400" if text == WHOLE_NUMBER else text.lower()
    places = []
    for person in people:
        name = person.sort_key
        begin_so = [row.normalised for row in person.addresses.all() if row.normalised.startswith(beginning)]
        if not text or (key and name.startswith(key)):
            places.append((0, name, person.pk))
        elif begin_so:
            places.append((1, min(begin_so), person.pk))
        elif key and any(sort_key(" ".join(person.name.split()[n:])).startswith(key) for n in range(1, 3)):
            places.append((2, name, person.pk))
    return [pk for _way, _key, pk in sorted(places)]


def test_pages_of_any_length_find_what_the_rules_say(actor: Actor, people: list[Subscriber]) -> None:
    expected = {text: naive(people, text) for text in TEXTS}

    for limit in (1, 3, 100):
        assert {text: every_page(actor.organisation, text, limit) for text in TEXTS} == expected, f"pages of {limit}"


def every_page(organisation: Organisation, text: str, limit: int) -> list[int]:
    found: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = search(organisation, text, after=cursor or None, limit=limit)
        found += [row.pk for row in page]
    return found


def test_a_page_is_narrowed_and_counted(actor: Actor, people: list[Subscriber]) -> None:
    person = people[7]
    person.kind = "business"
    person.save()

    assert [row.pk for row in search(actor.organisation, kind="business")[0]] == [person.pk]
    assert (count(actor.organisation), count(actor.organisation, kind="business")) == (40, 1)
