"""Every page of the console: for members alone, and nothing of another organisation exists."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from outreach.audience.models import Import, Segment, Subscriber, Topic
from outreach.campaigns.models import Campaign, Service
from outreach.campaigns.survey import Survey
from outreach.core.models import Account, Organisation, User
from outreach.core.vocabulary import Role
from outreach.events.sleepy import SleepRule
from outreach.web.console.urls import urlpatterns
from tests.web.console.conftest import Person

PAGES = (
    "/",
    "/more",
    "/campaigns",
    "/campaigns/new",
    "/people",
    "/people/import",
    "/people/export",
    "/topics",
    "/topics/new",
    "/services",
    "/services/new",
    "/accounts",
    "/accounts/new/smtp",
    "/senders",
    "/domains",
)
OF_A_CAMPAIGN = (
    "",
    "/aim",
    "/message",
    "/message/email/bg",
    "/message/email/bg.html",
    "/when",
    "/review",
    "/audience",
    "/running",
    "/running/live",
    "/report",
    "/report.csv",
    "/deliveries",
)
VERBS = (
    "clone",
    "archive",
    "restore",
    "test",
    "first",
    "send-back",
    "submit",
    "approve",
    "schedule",
    "unschedule",
    "start",
    "pause",
    "resume",
    "cancel",
    "message/email/bg/preview",
    "message/email/bg/remove",
)


@pytest.mark.parametrize("path", PAGES)
def test_page_without_log_in_asks_for_it(db: None, path: str) -> None:
    response = Client().get(path)

    assert (response.status_code, response["Location"]) == (302, f"/login?next={path}")


def test_every_page_and_button_asks_for_a_log_in(db: None) -> None:
    open_to_all = {"login", "logout", "set_password", "language", "theme"}
    asked = {}
    for pattern in urlpatterns:
        path = "/" + re.sub("<(?:str|slug):[^>]+>", "x", re.sub("<int:[^>]+>", "1", str(pattern.pattern)))
        answers = [Client().get(path), Client().post(path)]
        told = {one["Location"].partition("?")[0] if one.status_code == 302 else one.status_code for one in answers}
        asked[pattern.name] = told - {405}
    assert {name for name, told in asked.items() if told != {"/login"}} <= open_to_all


@pytest.mark.parametrize("path", PAGES)
def test_page_of_an_empty_organisation_says_what_to_do(alice: Person, path: str) -> None:
    assert "Outreach" in alice.see(path)


def test_stranger_does_not_find_a_campaign(alice: Person, charlie: Person) -> None:
    campaign = Campaign.objects.create(organisation=alice.organisation, name="Ours")

    answers = {path: charlie.client.get(f"/campaigns/{campaign.pk}{path}").status_code for path in OF_A_CAMPAIGN}

    assert answers == dict.fromkeys(OF_A_CAMPAIGN, 404)


def test_stranger_does_nothing_to_a_campaign(alice: Person, charlie: Person) -> None:
    campaign = Campaign.objects.create(organisation=alice.organisation, name="Ours")

    answers = {verb: charlie.post(f"/campaigns/{campaign.pk}/{verb}").status_code for verb in VERBS}

    campaign.refresh_from_db()
    assert answers == dict.fromkeys(VERBS, 404)
    assert (campaign.state, campaign.archived_at, Campaign.objects.count()) == ("draft", None, 1)


def test_stranger_finds_nothing_else_either(alice: Person, charlie: Person) -> None:
    ours = alice.organisation
    topic = Topic.objects.create(organisation=ours, slug="news", name={"en": "News"})
    service = Service.objects.create(organisation=ours, slug="tax", name={"en": "Tax"}, url="https://example.org")
    person = Subscriber.objects.create(organisation=ours, name="Ivan")
    account = Account.objects.create(
        organisation=ours, adapter="smtp", channel="email", name="Mail", unknown_policy="resend", hook_key="key"
    )
    job = Import.objects.create(organisation=ours, topic=topic, file_name="people.csv")
    survey = Survey.objects.create(organisation=ours, service=service, title={"en": "Ours"})
    rule = SleepRule.objects.create(organisation=ours, topic=topic, days=180, messages=5, grace=30)
    segment = Segment.objects.create(organisation=ours, name="Ours", where={"region": {"in": ["BG-16"]}})
    paths = [
        f"/services/{service.pk}/feedback",
        f"/services/{service.pk}/register",
        f"/services/{service.pk}/calls",
        f"/services/{service.pk}/surveys/new",
        f"/people/{person.pk}/stages",
        *(f"/services/surveys/{survey.pk}{page}" for page in ("", ".csv", "/change")),
        f"/asleep/{rule.pk}",
        *(f"/segments/{segment.pk}{page}" for page in ("", "/progress")),
        f"/topics/{topic.pk}",
        f"/services/{service.pk}",
        f"/people/{person.pk}",
        f"/people/{person.pk}/consents.json",
        f"/people/imports/{job.pk}",
        f"/people/imports/{job.pk}/progress",
        f"/people/imports/{job.pk}/rejected.csv",
        f"/people/imports/{job.pk}/undo",
        f"/people/imports/{job.pk}/undo/progress",
        f"/accounts/{account.pk}",
        "/deliveries/1-1",
    ]
    posts = [
        f"/people/{person.pk}/erase",
        f"/people/{person.pk}/addresses",
        f"/people/{person.pk}/addresses/1",
        f"/people/{person.pk}/addresses/1/retire",
        f"/people/imports/{job.pk}/undo",
        f"/services/{service.pk}/register",
        *(f"/services/surveys/{survey.pk}/{verb}" for verb in ("change", "switch")),
        *(f"/asleep/{rule.pk}{verb}" for verb in ("", "/ask", "/remove")),
        *(f"/segments/{segment.pk}/{verb}" for verb in ("snapshot", "delete")),
        f"/frequency/topics/{topic.pk}",
        *(f"/accounts/{account.pk}/{verb}" for verb in ("check", "test", "pause", "resume")),
    ]

    answers = [charlie.client.get(path).status_code for path in paths]
    answers += [charlie.post(path).status_code for path in posts]

    account.refresh_from_db()
    person.refresh_from_db()
    assert answers == [404] * (len(paths) + len(posts))
    assert (account.state, person.erased_at) == ("active", None)


def test_member_above_sees_what_is_below_and_not_the_other_way(
    alice: Person, bob: Person, municipality: Organisation
) -> None:
    above = Campaign.objects.create(organisation=alice.organisation, name="Of the ministry")
    below = Campaign.objects.create(organisation=municipality, name="Of the town")

    seen = {
        (person.user.name, campaign.name): person.client.get(f"/campaigns/{campaign.pk}/aim").status_code
        for person in (alice, bob)
        for campaign in (above, below)
    }

    assert seen == {
        ("Alice", "Of the ministry"): 200,
        ("Alice", "Of the town"): 200,
        ("Bob", "Of the ministry"): 404,
        ("Bob", "Of the town"): 200,
    }


def test_analyst_sees_and_changes_nothing(bob: Person, municipality: Organisation) -> None:
    campaign = Campaign.objects.create(organisation=municipality, name="Town")
    pages = ("/campaigns/new", "/topics/new", "/services/new", "/people/import", "/accounts/new/smtp")

    answers = [bob.client.get(path).status_code for path in pages]
    answers += [bob.post(f"/campaigns/{campaign.pk}/{verb}").status_code for verb in ("start", "clone", "approve")]

    assert answers == [403] * 8
    assert "New campaign" not in bob.see("/campaigns")


def test_user_without_any_organisation_is_told_so(db: None) -> None:
    user = User.objects.create_user("nobody@example.org", "right horse battery", name="Nobody", language="en")
    client = Client()
    client.force_login(user)

    response = client.get("/")

    assert response.status_code == 403
    assert "Your role does not allow this" in response.content.decode()


def test_switching_the_organisation_narrows_every_page(alice: Person, municipality: Organisation) -> None:
    Campaign.objects.create(organisation=alice.organisation, name="Of the ministry")
    Campaign.objects.create(organisation=municipality, name="Of the town")

    response = alice.post("/organisation", organisation=municipality.pk)

    page = alice.see("/campaigns")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert ("Of the town" in page, "Of the ministry" in page) == (True, False)


def test_switching_to_a_foreign_organisation_changes_nothing(alice: Person, charlie: Person) -> None:
    alice.post("/organisation", organisation=charlie.organisation.pk)

    assert "Elsewhere" not in alice.see("/")


def test_more_than_one_role_at_a_node_adds_up(member: Callable[..., Person], ministry: Organisation) -> None:
    dora = member("Dora", ministry, Role.APPROVER, Role.AUTHOR)

    assert "Author, Approver" in dora.see("/")
