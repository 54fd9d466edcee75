"""People, their import with rejected rows, accounts without secrets, services and topics, and the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from outreach.audience import import_intake
from outreach.audience.import_intake import stored_file
from outreach.audience.import_undo import run_undo
from outreach.audience.imports import resume_imports, run_import
from outreach.audience.models import Consent, Import, Subscriber, Topic
from outreach.audience.profile import AddressData, ConsentData, SubscriberData
from outreach.audience.sealing import seal_consents
from outreach.audience.subscribers import upsert_subscriber
from outreach.campaigns.models import Service
from outreach.core.access import product_itself
from outreach.core.models import Account, AuditEntry
from outreach.core.secrets import unseal
from outreach.core.vocabulary import Bearing, EvidenceSource, Goal, Role
from outreach.delivery.adapters import describe
from outreach.events.stages import add_evidence
from outreach.sandbox.models import SandboxMessage
from outreach.web.console import people, person_stages
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


def test_staff_write_down_a_pause_and_end_it(alice: Person, charlie: Person, ana: Subscriber) -> None:
    refused = [alice.post(f"/people/{ana.pk}/pause", length="date", until="2020-01-01").status_code]
    assert "still to come" in alice.see(f"/people/{ana.pk}")
    answer = alice.post(f"/people/{ana.pk}/pause", length="week")
    page = alice.see(f"/people/{ana.pk}")
    refused.append(charlie.post(f"/people/{ana.pk}/pause", length="").status_code)

    ana.refresh_from_db()
    assert (refused, answer["Location"], ana.paused_until is not None) == ([302, 404], f"/people/{ana.pk}", True)
    assert ("The pause is written down" in page, "Campaigns leave this person alone until" in page) == (True, True)
    alice.post(f"/people/{ana.pk}/pause", length="")
    ana.refresh_from_db()
    assert ana.paused_until is None
    entries = AuditEntry.objects.filter(noun_id=str(ana.pk), action__in=["subscriber.paused", "subscriber.resumed"])
    assert list(entries.order_by("pk").values_list("action", "user")) == [
        ("subscriber.paused", alice.user.pk),
        ("subscriber.resumed", alice.user.pk),
    ]


def test_staff_write_down_quiet_hours(alice: Person, charlie: Person, ana: Subscriber) -> None:
    path = f"/people/{ana.pk}/quiet-hours"
    hours = {"quiet_from": "22:00", "quiet_to": "07:00"}
    assert (charlie.post(path, **hours).status_code, alice.post(path, **hours)["Location"]) == (
        404,
        f"/people/{ana.pk}",
    )
    page = alice.see(f"/people/{ana.pk}")
    assert ('value="22:00"' in page, "The quiet hours are written down" in page) == (True, True)
    alice.post(path, quiet_from="22:00", quiet_to="22:00")
    assert "an end that is not the beginning" in alice.see(f"/people/{ana.pk}")
    alice.post(path, quiet_from="", quiet_to="")
    ana.refresh_from_db()
    assert (ana.quiet_from, ana.quiet_to) == (None, None)


def test_addresses_are_added_corrected_and_retired_one_by_one(alice: Person, ana: Subscriber) -> None:
    path = f"/people/{ana.pk}/addresses"
    first = ana.addresses.get().pk

    alice.post(path, channel="sms", value="0888111222")
    alice.post(path, channel="sms", value="0888111222")
    twice = alice.see(f"/people/{ana.pk}")
    alice.post(f"{path}/{first}", value="anna@example.org")
    phone = ana.addresses.get(channel="sms").pk
    alice.post(f"{path}/{first}/retire")
    page = alice.see(f"/people/{ana.pk}")
    alice.post(f"{path}/{phone}/retire")
    kept = alice.see(f"/people/{ana.pk}")

    assert "The person has this address already." in twice
    assert ("It was the last one of its channel: 1 subscription ended." in page, "anna@example.org" in page) == (
        True, False
    )  # fmt: skip
    assert ("This is the only address." in kept, ana.addresses.get().pk) == (True, phone)
    actions = AuditEntry.objects.filter(action__startswith="address.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["address.added", "address.corrected", "address.retired"]


def test_a_history_goes_on_page_by_page(alice: Person, ana: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    ana.consents.create(action="withdrawn", source="page", at=ana.created_at)
    monkeypatch.setattr(people, "PAGE", 1)

    first = alice.see(f"/people/{ana.pk}")
    [cursor] = re.findall(r'href="[?]cursor=([^"]+)"', first)
    second = alice.see(f"/people/{ana.pk}?cursor={cursor}")

    assert ("Back to the newest" in second, "?cursor=" in second) == (True, False)
    assert alice.client.get(f"/people/{ana.pk}?cursor=x").status_code == 404


def test_who_may_be_in_twice_is_listed(alice: Person, ana: Subscriber) -> None:
    empty = alice.see("/people/doubles")
    data = SubscriberData(addresses=[AddressData(channel="sms", value="0888111222")], name="Ana Petrova")
    twin = upsert_subscriber(product_itself(alice.organisation), data)[0]

    page = alice.see("/people/doubles")

    assert ("Nobody looks alike" in empty, "0888111222" in page) == (True, True)
    assert f"/people/{ana.pk}/doubles/{twin.pk}" in page


def test_erasing_a_person_leaves_no_name(alice: Person, ana: Subscriber) -> None:
    response = alice.post(f"/people/{ana.pk}/erase")

    ana.refresh_from_db()
    assert (response["Location"], ana.name) == ("/people", "")
    assert "Ana" not in alice.see("/people").replace("Analyst", "")
    assert alice.client.get(f"/people/{ana.pk}").status_code == 404


#: What a form says of the consent, beside its columns.
EVIDENCE = {
    "consent_source": "fair", "consent_at": "01.05.2026", "consent_text_version": "v2", "known": "overwrite"
}  # fmt: skip


def hand_in(person: Person, topic: Topic, content: str) -> Import:
    """A file that waits for its columns to be confirmed."""
    file = SimpleUploadedFile("people.csv", content.encode())
    response = person.client.post("/people/import", {"topic": topic.pk, "file": file})
    job = Import.objects.latest("pk")
    assert (response["Location"], job.state) == (f"/people/imports/{job.pk}/columns", "received")
    return job


def cells(page: str) -> list[tuple[str, str]]:
    """The cells of the file's rows, and whether they are marked as wrong."""
    return re.findall(r'<td( class="wrong")?>([^<]*)</td>', page[page.index('id="rows"') :])


