"""Sign-up end to end: the form, the e-mail by the notices' lane, the button behind its link, the consent."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from outreach.audience.disposable import is_disposable
from outreach.audience.erasure import Erased
from outreach.audience.models import Address, Consent, Subscriber, Subscription, Topic
from outreach.audience.pending import SignUp
from outreach.audience.subscriptions import unsubscribe
from outreach.core import clock
from outreach.core.models import Organisation
from outreach.delivery.render import compile_run
from outreach.events import signup_links, signups
from tests.delivery.world import World

FORM = {"email": "Maria@example.org", "topic": ["services"], "language": "en"}


def join(client: Client, **changes: Any) -> tuple[int, str]:
    answer = client.post("/join/ministry?language=en", {**FORM, **changes})
    return answer.status_code, answer.content.decode()


def mails(world: World) -> list[str]:
    world.send_all(
        "notices", compile_run=lambda frozen, run: compile_run(frozen, run_id=run, base_url=settings.BASE_URL)
    )
    return [message.text for message in world.box().messages]


def link_in(mail: str) -> str:
    found = re.search(r"/confirm/\S+", mail)
    assert found
    return found[0]


def wanted() -> list[tuple[str, str, str]]:
    rows = Subscription.objects.filter(state="subscribed")
    return list(rows.values_list("subscriber__organisation__slug", "topic__slug", "channel"))


def test_only_the_button_behind_the_link_subscribes(client: Client, world: World) -> None:
    page = client.get("/join/ministry?language=en").content.decode()
    assert "sign-up-1/en" in page
    assert join(client)[0] == 200
    (mail,) = mails(world)
    assert not Subscriber.objects.exists()
    link = link_in(mail)
    assert client.get(link).status_code == 200
    assert not Subscriber.objects.exists()
    for _time in range(2):
        assert client.post(link).status_code == 200
    assert wanted() == [("ministry", "services", "email")]
    assert list(Address.objects.values_list("value", "normalised")) == [("Maria@example.org", "maria@example.org")]
    assert list(Consent.objects.values_list("source", "text_version", "evidence", "action")) == [
        ("form", "sign-up-1/en", {"ip": "127.0.0.0/24"}, "given")
    ]


def test_the_record_names_the_language_in_which_the_text_was_shown(client: Client, world: World) -> None:
    client.post("/join/ministry?language=bg", {**FORM, "language": "en"})
    assert list(SignUp.objects.values_list("language", "text_version")) == [("en", "sign-up-1/bg")]
    client.post(link_in(mails(world)[0]))
    assert list(Consent.objects.values_list("language", "text_version")) == [("bg", "sign-up-1/bg")]


def test_how_often_is_asked_with_the_rest_and_holds_for_those_topics(client: Client, world: World) -> None:
    assert 'value="immediate" checked' in client.get("/join/ministry?language=en").content.decode()
    join(client, often="weekly")
    client.post(link_in(mails(world)[0]))
    assert list(Subscription.objects.values_list("topic__slug", "frequency")) == [("services", 7)]


def test_an_old_link_does_not_take_back_a_withdrawal(client: Client, world: World) -> None:
    join(client)
    link = link_in(mails(world)[0])
    client.post(link)
    unsubscribe(Subscriber.objects.get(), topics=None, source="page")
    client.post(link)
    assert wanted() == []


def test_the_page_is_the_same_for_who_is_subscribed_and_the_mail_says_so(client: Client, world: World) -> None:
    first = join(client)
    client.post(link_in(mails(world)[0]))
    assert join(client) == first
    second = mails(world)[-1]
    assert "already" in second
    assert "/confirm/" not in second


def test_a_branch_is_joined_with_all_that_it_holds_then(client: Client, world: World) -> None:
    below = Topic.objects.create(organisation=world.organisation, slug="roads", parent=world.topic)
    Topic.objects.create(organisation=world.organisation, slug="parks")
    page = client.get("/join/ministry?language=en&branch=services").content.decode()
    assert re.findall(r'name="(\w+)" value="([\w-]+)" checked', page)[:1] == [("branch", "services")]
    assert (
        "/join/ministry?branch=services&amp;language=en"
        in client.get("/join/ministry/topics?language=en").content.decode()
    )

    join(client, topic=[], branch=["services"])
    link = link_in(mails(world)[0])
    Topic.objects.create(organisation=world.organisation, slug="bridges", parent=below)
    client.post(link)

    assert wanted() == [("ministry", slug, "email") for slug in ("services", "roads")]
    assert Consent.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"email": "nobody"}, 422),
        ({"email": "a@x.mailinator.com"}, 422),
        ({"topic": []}, 422),
        ({"topic": ["council-topic"]}, 422),
        ({"language": "xx"}, 422),
        ({"website": "http://spam.example"}, 200),
    ],
)
def test_what_is_not_taken_leaves_nothing(client: Client, world: World, changes: dict[str, Any], status: int) -> None:
    Topic.objects.create(organisation=world.council, slug="council-topic")
    code, page = join(client, **changes)
    assert (code, SignUp.objects.count(), mails(world)) == (status, 0, [])
    assert ("problem-" in page) is (status == 422)


def test_an_address_gets_few_mails_and_a_network_sends_few_forms(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [join(client) for _time in range(signups.MOST_TO_ADDRESS + 1)]
    assert len(set(answers)) == 1
    assert len(mails(world)) == signups.MOST_TO_ADDRESS
    monkeypatch.setattr(signups, "MOST_OF_NETWORK", signups.MOST_TO_ADDRESS)
    assert join(client, email="other@example.org")[0] == 429


def test_behind_a_proxy_each_reader_s_own_network_is_counted(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signups, "MOST_OF_NETWORK", 1)
    asked = ("198.51.100.7", "1.2.3.4, 198.51.100.9", "203.0.113.7")  # the second one makes up who it comes for
    answers = [
        client.post("/join/ministry", FORM | {"email": f"m{n}@example.org"}, headers={"x-forwarded-for": given})
        for n, given in enumerate(asked)
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert list(SignUp.objects.values_list("network", flat=True)) == ["198.51.100.0/24", "203.0.113.0/24"]


def test_links_that_are_forged_or_old_do_nothing(client: Client, world: World) -> None:
    join(client)
    link = link_in(mails(world)[0])
    flipped = link[:-1] + ("0" if link[-1] != "0" else "1")
    for bad in (flipped, "/confirm/1", "/confirm/x-y", "/confirm/²-ж"):
        assert client.post(bad).status_code == 404
    SignUp.objects.update(created_at=clock.now() - signup_links.VALID - timedelta(seconds=1))
    assert client.post(link).status_code == 404
    assert (signups.forget_expired(), SignUp.objects.count(), Subscriber.objects.count()) == (1, 0, 0)


def test_who_is_erased_leaves_no_sign_up(client: Client, world: World) -> None:
    join(client)
    left = []
    for organisations in ([], list(Organisation.objects.values_list("pk", flat=True))):
        erased = Erased(subscriber=0, addresses=[("email", "maria@example.org")], organisations=organisations)
        signups.forget_sign_ups(erased)
        left.append(SignUp.objects.count())
    assert left == [1, 0]


def test_an_unknown_organisation_has_no_page(client: Client, world: World) -> None:
    assert client.get("/join/nobody").status_code == 404
    assert Organisation.objects.count() == 2


def test_a_domain_below_a_disposable_one_counts() -> None:
    asked = ["a@yopmail.com", "a@b.yopmail.com", "a@notyopmail.com", "a@com"]
    assert [is_disposable(address) for address in asked] == [True, True, False, False]
