"""The doors of sign-up: nobody learns who is known, what is counted, forms of other sites, calls, refused domains."""

from __future__ import annotations

import hashlib
import re
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from outreach.audience.models import Consent, Subscriber, Subscription
from outreach.audience.pending import SignUp
from outreach.audience.signup_rules import refuse_domains
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Tally
from outreach.core.vocabulary import Role
from outreach.events import signup_links, signups, work
from outreach.web.public.join_snippet import join_snippet
from tests.delivery.test_signups import FORM, join, link_in, mails, wanted
from tests.delivery.world import World
from tests.web.api.caller import make_api


def shapes(client: Client, email: str) -> tuple[list[str], bytes]:
    """The statements of a form without their values, and the answer's bytes without its challenge."""
    with CaptureQueriesContext(connection) as asked:
        answer = client.post("/join/ministry?language=en", {**FORM, "email": email})
    statements = [
        re.sub(r"'(?:[^']|'')*'|\b\d+\b|\bNULL\b|\"s\d+_x\d+\"", "?", query["sql"]) for query in asked.captured_queries
    ]
    return statements, answer.content


def test_known_and_unknown_addresses_take_the_same_statements_and_get_the_same_bytes(
    client: Client, world: World
) -> None:
    shapes(client, "first@example.org")  # the run of today is there from here on
    join(client)
    client.post(link_in(mails(world)[-1]))
    unknown = shapes(client, "unknown@example.org")
    known = shapes(client, "Maria@example.org")
    Subscription.objects.update(state="unsubscribed")
    left = shapes(client, "Maria@example.org")

    assert (known, left) == (unknown, unknown)


def test_who_is_subscribed_gets_the_way_to_their_preferences(client: Client, world: World) -> None:
    join(client)
    client.post(link_in(mails(world)[0]))
    join(client)
    mail = mails(world)[-1]
    found = re.search(r"/p/\S+", mail)
    assert found
    assert "already" in mail
    page = client.get(f"{found[0]}?language=en")
    assert (page.status_code, "m•••••a@example.org" in page.content.decode().lower()) == (200, True)


def test_every_form_counts_also_one_that_is_refused(client: Client, world: World) -> None:
    assert [join(client, email="nobody")[0] for _form in range(signups.MOST_OF_NETWORK)] == [
        422
    ] * signups.MOST_OF_NETWORK
    assert join(client)[0] == 429
    assert (SignUp.objects.count(), Tally.objects.count()) == (0, 1)
    kept = Tally.objects.get()
    assert not re.search(r"127|example", kept.key)
    with clock.frozen(clock.now() + signup_links.VALID):
        signups.forget_expired()
    assert not Tally.objects.exists()


def proof(challenge: str, address: str) -> str:
    for number in count():
        found = hashlib.sha256(f"{challenge}.{number}.{address}".encode()).digest()
        if int.from_bytes(found[:4]) >> (32 - work.BITS) == 0:
            return f"{challenge}.{number}"
    raise AssertionError


def test_a_page_whose_script_worked_may_send_more(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signups, "MOST_OF_NETWORK", 0)
    page = client.get("/join/ministry?language=en").content.decode()
    found = re.search(r'data-challenge="([^"]+)"', page)
    assert found
    done = proof(found[1], "Maria@example.org")
    forged = proof(f"{found[1][:-1]}{'0' if found[1][-1] != '0' else '1'}", "Maria@example.org")
    assert join(client, work=done)[0] == 200
    for email, tried in (("other@example.org", done), ("Maria@example.org", forged), ("Maria@example.org", "²-x.1")):
        assert join(client, email=email, work=tried)[0] == 429
    with clock.frozen(clock.now() + 2 * (signup_links.VALID - signup_links.VALID / 2)):
        assert join(client, work=done)[0] == 429