def test_import_takes_good_rows_and_shows_bad_ones_in_their_columns(alice: Person, topic: Topic) -> None:
    job = hand_in(alice, topic, CSV)
    response = alice.client.post(
        f"/people/imports/{job.pk}/columns",
        EVIDENCE | {"column_0": "email", "column_1": "name", "column_2": "language"},
    )
    waiting = alice.see(f"/people/imports/{job.pk}/progress")
    run_import(job.pk)

    page = alice.see(f"/people/imports/{job.pk}")
    lines = alice.client.get(f"/people/imports/{job.pk}/rejected.csv").getvalue()
    missing = alice.client.get(f"/people/imports/{job.pk}/rejected.ndjson").status_code
    assert response["Location"] == f"/people/imports/{job.pk}"
    assert 'hx-trigger="every 1s"' in waiting
    assert ("1 row was not taken" in page, '<td class="wrong">not an address</td>' in page) == (True, True)
    assert (f"/people/imports/{job.pk}/rejected.xlsx" in page, missing) == (True, 404)
    assert lines.decode().splitlines()[0] == "\ufeffoutreach_line,outreach_reason,email,name,language,outreach_row"
    assert "not an address" in lines.decode()
    assert alice.client.get(f"/people/imports/{job.pk}/progress")["HX-Refresh"] == "true"


