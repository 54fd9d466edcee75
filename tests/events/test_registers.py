"""A service's register: each row one conversion, first use and repeated, none twice, wrong ones named by line."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from outreach.campaigns.models import Service
from outreach.cli import main
from outreach.core.access import product_itself
from outreach.core.errors import Invalid
from outreach.core.models import AuditEntry, Organisation
from outreach.delivery import tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.models import Conversion
from outreach.events.registers import LOCK, take_register
from tests.events.conftest import Sent

pytestmark = pytest.mark.django_db

REGISTER = """email,at,name,value
Ivana@example.bg,2026-03-02T10:00:00+02:00,,12.5
ivana@example.bg,2026-03-09T10:00:00+02:00,satisfied,
nobody@example.bg,2026-03-02T10:00:00+02:00,,
ivana@example.bg,yesterday,,
ivana@example.bg,2026-03-02T10:00:00+02:00,,a lot
"not an address",2026-03-02T10:00:00+02:00,,
"""


@pytest.fixture
def service(sent: Sent) -> Service:
    return Service.objects.create(organisation=sent.organisation, slug="pay", name={"en": "Pay"}, url="https://x.bg")


def test_a_register_is_taken_in_once(
    sent: Sent, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "register.csv"
    file.write_text("\ufeff" + REGISTER)
    said = []
    for _time in range(2):
        assert main(["register", str(file), "--organisation", "plovdiv", "--service", "pay", "--json"]) == 1
        said.append(json.loads(capsys.readouterr().out))

    assert [{**each, "rejected": [line for line, _ in each["rejected"]]} for each in said] == [
        {"first": 1, "repeated": 1, "known": 0, "rejected": [4, 5, 6, 7]},
        {"first": 0, "repeated": 0, "known": 2, "rejected": [4, 5, 6, 7]},
    ]
    assert list(Conversion.objects.order_by("at").values_list("name", "value", "subscriber", "service")) == [
        ("used", 12.5, sent.subscriber.pk, service.pk),
        ("satisfied", None, sent.subscriber.pk, service.pk),
    ]
    assert AuditEntry.objects.filter(action="conversion.recorded").count() == 2


def test_a_delivery_counts_for_its_message(sent: Sent, service: Service) -> None:
    row = f"delivery,at\n{sent.run.pk}-{sent.delivery},2026-03-02T10:00:00+02:00\n"
    taken = [take_register(product_itself(sent.organisation), row.splitlines(), service="pay") for _time in range(2)]

    assert [(one.first, one.known, one.rejected) for one in taken] == [(1, 0, []), (0, 1, [])]
    assert Conversion.objects.values_list("run", "delivery").get() == (sent.run.pk, sent.delivery)


def test_what_a_spreadsheet_writes_is_read_and_what_is_no_register_is_refused(sent: Sent, service: Service) -> None:
    actor = product_itself(sent.organisation)
    rows = ["Email;At;Note\r\n", "\r\n", "ivana@example.bg;2026-03-02T10:00:00+02:00;„да“\r\n", "ana\rpetar;\n"]
    taken = take_register(actor, rows, service="pay")
    assert (taken.first, taken.rejected) == (1, [(4, "file: This line falls into no cells.")])
    for text in ("", "email,when\nivana@example.bg,yesterday\n", "at\n2026-03-02T10:00:00+02:00\n"):
        with pytest.raises(Invalid) as refused:
            take_register(actor, text.splitlines(keepends=True), service="pay")
        assert list(refused.value.fields) == ["file"]


def test_a_row_that_no_database_keeps_loses_nothing_but_itself(sent: Sent, service: Service) -> None:
    rows = [
        "email,at,name\n",
        "ivana@example.bg,0001-01-01T00:00:00+14:00,\n",
        "ivana@example.bg,2026-03-02T10:00:00+02:00,us\0ed\n",
        "ivana@example.bg,2026-03-03T10:00:00+02:00,\n",
    ]
    taken = take_register(product_itself(sent.organisation), rows, service="pay")
    assert (taken.first, taken.repeated, [line for line, _why in taken.rejected]) == (1, 1, [2])
    assert list(Conversion.objects.order_by("at").values_list("name", flat=True)) == ["used", "used"]


def test_strangers_and_unknown_services_are_rejected(sent: Sent, service: Service) -> None:
    other = product_itself(Organisation.objects.create(slug="other", name={"en": "Other"}))
    for actor, slug in ((other, "pay"), (product_itself(sent.organisation), "nothing")):
        assert len(take_register(actor, REGISTER.splitlines(), service=slug).rejected) == 6
    assert Conversion.objects.count() == 0


def test_readers_who_share_a_link_s_token_are_counted_one_by_one(sent: Sent, service: Service) -> None:
    click = tokens.make(Token(kind=TokenKind.CLICK, run=sent.run.pk, channel="email", language="bg"))
    day = [f"{click},2026-03-02T00:00:00+02:00,", f"{click},2026-03-02T00:00:00+02:00,7"]
    files = [[day[0]] * 2, [day[0]] * 3 + [day[1]], [day[1], *[day[0]] * 3]]
    actor = product_itself(sent.organisation)
    taken = [take_register(actor, ["click_token,at,value", *rows], service="pay") for rows in files]

    assert [(one.first, one.known, one.rejected) for one in taken] == [(2, 0, []), (2, 2, []), (0, 4, [])]
    assert sorted(Conversion.objects.values_list("value", flat=True), key=str) == [7.0, None, None, None]


def test_two_registers_of_a_service_are_not_taken_in_at_once(sent: Sent, service: Service) -> None:
    actor = product_itself(sent.organisation)
    Service.objects.create(organisation=sent.organisation, slug="park", name={"en": "Park"}, url="https://x.bg")
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(LOCK, [str(service.pk)])
        with pytest.raises(Invalid) as refused:
            take_register(actor, REGISTER.splitlines(), service="pay")
        assert take_register(actor, REGISTER.splitlines(), service="park").first == 1

    said = "A register of this service is being taken in. Try again when that is done."
    assert {name: [str(text) for text in texts] for name, texts in refused.value.fields.items()} == {"file": [said]}
    assert take_register(actor, REGISTER.splitlines(), service="pay").first == 1
    with psycopg.connect(**connection.get_connection_params()) as other:
        assert other.execute(LOCK, [str(service.pk)]).fetchone() == (True,)
