"""One-time links: sent to the person's own address, shown by GET, used by one POST, for half an hour."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from outreach.audience.models import Address
from outreach.core import clock
from outreach.core.models import Account, AuditEntry, Organisation
from outreach.core.vocabulary import EventKind, EvidenceSource, Goal
from outreach.delivery import tokens
from outreach.delivery.models import Notice
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.one_time import BETWEEN, ERASE, EXPORT, GOOD_FOR, make_link
from outreach.events.record import Happening, record
from outreach.events.stages import add_evidence
from tests.events.conftest import Sent, make_sent

pytestmark = [pytest.mark.django_db, pytest.mark.urls("outreach.web.public.urls")]


@pytest.fixture
def sent() -> Sent:
    return make_sent()


def page_of(sent: Sent) -> str:
    told = Token(kind=TokenKind.PERSON, run=sent.run.pk, delivery=sent.delivery, channel="email", language="bg")
    return f"/p/{tokens.make(told)}/data?language=en"


def reached(sent: Sent) -> None:
    """Evidence that names the person."""
    add_evidence(
        Goal.USES, EvidenceSource.SERVICE, organisation=sent.organisation.pk, run=sent.run, subscriber=sent.subscriber
    )


def audited() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


@pytest.mark.parametrize("action", [EXPORT, ERASE])
def test_a_link_goes_to_the_persons_own_address_once_in_a_while(client: Client, sent: Sent, action: str) -> None:
    pages = [client.post(page_of(sent), {"action": action}).content for _ in range(2)]
    notice = Notice.objects.get()
    assert pages[0] == pages[1]
    assert (notice.value, notice.subscriber_id) == ("ivana@example.bg", sent.subscriber.pk)
    assert notice.data["link"].startswith(f"{settings.BASE_URL}/d/")
    assert notice.data["link"].encode() not in pages[0]
    assert audited() == ["subscriber.link_sent"]
    with clock.frozen(clock.now() + BETWEEN + timedelta(minutes=1)):
        client.post(page_of(sent), {"action": action})
    assert Notice.objects.count() == 2


def test_the_page_says_the_same_where_no_link_can_be_sent(client: Client, sent: Sent) -> None:
    said = client.post(page_of(sent), {"action": EXPORT}).content
    Notice.objects.all().delete()
    AuditEntry.objects.all().delete()
    Account.objects.update(organisation=Organisation.objects.create(slug="varna"))
    assert client.post(page_of(sent), {"action": EXPORT}).content == said
    Address.objects.all().delete()
    assert client.post(page_of(sent), {"action": EXPORT}).content == said
    assert (Notice.objects.count(), audited()) == (0, [])


@pytest.mark.parametrize("form", [{}, {"action": "nonsense"}])
def test_without_an_action_nothing_is_sent(client: Client, sent: Sent, form: dict[str, str]) -> None:
    shown = client.get(page_of(sent)).content
    assert client.post(page_of(sent), form).content == shown
    assert Notice.objects.count() == 0


def test_an_export_is_taken_once(client: Client, sent: Sent) -> None:
    link = f"/d/{make_link(sent.subscriber, EXPORT)}"
    record(Happening(kind=EventKind.OPENED, run=sent.run.pk, delivery=sent.delivery, channel="email", language="bg"))
    reached(sent)
    for _ in range(2):
        assert client.get(link).status_code == 200
    taken = client.post(link, {"format": "json"})
    known = json.loads(taken.content)
    assert known["addresses"][0]["value"] == "ivana@example.bg"
    assert [(entry["kind"], entry["word"]) for entry in known["timeline"]] == [
        ("event", "opened"),
        ("delivery", "accepted"),
    ]
    assert [(piece["stage"], piece["source"], piece["campaign"]) for piece in known["stages"]] == [
        ("uses", "service", "Данъци 2026")
    ]
    assert taken["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert [client.post(link).status_code, client.get(link).status_code] == [410, 410]
    assert client.get(f"/d/{make_link(sent.subscriber, EXPORT)}").status_code == 200
    assert audited() == ["subscriber.exported"]


def test_a_csv_export_runs_no_formula(client: Client, sent: Sent) -> None:
    sent.subscriber.name = '=HYPERLINK("https://evil.example")'
    sent.subscriber.attributes = {"@SUM(1)": ["-1+1"]}
    sent.subscriber.save()
    reached(sent)
    text = client.post(f"/d/{make_link(sent.subscriber, EXPORT)}", {"format": "csv"}).content.decode()
    lines = dict(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert lines["name"] == '\'=HYPERLINK("https://evil.example")'
    assert lines["attributes/@SUM(1)/0"] == "'-1+1"
    assert lines["addresses/0/value"] == "ivana@example.bg"
    assert (lines["stages/0/stage"], lines["stages/0/confidence"]) == ("uses", "1.0")


def test_an_erasure_is_asked_for_and_done_once(client: Client, sent: Sent) -> None:
    link, other = (f"/d/{make_link(sent.subscriber, action)}" for action in (ERASE, EXPORT))
    assert "This cannot be taken back" in client.get(f"{link}?language=en").content.decode()
    sent.subscriber.refresh_from_db()
    assert sent.subscriber.erased_at is None
    assert client.post(link).status_code == 200
    sent.subscriber.refresh_from_db()
    assert (sent.subscriber.erased_at is None, sent.subscriber.name, sent.subscriber.addresses.count()) == (
        False,
        "",
        0,
    )
    assert [client.post(link).status_code, client.post(other).status_code] == [410, 410]
    assert audited() == ["subscriber.erased"]


def test_a_link_that_is_old_or_not_ours_does_nothing(client: Client, sent: Sent) -> None:
    token = make_link(sent.subscriber, ERASE)
    with clock.frozen(clock.now() + GOOD_FOR + timedelta(minutes=1)):
        assert client.post(f"/d/{token}").status_code == 410
    for bad in (token[:-1] + ("A" if token[-1] != "A" else "B"), f"x{token}", "nonsense", page_of(sent).split("/")[2]):
        assert client.post(f"/d/{bad}").status_code == 410
    sent.subscriber.refresh_from_db()
    assert sent.subscriber.erased_at is None