def test_a_file_without_one_object_shows_its_lines(alice: Person, topic: Topic) -> None:
    job = hand_in(alice, topic, '{"email": "a@b.bg", "n": NaN}\n')

    page = alice.see(f"/people/imports/{job.pk}/columns")

    assert cells(page) == [
        ("", "The line is not a JSON object."),
        ("", "{&#34;email&#34;: &#34;a@b.bg&#34;, &#34;n&#34;: NaN}"),
    ]


def test_a_file_that_is_gone_before_its_columns_are_looked_at_is_told_so(alice: Person, topic: Topic) -> None:
    job = hand_in(alice, topic, CSV)
    stored_file(job).unlink()

    response = alice.client.get(f"/people/imports/{job.pk}/columns", follow=True)

    assert (response.redirect_chain, response.status_code) == ([("/people/import", 302)], 200)
    assert "The uploaded file is not there any more. Upload it again." in response.content.decode()


def test_an_import_is_taken_back_after_saying_what_that_does(alice: Person, topic: Topic, ana: Subscriber) -> None:
    job = hand_in(alice, topic, "email;name\nana@example.org;Anna\nboris@example.org;Boris\n")
    alice.client.post(f"/people/imports/{job.pk}/columns", EVIDENCE | {"column_0": "email", "column_1": "name"})
    run_import(job.pk)
    offered = f"/people/imports/{job.pk}/undo" in alice.see(f"/people/imports/{job.pk}")

    question = alice.see(f"/people/imports/{job.pk}/undo")
    response = alice.post(f"/people/imports/{job.pk}/undo")
    waiting = alice.see(f"/people/imports/{job.pk}/undo/progress")
    run_undo(job.pk)

    ana.refresh_from_db()
    page = alice.see(f"/people/imports/{job.pk}")
    assert (offered, "People taken out again</dt><dd>1</dd>" in question) == (True, True)
    assert (response["Location"], 'hx-trigger="every 1s"' in waiting) == (f"/people/imports/{job.pk}", True)
    assert (ana.name, "boris@example.org" in alice.see("/people")) == ("Ana Petrova", False)
    assert ("Taken back" in page, "2 people looked at" in page, f"/people/imports/{job.pk}/undo\"" in page) == (
        True, True, False
    )  # fmt: skip
    assert alice.client.get(f"/people/imports/{job.pk}/undo/progress")["HX-Refresh"] == "true"
    assert "The import is taken back already." in alice.see(f"/people/imports/{job.pk}/undo")


def test_columns_are_guessed_shown_changed_and_confirmed(alice: Person, topic: Topic) -> None:
    job = hand_in(alice, topic, "Адрес;Град;Бележка\na@b.bg;Варна;тайна\nc@b.bg;Русе;\n")
    form = EVIDENCE | {"column_0": "email", "column_1": "attribute", "column_2": "left_out"}

    first = alice.see(f"/people/imports/{job.pk}/columns")
    wrong = alice.client.post(f"/people/imports/{job.pk}/columns", form | {"column_1": "kind", "look": "1"})
    twice = alice.client.post(f"/people/imports/{job.pk}/columns", form | {"column_1": "email"})
    bare = alice.client.post(f"/people/imports/{job.pk}/columns", form | {"consent_at": ""}).content.decode()
    assert "Say when they gave their consent, or which column says it." in bare
    assert (Import.objects.get().state, Import.objects.get().mapping) == (
        "received", {"Адрес": "email", "Град": "attribute", "Бележка": "attribute"}
    )  # fmt: skip
    done = alice.client.post(f"/people/imports/{job.pk}/columns", form)
    run_import(job.pk)

    assert "All of the first 2 rows can be taken" in first
    assert ("2 rows cannot be taken" in wrong.content.decode(), cells(wrong.content.decode())) == (
        True,
        [
            ("", "The kind is not citizen, business, official or partner."),
            ("", "a@b.bg"), (' class="wrong"', "Варна"), ("", "тайна"),
            ("", "The kind is not citizen, business, official or partner."),
            ("", "c@b.bg"), (' class="wrong"', "Русе"), ("", ""),
        ],
    )  # fmt: skip
    assert "Another column is taken for this already." in twice.content.decode()
    assert done["Location"] == f"/people/imports/{job.pk}"
    assert set(Consent.objects.values_list("source", "text_version")) == {("fair", "v2")}
    assert list(Subscriber.objects.order_by("pk").values_list("addresses__normalised", "attributes")) == [
        ("a@b.bg", {"Град": "Варна"}),
        ("c@b.bg", {"Град": "Русе"}),
    ]
    assert alice.client.post(f"/people/imports/{job.pk}/columns", form)["Location"] == f"/people/imports/{job.pk}"


