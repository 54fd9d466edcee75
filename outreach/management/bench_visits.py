"""What one person waits for, over HTTP and from `outreach web` as it is in service: the list of people, a sign-up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client
from django.urls import reverse

from outreach.audience.models import Topic
from outreach.audience.pending import SignUp
from outreach.audience.people import search
from outreach.core.access import Actor
from outreach.core.errors import OutreachError
from outreach.core.models import Membership, User
from outreach.core.vocabulary import Language, Role
from outreach.delivery.accounts import create_account
from outreach.management.bench_peer import served
from outreach.management.bench_people import percentiles, times_of
from outreach.management.token import make_token

#: What starts with the first requests is not what is measured.
WARM_UP: Final = 3
CALLS: Final = 50
#: With the first ones fewer than a network may send in an hour.
FORMS: Final = 25


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A kept connection to the server, and what each request says of who sends it."""

    link: HTTPConnection
    headers: Mapping[str, str]

    def ask(self, method: str, path: str, *, body: str = "", wanted: int = 200) -> str:
        """The answer's text.

        Raises:
            OutreachError: it has another status.
        """
        self.link.request(method, path, body.encode() or None, dict(self.headers))
        answer = self.link.getresponse()
        text = answer.read().decode()
        if answer.status != wanted:
            raise OutreachError(f"{method} {path} was answered with {answer.status}: {text[:300]}")
        return text


def measure_visits(actor: Actor, topic: Topic, small: Topic) -> dict[str, float]:
    """Milliseconds, by what is asked for: pages of the list as a campaign manager sees them, and sign-ups."""
    _take_letters(actor)
    with served("web", settings.PORT):
        return _pages(actor, topic, small) | _forms(actor, topic) | _calls(actor, topic)


def _pages(actor: Actor, topic: Topic, small: Topic) -> dict[str, float]:
    first = reverse("console:people")
    _rows, following = search(actor.organisation)
    paths = {
        "page": first,
        "next_page": f"{first}?{urlencode({'cursor': following or ''})}",
        "topic_page": f"{first}?{urlencode({'topic': topic.pk})}",
        "small_topic_page": f"{first}?{urlencode({'topic': small.pk})}",
    }
    with _visitor({"Cookie": _log_in(actor), "Accept-Language": "bg"}) as manager:
        found: dict[str, float] = {}
        for name, path in paths.items():
            found |= _timed(name, _looking_at(manager, path), calls=CALLS)
        return found


def _looking_at(manager: Visitor, path: str) -> Callable[[int], object]:
    return lambda _number: manager.ask("GET", path)


def _forms(actor: Actor, topic: Topic) -> dict[str, float]:
    """The hosted form, which takes a sign-up down and writes the letter that confirms it."""
    path = reverse("public-join", args=[actor.organisation.slug])
    with _visitor({"Content-Type": "application/x-www-form-urlencoded", "Accept-Language": "bg"}) as person:

        def join(number: int) -> None:
            given = {"email": f"form{number}@example.net", "topic": topic.slug, "language": "bg"}
            person.ask("POST", path, body=urlencode(given))

        found = _timed("form", join, calls=FORMS)
    if SignUp.objects.count() != WARM_UP + FORMS:
        raise OutreachError(f"{SignUp.objects.count()} sign-ups are kept, of {WARM_UP + FORMS} that were sent")
    return found


def _calls(actor: Actor, topic: Topic) -> dict[str, float]:
    """The call by which another system takes a person in, with a proof of consent."""
    token = make_token(actor.organisation, role=Role.ADMINISTRATOR)
    with _visitor({"Content-Type": "application/json", "Authorization": f"Bearer {token}"}) as system:

        def take_in(number: int) -> None:
            given = {
                "addresses": [{"channel": "email", "value": f"call{number}@example.net"}],
                "name": "Нов Човек",
                "topics": [topic.slug],
                "consent": {"source": "form", "text_version": "v1"},
            }
            system.ask("POST", "/api/v1/subscribers", body=json.dumps(given), wanted=201)

        return _timed("call", take_in, calls=CALLS)


def _timed(what: str, call: Callable[[int], object], *, calls: int) -> dict[str, float]:
    for number in range(WARM_UP):
        call(calls + number)
    return percentiles(what, times_of(call, calls=calls))


@contextmanager
def _visitor(headers: Mapping[str, str]) -> Iterator[Visitor]:
    link = HTTPConnection("127.0.0.1", settings.PORT, timeout=60)
    try:
        yield Visitor(link=link, headers=headers)
    finally:
        link.close()


def _log_in(actor: Actor) -> str:
    """The cookie of a campaign manager who logged in."""
    user = User.objects.create(email="manager@example.org", name="Мария", language=Language.BULGARIAN)
    roles = (Role.AUTHOR, Role.PUBLISHER)
    Membership.objects.bulk_create(Membership(user=user, organisation=actor.organisation, role=role) for role in roles)
    browser = Client()
    browser.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={browser.cookies[name].value}"


def _take_letters(actor: Actor) -> None:
    """An account for the letters; nobody sends them on."""
    given = {"host": "127.0.0.1", "port": "9", "security": "none", "sender": "Новини <news@example.org>"}
    create_account(actor, adapter="smtp", name="Mail", settings=given, is_sandbox=True)
