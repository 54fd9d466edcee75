"""A campaign's way through the console: four steps, the preview, the buttons, and the people behind the numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from outreach.audience.models import Subscriber, Topic
from outreach.audience.profile import AddressData, ConsentData, SubscriberData
from outreach.audience.subscribers import upsert_subscriber
from outreach.campaigns.models import Campaign, Content, Service
from outreach.campaigns.planning import freeze
from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import ApprovalPolicy, Role
from outreach.delivery.accounts import create_account
from tests.web.console.conftest import Person

AIM = {
    "name": "Tax return",
    "goal": "uses",
    "topics": ["citizens"],
    "services": ["tax"],
    "mode": "all",
    "holdout": "0",
    "tracking": "aggregate",
}


@pytest.fixture
def topic(alice: Person) -> Topic:
    return Topic.objects.create(organisation=alice.organisation, slug="citizens", name={"en": "For citizens"})


@pytest.fixture
def service(alice: Person) -> Service:
    return Service.objects.create(
        organisation=alice.organisation, slug="tax", name={"en": "Tax"}, url="https://tax.example.org/"
    )


@pytest.fixture
def account(alice: Person) -> Account:
    settings = {"host": "127.0.0.1", "port": "2525", "security": "none", "sender": "News <news@example.org>"}
    return create_account(alice.actor, adapter="smtp", name="Mail", settings=settings, is_sandbox=True)


@pytest.fixture
def ivan(alice: Person, topic: Topic) -> Subscriber:
    data = SubscriberData(
        addresses=[AddressData(channel="email", value="ivan@example.org")],
        name="Ivan",
        language="en",
        topics=["citizens"],
        consent=ConsentData(source="form"),
    )
    return upsert_subscriber(alice.actor, data)[0]


@pytest.fixture
def campaign(alice: Person, ivan: Subscriber, service: Service, account: Account) -> Campaign:
    """Ready to go: Ivan gets an e-mail in English."""
    alice.post("/campaigns/new", **AIM)
    made = Campaign.objects.get()
    for language in ("en", "bg"):
        alice.post(
            f"/campaigns/{made.pk}/message/email/{language}",
            subject="News",
            body="Hello {{ subscriber.name }}, [go]({{ service.url }})",
            format="markdown",
        )
    return made


def test_aim_makes_a_draft_and_leads_to_the_message(alice: Person, topic: Topic, service: Service) -> None:
    response = alice.post("/campaigns/new", **AIM)

    made = Campaign.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/campaigns/{made.pk}/message")
    assert (made.name, made.goal, made.state, made.organisation) == ("Tax return", "uses", "draft", alice.organisation)
    assert (list(made.topics.all()), list(made.services.all())) == ([topic], [service])


def test_aim_without_a_name_says_so_at_the_field(alice: Person, topic: Topic, service: Service) -> None:
    page = alice.post("/campaigns/new", **{**AIM, "name": ""}).content.decode()

    assert 'id="id_name_error"' in page
    assert Campaign.objects.count() == 0


def test_aim_counts_people_before_anything_is_saved(alice: Person, ivan: Subscriber) -> None:
    page = alice.post("/campaigns/count", topics=["citizens"], mode="all", holdout="0").content.decode()

    assert '<span class="o-big">1</span>' in page
    assert Campaign.objects.count() == 0


def test_message_is_saved_for_its_channel_and_language(alice: Person, campaign: Campaign) -> None:
    alice.post(f"/campaigns/{campaign.pk}/message/sms/bg", body="Здравейте")

    kept = {(c.channel, c.language, c.format): c.body for c in Content.objects.filter(channel="sms")}
    campaign.refresh_from_db()
    assert kept == {("sms", "bg", "text"): "Здравейте"}
    assert campaign.channels == ["email", "sms"]


def test_message_shows_it_as_a_real_person_gets_it(alice: Person, campaign: Campaign, ivan: Subscriber) -> None:
    frame = alice.client.get(f"/campaigns/{campaign.pk}/message/email/en.html?person={ivan.pk}")

    policy = frame["Content-Security-Policy"]
    assert "Hello Ivan" in frame.content.decode()
    assert ("sandbox" in policy, "default-src 'none'" in policy, "script-src" in policy) == (True, True, False)


def test_preview_of_unsaved_text_keeps_nothing(alice: Person, campaign: Campaign, ivan: Subscriber) -> None:
    path = f"/campaigns/{campaign.pk}/message/email/en"
    draft = {"subject": "Other", "body": "Bye {{ subscriber.name }}", "format": "markdown", "person": ivan.pk}

    seen = alice.post(f"{path}/preview", **draft).content.decode()
    frame = alice.post(f"{path}.html", **draft).content.decode()

    kept = Content.objects.get(channel="email", language="en")
    assert ("Other" in seen, "Bye Ivan" in frame) == (True, True)
    assert kept.subject == "News"


def test_preview_names_what_is_wrong_beside_the_text(alice: Person, campaign: Campaign) -> None:
    path = f"/campaigns/{campaign.pk}/message/email/en/preview"

    page = alice.post(path, subject="News", body="Hello {{ subscriber.nme }}", format="markdown").content.decode()

    assert "o-note--bad" in page
    assert "nme" in page


def test_message_does_not_show_a_stranger(alice: Person, charlie: Person, campaign: Campaign) -> None:
    foreign = Subscriber.objects.create(organisation=charlie.organisation, name="Foreign")

    assert alice.client.get(f"/campaigns/{campaign.pk}/message/email/en?person={foreign.pk}").status_code == 404


def test_time_is_read_in_its_zone(alice: Person, campaign: Campaign) -> None:
    fields = {"start": "time", "date": "2030-06-01", "time": "09:30", "zone": "Europe/Sofia"}

    response = alice.post(f"/campaigns/{campaign.pk}/when", **fields)

    campaign.refresh_from_db()
    assert response["Location"] == f"/campaigns/{campaign.pk}/review"
    assert (campaign.starts_at, campaign.timezone) == (datetime(2030, 6, 1, 6, 30, tzinfo=UTC), "Europe/Sofia")


def test_what_cannot_wait_is_ticked_and_frozen_with_the_plan(alice: Person, campaign: Campaign) -> None:
    path = f"/campaigns/{campaign.pk}/when"
    seen = []
    for ticked in ({"pressing": "on"}, {}):
        alice.post(path, start="now", zone="Europe/Sofia", **ticked)
        campaign.refresh_from_db()
        [box] = re.findall(r'<input[^>]*name="pressing"[^>]*>', alice.see(path))
        seen.append((campaign.is_pressing, "checked" in box, freeze(campaign, is_whole=False).get("is_pressing")))

    assert seen == [(True, True, True), (False, False, None)]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"date": "2020-01-01", "time": "09:00"}, "This time has passed"),
        ({"date": "2030-01-01"}, "Say when"),
        ({"date": "tomorrow", "time": "09:00"}, "Enter a valid date"),
    ],
)
def test_time_that_cannot_be_says_so(alice: Person, campaign: Campaign, fields: dict[str, str], sentence: str) -> None:
    response = alice.post(f"/campaigns/{campaign.pk}/when", start="time", zone="Europe/Sofia", **fields)

    campaign.refresh_from_db()
    assert (response.status_code, sentence in response.content.decode()) == (200, True)
    assert campaign.starts_at is None


def test_review_says_exactly_what_will_happen(alice: Person, campaign: Campaign) -> None:
    page = alice.see(f"/campaigns/{campaign.pk}/review")

    assert ("1 e-mail" in page, "1 person" in page, "May it go? Yes" in page) == (True, True, True)
    assert "Start it now" in page
    assert "Ivan" in alice.see(f"/campaigns/{campaign.pk}/audience?state=planned")


def test_review_of_a_broken_text_leads_to_the_message(alice: Person, campaign: Campaign) -> None:
    alice.post(f"/campaigns/{campaign.pk}/message/email/en", subject="News", body="{{ nothing }}", format="markdown")

    page = alice.see(f"/campaigns/{campaign.pk}/review")
    response = alice.post(f"/campaigns/{campaign.pk}/start")

    campaign.refresh_from_db()
    assert ("May it go? Not yet" in page, "Mend it" in page, "Start it now" in page) == (True, True, False)
    assert (response.status_code, campaign.state) == (302, "draft")


def test_four_eyes_ask_somebody_else(
    alice: Person, member: Callable[..., Person], ministry: Organisation, campaign: Campaign
) -> None:
    dora = member("Dora", ministry, Role.APPROVER)
    Organisation.objects.filter(pk=ministry.pk).update(approval=ApprovalPolicy.FOUR_EYES)
    path = f"/campaigns/{campaign.pk}"

    first = alice.see(f"{path}/review")
    alice.post(f"{path}/submit")
    own, others, home = alice.see(f"{path}/review"), dora.see(f"{path}/review"), dora.see("/")
    dora.post(f"{path}/approve")

    assert ("Ask for approval" in first, "Start it now" in first) == (True, False)
    assert "Approve this version" not in own
    assert "Approve this version" in others
    assert "asks for approval" in home
    assert "Start it now" in alice.see(f"{path}/review")


def test_sending_back_keeps_the_note(
    alice: Person, member: Callable[..., Person], ministry: Organisation, campaign: Campaign
) -> None:
    dora = member("Dora", ministry, Role.APPROVER)
    Organisation.objects.filter(pk=ministry.pk).update(approval=ApprovalPolicy.FOUR_EYES)
    alice.post(f"/campaigns/{campaign.pk}/submit")

    dora.post(f"/campaigns/{campaign.pk}/send-back", note="Too long")

    campaign.refresh_from_db()
    assert campaign.state == "draft"
    assert "Too long" in alice.see(f"/campaigns/{campaign.pk}/review")


def test_start_leads_to_running_and_pause_shows_there(alice: Person, campaign: Campaign) -> None:
    response = alice.post(f"/campaigns/{campaign.pk}/start")

    page = alice.see(f"/campaigns/{campaign.pk}/running")
    alice.post(f"/campaigns/{campaign.pk}/pause")

    campaign.refresh_from_db()
    assert response["Location"] == f"/campaigns/{campaign.pk}/running"
    assert ("People are still being added" in page, "If you cancel" in page) == (True, True)
    assert campaign.state == "paused"
    assert "Let it go on" in alice.see(f"/campaigns/{campaign.pk}/running/live")


def test_button_that_the_state_forbids_says_why(alice: Person, campaign: Campaign) -> None:
    response = alice.client.post(
        f"/campaigns/{campaign.pk}/pause", headers={"referer": f"http://testserver/campaigns/{campaign.pk}/review"}
    )

    assert response["Location"] == f"http://testserver/campaigns/{campaign.pk}/review"
    assert "cannot be paused" in alice.see(f"/campaigns/{campaign.pk}/review")


def test_copy_is_a_new_draft_and_archive_hides(alice: Person, campaign: Campaign) -> None:
    response = alice.post(f"/campaigns/{campaign.pk}/clone")
    copy = Campaign.objects.exclude(pk=campaign.pk).get()
    alice.post(f"/campaigns/{campaign.pk}/archive")

    assert response["Location"] == f"/campaigns/{copy.pk}/aim"
    assert f'href="/campaigns/{campaign.pk}"' not in alice.see("/campaigns")
    assert f'href="/campaigns/{campaign.pk}"' in alice.see("/campaigns?show=archived")


def test_campaign_opens_where_it_is_best_looked_at(alice: Person, campaign: Campaign) -> None:
    seen = {}
    for state in ("draft", "submitted", "scheduled", "running", "paused", "held"):
        Campaign.objects.filter(pk=campaign.pk).update(state=state)
        seen[state] = alice.client.get(f"/campaigns/{campaign.pk}")["Location"].rsplit("/", 1)[1]

    assert seen == {
        "draft": "aim",
        "submitted": "review",
        "scheduled": "review",
        "running": "running",
        "paused": "running",
        "held": "running",
    }


def test_test_goes_to_the_named_address_only(alice: Person, campaign: Campaign) -> None:
    alice.post(f"/campaigns/{campaign.pk}/test", channel="email", value="me@example.org", language="en")

    run = campaign.runs.get()
    assert (run.kind, [recipient["value"] for recipient in run.frozen["recipients"]]) == ("test", ["me@example.org"])
    assert "A test is on its way to me@example.org" in alice.see("/campaigns")


def test_test_to_no_address_says_so(alice: Person, campaign: Campaign) -> None:
    alice.post(f"/campaigns/{campaign.pk}/test", channel="email", value="nowhere", language="en")

    assert campaign.runs.count() == 0
    assert "o-said--error" in alice.see("/campaigns")


def test_preferred_channel_is_put_first(alice: Person, campaign: Campaign) -> None:
    alice.post(f"/campaigns/{campaign.pk}/message/sms/bg", body="Здравейте")
    Campaign.objects.filter(pk=campaign.pk).update(channel_mode="preferred")
    page = alice.see(f"/campaigns/{campaign.pk}/message")

    alice.post(f"/campaigns/{campaign.pk}/first", first="sms")

    campaign.refresh_from_db()
    assert "Put SMS first" in page
    assert campaign.channels == ["sms", "email"]


def test_page_says_its_zone_and_time(alice: Person, campaign: Campaign) -> None:
    with clock.frozen(datetime(2026, 4, 8, 7, 42, tzinfo=UTC)):
        page = alice.see("/")

    assert "8\u00a0April\u00a02026, 10:42, Europe/Sofia" in page


def test_sms_in_latin_letters_is_offered_and_never_saved_by_itself(alice: Person, topic: Topic) -> None:
    campaign = Campaign.objects.create(organisation=alice.organisation, name="SMS", channels=["sms"])
    campaign.topics.add(topic)
    body = "Здравейте, {{ subscriber.name }}! Можете да подадете данъчната си декларация по интернет до 30 април."
    Content.objects.create(campaign=campaign, channel="sms", language="bg", format="text", body=body)
    path = f"/campaigns/{campaign.pk}/message/sms/bg"
    assert "Write it in Latin letters" in alice.see(path)
    page = alice.post(path, body=body, latin="1").content.decode()
    assert "Zdraveyte, {{ (subscriber.name)|latin }}! Mozhete da podadete" in page
    assert "not saved yet" in page
    assert Content.objects.get(campaign=campaign).body == body


def test_a_text_that_was_written_while_somebody_scheduled_it_is_not_lost(alice: Person, campaign: Campaign) -> None:
    Campaign.objects.update(state="scheduled")
    path = f"/campaigns/{campaign.pk}/message/email/en"
    page = alice.post(path, subject="News", body="An hour of work", format="markdown").content.decode()

    assert ("An hour of work" in page, "o-alarm" in page) == (True, True)
    assert Content.objects.get(channel="email", language="en").body.startswith("Hello")
