"""A service's register on screen: rows taken in, those that were not named by line, strangers kept out."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile

from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.campaigns.models import Campaign, Run, Service
from outreach.core import clock
from outreach.core.models import Organisation
from outreach.delivery.models import Counter
from outreach.events.models import Conversion
from outreach.events.stage_answers import add_answer
from outreach.web.console.registers import MOST_ROWS
from tests.web.console.conftest import Person


def handed_in(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("register.csv", text.encode())


def test_a_register_is_taken_in_and_wrong_rows_are_named(
    alice: Person, bob: Person, charlie: Person, ministry: Organisation
) -> None:
    upsert_subscriber(alice.actor, SubscriberData(addresses=[AddressData(channel="email", value="ana@example.org")]))
    service = Service.objects.create(organisation=ministry, slug="pay", name={"en": "Pay"}, url="https://x.example")
    path = f"/services/{service.pk}/register"
    empty, service_page = alice.see(path), alice.see(f"/services/{service.pk}")
    rows = "email,at\nana@example.org,2026-03-02T10:00:00+02:00\nnobody@example.org,2026-03-02T10:00:00+02:00\n"
    page = alice.post(path, file=handed_in(rows)).content.decode()
    too_long = alice.post(path, file=handed_in("email,at\n" + "x,y\n" * (MOST_ROWS + 1))).content.decode()

    no_register = alice.post(path, file=handed_in("name\nAna\n")).content.decode()

    assert "The first line has to name the columns: at, and one of email, phone," in no_register
    assert path in service_page
    assert ("What became of the rows" in empty, "Nobody whom we know has this address." in page) == (False, True)
    assert ('id="id_file_error"' in too_long, Conversion.objects.count()) == (True, 1)
    assert [who.client.get(path).status_code for who in (bob, charlie)] == [403, 404]


def test_a_report_says_what_each_stage_rests_on(alice: Person, ministry: Organisation) -> None:
    campaign = Campaign.objects.create(organisation=ministry, name="Card")
    now = clock.now()
    frozen = {"topics": [], "contents": [], "channels": ["email"], "tracking": "aggregate"}
    run = Run.objects.create(
        organisation=ministry, campaign=campaign, occurrence=now, as_of=now, salt=b"salt", frozen=frozen
    )
    early = alice.see(f"/campaigns/{campaign.pk}/report")
    Counter.objects.create(run=run, slot=0, kind="state", channel="email", language="bg", name="accepted", count=9)
    add_answer("satisfied", 5, organisation=ministry.pk, run=run)
    add_answer("satisfied", 3, organisation=ministry.pk, run=run)
    page = alice.see(f"/campaigns/{campaign.pk}/report")

    sentences = (
        "The message arrived",
        "60.0%",
        "Somebody answered our question",
        "as the answer says",
        "1, not counted",
    )
    assert [text for text in sentences if text not in page] == []
    assert ("No message has reached its reader yet" in early, "9 messages reached their readers" in page) == (
        True,
        True,
    )
