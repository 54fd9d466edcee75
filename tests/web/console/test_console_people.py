"""People, their import with rejected rows, accounts without secrets, services and topics, and the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from outreach.audience.imports import run_import
from outreach.audience.models import Import, Subscriber, Topic
from outreach.audience.profile import AddressData, ConsentData, SubscriberData
from outreach.audience.subscribers import upsert_subscriber
from outreach.campaigns.models import Service
from outreach.core.models import Account, AuditEntry
from outreach.core.secrets import unseal
from outreach.core.vocabulary import Role
from outreach.delivery.adapters import describe
from outreach.sandbox.models import SandboxMessage
from tests.web.console.conftest import Person

CSV = "email;name;language\nana@example.org;Ana;en\nnot an address;Boris;bg\n"
MAIL = (
    b"From: News <news@example.org>\r\nTo: ana@example.org\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b'<p style="color:red">Hello Ana</p><img src="http://outreach.test/o/TOKEN"><script>alert(1)</script>\r\n'
)


@pytest.fixture
def topic(alice: Person) -> Topic:
    return Topic.objects.create(organisation=alice.organisation, slug="citizens", name={"en": "For citizens"})


@pytest.fixture
def ana(alice: Person, topic: Topic) -> Subscriber:
    data = SubscriberData(
        addresses=[AddressData(channel="email", value="ana@example.org")],
        name="Ana Petrova",
        language="en",
        attributes={"city": "Varna"},
        topics=["citizens"],
        consent=ConsentData(source="form", text_version="2026-1"),
    )
    return upsert_subscriber(alice.actor, data)[0]


@pytest.mark.parametrize("text", ["ana", "Petr", "ana@exam"])
def test_person_is_found_by_the_beginning_of_a_word(alice: Person, ana: Subscriber, text: str) -> None:
    assert "Ana Petrova" in alice.see(f"/people?text={text}")


def test_a_search_of_one_page_says_how_many_it_found(alice: Person, ana: Subscriber) -> None:
    assert "<h1>1 person</h1>" in alice.see("/people?text=ana")


def test_person_that_is_not_there_is_not_found(alice: Person, ana: Subscriber) -> None:
    assert "Nobody is found" in alice.see("/people?text=Zlatka")


def test_bad_cursor_is_no_page(alice: Person, ana: Subscriber) -> None:
    assert "There is no such page" in alice.see("/people?cursor=broken", status=404)


def test_person_page_shows_what_is_known(alice: Person, ana: Subscriber) -> None:
    page = alice.see(f"/people/{ana.pk}")

    wanted = ("Ana Petrova", "ana@example.org", "For citizens", "Varna", "2026-1", "a form", "Consented")
    assert [word for word in wanted if word not in page] == []


def test_staff_write_down_which_way_a_person_wants_first(alice: Person, ana: Subscriber) -> None:
    answer = alice.post(f"/people/{ana.pk}/wish", first="sms")

    ana.refresh_from_db()
    assert (answer["Location"], ana.preferred_channel) == (f"/people/{ana.pk}", "sms")
    assert re.search(r'value="sms" checked', alice.see(f"/people/{ana.pk}"))
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.noun_id, entry.user, entry.facts) == (
        "subscriber.changed",
        str(ana.pk),
        alice.user,
        {"fields": ["preferred_channel"]},
    )
    alice.post(f"/people/{ana.pk}/wish", first="pigeon")
    assert "Choose email or sms" in alice.see(f"/people/{ana.pk}")
    alice.post(f"/people/{ana.pk}/wish", first="")
    ana.refresh_from_db()
    assert ana.preferred_channel == ""


def test_a_wish_is_written_by_those_who_may_and_see_the_person(
    alice: Person, charlie: Person, member: Callable[..., Person], ana: Subscriber
) -> None:
    approver = member("Dan", alice.organisation, Role.APPROVER)
    statuses = [person.post(f"/people/{ana.pk}/wish", first="sms").status_code for person in (approver, charlie)]

    ana.refresh_from_db()
    assert (statuses, ana.preferred_channel) == ([403, 404], "")
    assert "Save the wish" not in approver.see(f"/people/{ana.pk}")


def test_erasing_a_person_leaves_no_name(alice: Person, ana: Subscriber) -> None:
    response = alice.post(f"/people/{ana.pk}/erase")

    ana.refresh_from_db()
    assert (response["Location"], ana.name) == ("/people", "")
    assert "Ana" not in alice.see("/people").replace("Analyst", "")
    assert alice.client.get(f"/people/{ana.pk}").status_code == 404


def test_import_takes_good_rows_and_shows_bad_ones_in_their_columns(alice: Person, topic: Topic) -> None:
    response = alice.client.post(
        "/people/import", {"topic": topic.pk, "file": SimpleUploadedFile("people.csv", CSV.encode())}
    )
    job = Import.objects.get()
    waiting = alice.see(f"/people/imports/{job.pk}/progress")
    run_import(job.pk)

    page = alice.see(f"/people/imports/{job.pk}")
    lines = alice.client.get(f"/people/imports/{job.pk}/rejected.csv").getvalue()
    assert response["Location"] == f"/people/imports/{job.pk}"
    assert 'hx-trigger="every 1s"' in waiting
    assert ("1 row was not taken" in page, '<td class="wrong">not an address</td>' in page) == (True, True)
    assert "not an address" in lines.decode()
    assert alice.client.get(f"/people/imports/{job.pk}/progress")["HX-Refresh"] == "true"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "The submitted file is empty"), (b"name\nAna\n", "neither a column email nor a column phone")],
)
def test_import_of_no_list_of_people_says_so(alice: Person, topic: Topic, content: bytes, sentence: str) -> None:
    response = alice.client.post(
        "/people/import", {"topic": topic.pk, "file": SimpleUploadedFile("people.csv", content)}
    )

    assert sentence in response.content.decode()
    assert Import.objects.count() == 0


ACCOUNT = {
    "name": "Mail",
    "unknown_policy": "resend",
    "rate_per_minute": "60",
    "is_default": "on",
    "settings_host": "127.0.0.1",
    "settings_port": "2525",
    "settings_security": "none",
    "settings_username": "news",
    "settings_password": "a very secret word",
    "settings_sender": "News <news@example.org>",
}


@pytest.fixture
def account(alice: Person) -> Account:
    form = {**_defaults(alice), **ACCOUNT}
    assert alice.post("/accounts/new/smtp", **form).status_code == 302
    return Account.objects.get()


def _defaults(alice: Person) -> dict[str, Any]:
    """What the empty form would send: the first choice of each list."""
    page = alice.client.get("/accounts/new/smtp")
    assert page.status_code == 200
    fields = describe("smtp").fields
    return {f"settings_{field.name}": field.default or (field.choices or ("",))[0] for field in fields}


def test_account_keeps_its_secret_and_never_shows_it(alice: Person, account: Account) -> None:
    page = alice.see(f"/accounts/{account.pk}")

    assert "a very secret word" not in page + str(account.settings)
    assert unseal(account.sealed)["password"] == "a very secret word"


def test_account_saved_with_an_empty_secret_keeps_the_old_one(alice: Person, account: Account) -> None:
    changed = {**_defaults(alice), **ACCOUNT, "settings_password": "", "name": "Other name"}

    response = alice.post(f"/accounts/{account.pk}", **changed)

    account.refresh_from_db()
    assert response.status_code == 302
    assert (account.name, unseal(account.sealed)["password"]) == ("Other name", "a very secret word")


def test_account_with_a_bad_port_says_so_at_the_field(alice: Person) -> None:
    form = {**_defaults(alice), **ACCOUNT, "settings_port": "many"}

    page = alice.post("/accounts/new/smtp", **form).content.decode()

    assert 'id="id_settings_port_error"' in page
    assert Account.objects.count() == 0


def test_account_takes_limits_by_domain_and_a_warm_up(alice: Person, account: Account) -> None:
    ramp = {"warm_up_first_day": "100", "warm_up_percent": "50", "warm_up_days": "20", "warm_up_starts_on": ""}
    rates = {"domain_rates": "abv.bg 300\n\n* 600"}

    alice.post(f"/accounts/{account.pk}", **{**_defaults(alice), **ACCOUNT, **ramp, **rates})

    account.refresh_from_db()
    assert account.domain_rates == {"abv.bg": 300, "*": 600}
    assert (account.warm_up["first_day"], account.warm_up["growth"], account.warm_up["days"]) == (100, 1.5, 20)
    page = alice.see(f"/accounts/{account.pk}")
    assert "Day 1 of 20: 0 of 100 messages left today." in page
    assert "abv.bg 300\n* 600" in page


@pytest.mark.parametrize("line", ["abv.bg many", "abv 300", "300"])
def test_account_with_a_bad_line_of_domains_says_so_at_the_field(alice: Person, account: Account, line: str) -> None:
    form = {**_defaults(alice), **ACCOUNT, "domain_rates": line}

    page = alice.post(f"/accounts/{account.pk}", **form).content.decode()

    account.refresh_from_db()
    assert 'id="id_domain_rates_error"' in page
    assert account.domain_rates == {}


def test_account_is_paused_and_resumed(alice: Person, account: Account) -> None:
    alice.post(f"/accounts/{account.pk}/pause")
    account.refresh_from_db()
    paused, home = account.state, alice.see("/")
    alice.post(f"/accounts/{account.pk}/resume")

    account.refresh_from_db()
    assert (paused, account.state) == ("paused", "active")
    assert "The account “Mail” is paused" in home
    assert "The account “Mail” is paused" not in alice.see("/")


def test_check_of_a_server_that_is_away_says_what_to_do(alice: Person, account: Account, free_port: int) -> None:
    Account.objects.update(settings={**account.settings, "port": free_port})

    page = alice.post(f"/accounts/{account.pk}/check").content.decode()

    assert ("finding" in page, "Traceback" in page) == (True, False)


def test_account_of_no_adapter_is_no_page(alice: Person) -> None:
    assert alice.client.get("/accounts/new/pigeon").status_code == 404


def test_topic_is_added_and_its_names_change(alice: Person) -> None:
    names = {"name_bg": "Новини", "name_en": "News", "description_bg": "", "description_en": ""}
    alice.post("/topics/new", slug="news", parent="", **names)
    topic = Topic.objects.get()
    alice.post(f"/topics/{topic.pk}", **{**names, "name_en": "Latest news"})

    topic.refresh_from_db()
    assert (topic.slug, topic.name) == ("news", {"bg": "Новини", "en": "Latest news"})


def test_topic_with_a_taken_slug_says_so_at_the_field(alice: Person, topic: Topic) -> None:
    page = alice.post("/topics/new", slug=topic.slug, parent="", name_en="Other").content.decode()

    assert 'id="id_slug_error"' in page


def test_service_is_added_and_shown(alice: Person, topic: Topic) -> None:
    form = {
        "name_bg": "Данък",
        "name_en": "Tax",
        "slug": "tax",
        "url": "https://tax.example.org/",
        "steps_bg": "",
        "steps_en": "Log in.",
        "kinds": ["citizen"],
        "topics": ["citizens"],
    }
    alice.post("/services/new", **form)

    service = Service.objects.get()
    facts = (service.name, service.steps, service.kinds, [str(topic) for topic in service.topics.all()])
    assert facts == ({"bg": "Данък", "en": "Tax"}, {"en": "Log in."}, ["citizen"], ["For citizens"])
    assert "https://tax.example.org/" in alice.see("/services")


def test_service_with_no_address_says_so_at_the_field(alice: Person) -> None:
    page = alice.post("/services/new", name_en="Tax", slug="tax", url="somewhere").content.decode()

    assert 'id="id_url_error"' in page


def test_sandbox_is_not_there_without_the_demonstration(alice: Person) -> None:
    assert alice.client.get("/sandbox").status_code == 404
    assert "Sandbox" not in alice.see("/")


def test_sandbox_shows_a_message_without_counting_it_as_opened(alice: Person, settings: Any) -> None:
    settings.SANDBOX = True
    mail = SandboxMessage.objects.create(
        channel="email", recipient="ana@example.org", sender="news@example.org", subject="Hello", raw=MAIL
    )
    SandboxMessage.objects.create(channel="sms", recipient="+359888000001", body="Hello by SMS")

    page, sms = alice.see("/sandbox"), alice.see("/sandbox?channel=sms")
    frame = alice.client.get(f"/sandbox/{mail.pk}.html")

    html = frame.content.decode()
    assert ("ana@example.org" in page, "Hello by SMS" in sms) == (True, True)
    assert ("Hello Ana" in html, "/o/TOKEN" in html) == (True, False)
    assert "script-src" not in frame["Content-Security-Policy"]
    assert "default-src 'none'" in frame["Content-Security-Policy"]


def test_every_asset_that_a_page_names_is_there(alice: Person) -> None:
    static = Path(__file__).parents[3] / "outreach" / "web" / "static"
    named = set(re.findall(r'(?:href|src)="/static/([^"#]+)', alice.see("/")))

    assert [name for name in sorted(named) if not (static / name).is_file()] == []


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    root = Path(__file__).parents[3]
    sprite = set(re.findall(r'id="([a-z0-9-]+)"', (root / "outreach/web/static/console/icons.svg").read_text()))
    templates = "".join(path.read_text() for path in (root / "templates/console").rglob("*.html"))
    code = "".join(path.read_text() for path in (root / "outreach/web/console").glob("*.py"))
    named = set(re.findall(r'icon\("([a-z0-9-]+)"', templates)) | set(re.findall(r'sign="([a-z0-9-]+)"', code))

    assert named - sprite == set()