def test_a_file_that_is_not_confirmed_is_deleted_by_hand_or_after_a_day(
    alice: Person, charlie: Person, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hand_in(alice, topic, CSV), hand_in(alice, topic, CSV)
    stranger = charlie.client.post(f"/people/imports/{first.pk}/discard").status_code
    response = alice.post(f"/people/imports/{first.pk}/discard")
    resume_imports()
    kept = list(Import.objects.values_list("pk", flat=True)), stored_file(second).exists()

    monkeypatch.setattr(import_intake, "PATIENCE", timedelta(0))
    resume_imports()

    assert (stranger, response["Location"], kept) == (404, "/people/import", ([second.pk], True))
    assert (Import.objects.count(), stored_file(first).exists(), stored_file(second).exists()) == (0, False, False)


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


def test_a_persons_page_gives_the_signed_proof_of_the_consents(alice: Person, ana: Subscriber) -> None:
    seal_consents()
    link = f"/people/{ana.pk}/consents.json"

    answer = alice.client.get(link)

    proof = json.loads(answer.content)
    assert link in alice.see(f"/people/{ana.pk}")
    assert answer["Content-Disposition"] == f'attachment; filename="consents-{ana.pk}.json"'
    assert [consent["block"] for consent in proof["consents"]] == [1]
    assert '"text_version":"2026-1"' in proof["consents"][0]["text"]


def test_people_are_downloaded_from_a_page(alice: Person, bob: Person, ana: Subscriber, topic: Topic) -> None:
    page = alice.see("/people/export")
    answer = alice.client.post("/people/export", {"topic": topic.pk, "segment": "", "form": "ndjson"})

    assert ("Download the file" in page, "/people/export" in alice.see("/people")) == (True, True)
    assert answer["Content-Disposition"] == f'attachment; filename="ministry-{topic.slug}.ndjson"'
    assert [json.loads(line)["email"] for line in answer.getvalue().splitlines()] == ["ana@example.org"]
    assert alice.client.post("/people/export", {"topic": topic.pk, "form": "pdf"}).status_code == 200
    assert bob.client.get("/people/export").status_code == 403


def test_a_persons_page_says_how_far_they_came(
    alice: Person, charlie: Person, ana: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "How far this person came" not in alice.see(f"/people/{ana.pk}")
    ana.is_measured = True
    ana.save()
    service = Service.objects.create(
        organisation=alice.organisation, slug="permit", name={"en": "Building permit"}, url="https://p.example"
    )
    for stage, bearing in ((Goal.USES, Bearing.FOR), (Goal.RECOMMENDS, Bearing.AGAINST)):
        add_evidence(
            stage, EvidenceSource.SERVICE, organisation=alice.organisation.pk, service=service, subscriber=ana,
            bearing=bearing,
        )  # fmt: skip
    page, path = alice.see(f"/people/{ana.pk}"), f"/people/{ana.pk}/stages"
    monkeypatch.setattr(person_stages, "PAGE", 1)
    newest = alice.see(path)
    cursor = re.search(r"cursor=([^\"&]+)", newest)

    wanted = ("How far this person came", "Uses", "Recommends", "Not reached", "Building permit", "100% sure", path)
    assert [word for word in wanted if word not in page] == []
    assert cursor is not None
    assert [("Recommends" in one, "Uses" in one) for one in (newest, alice.see(f"{path}?cursor={cursor[1]}"))] == [
        (True, False),
        (False, True),
    ]
    assert [who.client.get(f"{path}?cursor=x").status_code for who in (alice, charlie)] == [404, 404]
