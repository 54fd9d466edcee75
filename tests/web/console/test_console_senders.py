"""Who sends in our name: the page adds reports up, says what to publish where there are none, and hides others'."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.events.reports import EXPIRED, dmarc_mail, record, tls_mail
from tests.web.console.conftest import Person

PASSED = record("1.2.3.4", 95)
PART = record("198.51.100.7", 3, dkim="fail") + record("198.51.100.7", 1, dkim="fail", spf="fail", reason="forwarded")
FORGED = record("203.0.113.9", 6, dkim="fail", spf="fail", disposition="reject")


def today_at(days_ago: int) -> int:
    from outreach.core import clock

    return int(clock.now().timestamp()) - days_ago * 86_400


def account_of(person: Person, **settings: str) -> Any:
    from outreach.core.models import Account

    return Account.objects.create(
        organisation=person.organisation,
        adapter="smtp",
        channel="email",
        name="Mail",
        unknown_policy="resend",
        hook_key=f"key-{person.organisation.slug}",
        settings={"sender": "news@plovdiv.bg", **settings},
    )


@pytest.fixture
def receiving(alice: Person) -> Any:
    return account_of(alice, imap_host="mail", imap_username="r@plovdiv.bg", sends_from="1.2.3.4")


def take(account: Any, *mails: bytes) -> None:
    from outreach.events.replies import take_mail

    for content in mails:
        take_mail(account, content)


def text_of(page: str) -> str:
    main = page.partition("<main")[2].partition("</main>")[0]
    return " ".join(
        unescape(re.sub(r"<(title|svg).*?</\1>|<[^>]+>", " ", main, flags=re.S)).replace("\u00a0", " ").split()
    )


def test_reports_are_added_up_by_source(alice: Person, receiving: Any) -> None:
    take(
        receiving,
        dmarc_mail(PASSED, FORGED, number="1", begin=today_at(1)),
        dmarc_mail(PASSED, PART, number="2", begin=today_at(0)),
        dmarc_mail(PASSED, number="old", begin=today_at(200)),
    )

    page = text_of(alice.see("/senders"))

    assert "3.5% of what was sent in the name of plovdiv.bg did not pass" in page
    assert "Messages 200 Sources 3 Reporters 1" in page
    rows = page.partition("Refused Last ")[2]
    verdict, counts = r"(passes in part|passes|does not pass) (.*?)", r"(\d+) (\d+)% (\d+)% (\d+) (\d+) "
    assert re.findall(rf"([\d.]+\.\d+) (.*?) {verdict}{counts}", rows) == [
        ("1.2.3.4", "an account’s own address", "passes", "", "190", "100", "100", "0", "0"),
        ("203.0.113.9", "plovdiv.bg", "does not pass", "", "6", "0", "0", "0", "6"),
        ("198.51.100.7", "plovdiv.bg", "passes in part", "1 forwarded by others ", "4", "75", "0", "0", "0"),
    ]  # fmt: skip


def test_days_are_drawn_and_the_period_is_chosen(alice: Person, receiving: Any) -> None:
    from outreach.effectiveness.senders import Day, domain_use
    from outreach.web.console.senders import Column, columns

    take(
        receiving, dmarc_mail(PASSED, FORGED, number="1", begin=today_at(1)), dmarc_mail(number="2", begin=today_at(9))
    )

    use = domain_use(alice.organisation, "plovdiv.bg", days=7)
    drawn = columns(use)

    assert [(day.passed, day.failed) for day in use.days] == [(0, 0)] * 5 + [(95, 6), (0, 0)]
    assert [round(column.passed + column.failed) for column in drawn] == [0] * 5 + [200, 0]
    assert isinstance(drawn[0], Column)
    assert isinstance(use.days[0], Day)
    assert isinstance(use.since, date)
    assert alice.see("/senders?domain=plovdiv.bg&days=7").count('class="hit"') == 7
    assert alice.see("/senders?domain=nobody.example&days=fnord").count('class="hit"') == 30


def test_failures_of_encryption_are_said_in_words(alice: Person, receiving: Any) -> None:
    from outreach.core import clock
    from outreach.events.models import DomainReport

    take(receiving, tls_mail(EXPIRED))
    DomainReport.objects.update(begins_at=clock.now())

    page = text_of(alice.see("/senders"))

    assert "100 connections to our mail servers were encrypted, 7 could not be." in page
    assert "The certificate has expired certificate-expired mx1.plovdiv.bg 7 1" in page


def test_without_reports_the_page_says_what_to_publish(alice: Person, receiving: Any) -> None:
    page = unescape(alice.see("/senders"))

    assert "No report yet" in page
    assert re.findall(r'id="(?:name|value)\d" value="([^"]*)"', page) == [
        "_dmarc.plovdiv.bg", "v=DMARC1; p=none; rua=mailto:r@plovdiv.bg",
        "_smtp._tls.plovdiv.bg", "v=TLSRPTv1; rua=mailto:r@plovdiv.bg",
    ]  # fmt: skip


def test_without_an_account_the_page_leads_to_one(alice: Person) -> None:
    assert "No domain yet" in alice.see("/senders")


def test_an_organisation_sees_its_subtree_and_nobody_elses(
    alice: Person, bob: Person, charlie: Person, receiving: Any
) -> None:
    take(account_of(bob), dmarc_mail(PASSED, number="town", begin=today_at(1)))
    take(receiving, dmarc_mail(FORGED, number="ministry", begin=today_at(1)))

    assert "Messages 101 " in text_of(alice.see("/senders"))
    assert "Messages 95 " in text_of(bob.see("/senders"))
    assert "plovdiv.bg" not in charlie.see("/senders?domain=plovdiv.bg")
    assert "1.2.3.4" not in charlie.see("/senders.csv?domain=plovdiv.bg")


def test_the_sources_are_exported(alice: Person, receiving: Any) -> None:
    take(receiving, dmarc_mail(PASSED, FORGED, begin=today_at(1)))

    lines = alice.see("/senders.csv").lstrip("\ufeff").splitlines()

    assert [line.split(",")[:5] for line in lines] == [
        ["address", "messages", "passed", "spf", "dkim"],
        ["1.2.3.4", "95", "95", "95", "95"],
        ["203.0.113.9", "6", "0", "0", "0"],
    ]


def test_the_page_is_in_bulgarian(alice: Person, receiving: Any) -> None:
    alice.user.language = "bg"
    alice.user.save()
    take(receiving, dmarc_mail(PASSED, FORGED, begin=today_at(1)))

    page = text_of(alice.see("/senders"))

    assert "Кой изпраща от наше име" in page
    assert "5,9 % от изпратеното от името на plovdiv.bg не мина" in page
    assert "собствен адрес на профил" in page


def test_more_sources_ask_the_database_no_more_often(alice: Person, receiving: Any) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            alice.see("/senders")
        return len(asked)

    make: Callable[[int], bytes] = lambda number: dmarc_mail(  # noqa: E731 -- one line
        *(record(f"1.2.3.{each}", 1) for each in range(number)), number=str(number), begin=today_at(number)
    )
    take(receiving, make(1))
    one = queries()
    take(receiving, make(2), make(3))
    assert queries() == one
