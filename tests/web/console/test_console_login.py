"""The door: log-in, the one-time link, language and theme, and pages of what went wrong."""

from __future__ import annotations

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from outreach.core import clock
from outreach.core.models import User
from outreach.web.console.login import OF_NETWORK, OF_PERSON_HERE
from tests.web.console.conftest import Person


def one_time_link(user: User) -> str:
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return f"/set-password/{uid}/{default_token_generator.make_token(user)}/"


def test_log_in_leads_to_the_page_that_was_asked_for(alice: Person) -> None:
    client = Client()

    response = client.post(
        "/login?next=/topics",
        {"username": "ALICE@example.org", "password": "right horse battery", "next": "/topics"},
    )

    assert (response.status_code, response["Location"]) == (302, "/topics")
    assert response.cookies["outreach_language"].value == "en"


def test_log_in_with_a_wrong_password_says_so_and_nothing_more(alice: Person) -> None:
    response = Client().post("/login", {"username": "alice@example.org", "password": "wrong"})

    page = response.content.decode()
    assert response.status_code == 200
    assert "do not belong together" in page
    assert "alice@example.org" in page


def try_log_in(email: str, password: str, *, source: str = "127.0.0.1") -> int:
    return Client(REMOTE_ADDR=source).post("/login", {"username": email, "password": password}).status_code


def test_after_ten_wrong_passwords_the_right_one_is_refused_too_until_the_time_is_over(alice: Person) -> None:
    now = clock.now().replace(minute=1)
    with clock.frozen(now):
        wrong = [try_log_in("Alice@example.org", "wrong") for _time in range(OF_PERSON_HERE.most)]
        refused = Client().post("/login", {"username": "alice@example.org", "password": "right horse battery"})
        elsewhere = try_log_in("alice@example.org", "right horse battery", source="198.51.100.7")
    with clock.frozen(now + OF_PERSON_HERE.per):
        later = try_log_in("alice@example.org", "right horse battery")

    assert wrong == [200] * OF_PERSON_HERE.most
    assert refused.status_code == 429
    assert "Too many wrong passwords" in refused.content.decode()
    assert (elsewhere, later) == (302, 302)


def test_guessing_at_many_people_and_from_many_networks_ends_too(alice: Person) -> None:
    with clock.frozen(clock.now().replace(minute=1)):
        for number in range(OF_NETWORK.most):
            try_log_in(f"person{number}@example.org", "wrong", source="203.0.113.9")
            try_log_in("bob@example.org", "wrong", source=f"198.51.{number}.7")

        seen = [
            try_log_in("alice@example.org", "right horse battery", source="203.0.113.9"),
            try_log_in("bob@example.org", "right horse battery", source="192.0.2.1"),
            try_log_in("alice@example.org", "right horse battery", source="192.0.2.1"),
        ]

    assert seen == [429, 429, 302]


def test_log_in_never_leads_to_another_site(alice: Person) -> None:
    response = Client().post(
        "/login",
        {"username": "alice@example.org", "password": "right horse battery", "next": "https://evil.example/"},
    )

    assert response["Location"] == "/"


def test_one_time_link_sets_the_password_once(alice: Person) -> None:
    link, client = one_time_link(alice.user), Client()
    words = {"new_password1": "a new long password", "new_password2": "a new long password"}

    first, second = client.post(link, words), Client().get(link)

    alice.user.refresh_from_db()
    assert (first.status_code, first["Location"]) == (302, "/")
    assert alice.user.check_password("a new long password")
    assert client.get("/").status_code == 200
    assert second.status_code == 410


@pytest.mark.parametrize(("one", "two"), [("short", "short"), ("long enough words", "other words here")])
def test_one_time_link_refuses_a_bad_password(alice: Person, one: str, two: str) -> None:
    response = Client().post(one_time_link(alice.user), {"new_password1": one, "new_password2": two})

    alice.user.refresh_from_db()
    assert (response.status_code, 'class="o-error"' in response.content.decode()) == (200, True)
    assert alice.user.check_password("right horse battery")


@pytest.mark.parametrize("uid", ["MQ", "%%", "0LA"])
def test_one_time_link_that_nobody_made_is_used_up(db: None, uid: str) -> None:
    assert Client().get(f"/set-password/{uid}/abc-def/").status_code == 410


def test_log_out_closes_the_door(alice: Person) -> None:
    alice.post("/logout")

    assert alice.client.get("/").status_code == 302


def test_language_is_remembered_for_the_person(alice: Person) -> None:
    response = alice.post("/language", language="bg")

    alice.user.refresh_from_db()
    assert (alice.user.language, response.cookies["outreach_language"].value) == ("bg", "bg")
    assert '<html lang="bg"' in alice.see("/")


def test_language_before_the_log_in_is_a_cookie(db: None) -> None:
    client = Client()

    client.post("/language", {"language": "bg"})

    assert '<html lang="bg"' in client.get("/login").content.decode()


def test_theme_is_remembered_and_nothing_else_is_a_theme(alice: Person) -> None:
    alice.post("/theme", theme="dark")
    dark = alice.see("/")
    alice.post("/theme", theme="pink")

    assert 'data-bs-theme="dark"' in dark
    assert "data-bs-theme" not in alice.see("/")


def test_page_that_is_not_there_says_so(alice: Person) -> None:
    assert "There is no such page" in alice.see("/nothing", status=404)


def test_form_that_was_open_too_long_says_so(alice: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice.user)

    response = client.post("/theme", {"theme": "dark"})

    assert response.status_code == 403
    assert "This page was open too long" in response.content.decode()


def test_page_has_a_strict_policy_and_no_inline_code(alice: Person) -> None:
    response = alice.client.get("/")

    page = response.content.decode()
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert [word for word in (" style=", "<style", "onclick=", "javascript:") if word in page] == []