def test_a_form_on_another_site_is_confirmed_on_our_page_and_the_record_names_the_site(
    client: Client, world: World
) -> None:
    snippet = join_snippet(world.organisation, "bg")
    fields = dict(re.findall(r'name="(language|embedded)" value="(\w+)"', snippet))
    assert re.findall(r'action="([^"]+)"', snippet) == ["http://outreach.test/join/ministry?language=bg"]
    assert not re.search(r"<script|<iframe|style=|\son\w+=", snippet)
    answer = client.post(
        "/join/ministry?language=bg",
        {"email": "ivan@example.org", "topic": "services", **fields},
        headers={"origin": "https://Plovdiv.bg:8443"},
    )
    assert (answer.status_code, answer.cookies) == (200, {})
    assert answer["X-Frame-Options"] == "DENY" or "frame-ancestors" in answer["Content-Security-Policy"]
    link = link_in(mails(world)[0])
    assert "sign-up-1/en" in client.get(f"{link}?language=en").content.decode()
    client.post(f"{link}?language=en")
    assert list(Consent.objects.values_list("source", "text_version", "evidence")) == [
        ("form", "sign-up-1/en", {"ip": "127.0.0.0/24", "site": "plovdiv.bg"})
    ]


def test_an_organisation_refuses_domains_for_those_below_it_too(client: Client, world: World) -> None:
    actor = product_itself(world.council)
    assert refuse_domains(actor, ["@Spam.example", " пример.бг "]) == ["spam.example", "xn--e1afmkfd.xn--90ae"]
    with pytest.raises(Invalid) as caught:
        refuse_domains(actor, ["good.example", "no domain"])
    assert list(caught.value.fields) == ["refused_domains/1"]
    with pytest.raises(Forbidden):
        refuse_domains(Actor(organisation=world.council, roles=frozenset({Role.ANALYST})), [])
    assert [join(client, email=each)[0] for each in ("a@spam.example", "a@x.пример.бг", "a@good.example")] == [
        422,
        422,
        200,
    ]


def test_addresses_in_cyrillic_are_kept_as_they_are_written(client: Client, world: World) -> None:
    assert join(client, email="Мария@Пример.бг")[0] == 200
    client.post(link_in(mails(world)[0]))
    kept = Subscriber.objects.get().addresses.values_list("value", "normalised")
    assert list(kept) == [("Мария@Пример.бг", "мария@xn--e1afmkfd.xn--90ae")]


CALL: dict[str, Any] = {
    "addresses": [{"channel": "email", "value": "petar@example.org"}],
    "name": "Петър",
    "language": "bg",
    "topics": ["services"],
    "consent": {"source": "site", "text_version": "site-7", "ip": "192.0.2.7"},
    "confirm": True,
}


def test_a_call_has_the_address_confirm_it_first(client: Client, world: World) -> None:
    api = make_api(world.organisation)
    assert api.post("/subscribers", CALL) == (202, {"state": "pending"})
    assert not Subscriber.objects.exists()
    client.post(link_in(mails(world)[0]))
    assert wanted() == [("ministry", "services", "email")]
    assert Subscriber.objects.get().name == "Петър"
    assert list(Consent.objects.values_list("source", "text_version", "evidence")) == [
        ("api", "site-7", {"ip": "192.0.2.0/24"})
    ]
    assert [api.post("/subscribers", CALL)[0] for _time in range(3)] == [202, 202, 429]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"addresses": [{"channel": "sms", "value": "+359888123456"}]}, "/addresses"),
        ({"topics": ["nothing"]}, "/topics/0"),
        ({"topics": []}, "/topics"),
        ({"language": "bg", "timezone": "Mars"}, "/timezone"),
    ],
)
def test_a_call_that_is_not_taken_leaves_nothing(world: World, changes: dict[str, Any], pointer: str) -> None:
    status, problem = make_api(world.organisation).post("/subscribers", {**CALL, **changes})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
    assert (SignUp.objects.count(), mails(world)) == (0, [])


def test_the_api_gives_the_form_and_keeps_the_domains(world: World) -> None:
    api = make_api(world.organisation)
    status, shown = api.call("PATCH", "/sign-up", {"refused_domains": ["B.example", "a.example"]})
    assert (status, shown["refused_domains"]) == (200, ["a.example", "b.example"])
    assert api.get("/sign-up") == (200, shown)
    assert shown["url"].endswith("/join/ministry")
    assert shown["forms"]["en"] == join_snippet(world.organisation, "en")
    status, problem = api.call("PATCH", "/sign-up", {"refused_domains": ["?"]})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/refused_domains/0")
