"""Domain reports over the API: listed, read whole, added up, and what to publish where there are none."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import Role
from outreach.events.models import DomainReport
from outreach.events.replies import take_mail
from tests.events.reports import EXPIRED, dmarc_mail, record, tls_mail

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

PASSED = record("1.2.3.4", 95)
FORGED = record("203.0.113.9", 6, dkim="fail", spf="fail", disposition="reject")
DAY = 86_400


@pytest.fixture
def receiving(ministry: Organisation) -> Account:
    return Account.objects.create(
        organisation=ministry,
        adapter="smtp",
        channel="email",
        name="Mail",
        unknown_policy="resend",
        hook_key="key",
        settings={
            "sender": "news@plovdiv.bg",
            "imap_host": "mail",
            "imap_username": "r@plovdiv.bg",
            "sends_from": "1.2.3.4",
        },
    )


def days_ago(days: int) -> int:
    return int(clock.now().timestamp()) - days * DAY


def take(account: Account, *mails: bytes) -> None:
    for content in mails:
        take_mail(account, content)


def test_a_report_is_listed_and_read_whole(api: Api, receiving: Account) -> None:
    take(receiving, dmarc_mail(PASSED, FORGED, number="1"))
    report = DomainReport.objects.get()
    listed = {
        "id": str(report.pk),
        "organisation": "ministry",
        "account": str(receiving.pk),
        "kind": "dmarc",
        "domain": "plovdiv.bg",
        "reporter": "google.com",
        "report_id": "1",
        "begins_at": "2023-11-14T22:13:20+00:00",
        "ends_at": "2023-11-15T22:13:19+00:00",
        "received_at": report.received_at.isoformat(),
        "passed": 95,
        "failed": 6,
        "policy": report.policy,
    }
    common = {"header_from": "plovdiv.bg", "returned_to": "plovdiv.bg", "override": ""}

    assert api.get("/domain-reports") == (200, {"items": [listed], "next_cursor": None})
    assert api.get(f"/domain-reports/{report.pk}") == (
        200,
        {
            **listed,
            "sources": [
                {"address": "1.2.3.4", "messages": 95, "dkim": True, "spf": True, "disposition": "none",
                 "signed_by": "plovdiv.bg", **common},
                {"address": "203.0.113.9", "messages": 6, "dkim": False, "spf": False, "disposition": "reject",
                 "signed_by": "", **common},
            ],
            "tls_failures": [],
        },
    )  # fmt: skip


def test_failures_of_encryption_are_read(api: Api, receiving: Account) -> None:
    take(receiving, tls_mail(EXPIRED))
    status, report = api.get(f"/domain-reports/{DomainReport.objects.get().pk}")

    assert (status, report["kind"], report["passed"], report["failed"], report["sources"]) == (200, "tls", 100, 7, [])
    assert [(row["result"], row["sessions"], row["server"]) for row in report["tls_failures"]] == [
        ("certificate-expired", 7, "mx1.plovdiv.bg")
    ]


def test_reports_are_filtered_and_come_by_pages(api: Api, receiving: Account) -> None:
    take(receiving, *(dmarc_mail(PASSED, number=str(number), begin=days_ago(number)) for number in range(5)))
    take(receiving, tls_mail(EXPIRED))

    def ids(query: str) -> list[str]:
        status, found = api.get(f"/domain-reports?{query}")
        assert status == 200
        return [row["report_id"] for row in found["items"]]

    def day(number: int) -> str:
        return clock.now().fromtimestamp(days_ago(number), clock.now().tzinfo).date().isoformat()

    assert ids("kind=tls") == ["t1"]
    assert ids("kind=dmarc&domain=Plovdiv.BG") == ["4", "3", "2", "1", "0"]
    assert ids("domain=sofia.bg") == []
    assert ids(f"since={day(3)}&until={day(2)}") == ["3", "2"]
    first = api.get("/domain-reports?limit=4")[1]
    second = api.get(f"/domain-reports?limit=4&cursor={first['next_cursor']}")[1]
    assert [row["report_id"] for row in first["items"] + second["items"]] == ["t1", "4", "3", "2", "1", "0"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    ["since=2026-02-01&until=2026-01-01", "until=9999-12-31", "since=fnord", "kind=spam", "domain=%00", "cursor=!"],
)
def test_a_filter_that_is_none_is_refused(api: Api, query: str) -> None:
    status, problem = api.get(f"/domain-reports?{query}")

    assert (status, problem["code"]) == (422, "invalid")


def test_reports_of_a_domain_are_added_up(api: Api, receiving: Account) -> None:
    take(receiving, dmarc_mail(PASSED, FORGED, number="1", begin=days_ago(1)), tls_mail(EXPIRED))
    DomainReport.objects.filter(kind="tls").update(begins_at=clock.now())
    begun = DomainReport.objects.get(kind="dmarc").begins_at.date().isoformat()

    status, use = api.get("/sender-domains/Plovdiv.bg?days=7")

    assert (status, len(use["days"]), [day for day in use.pop("days") if day["passed"]]) == (
        200, 7, [{"on": begun, "passed": 95, "failed": 6}],
    )  # fmt: skip
    sums = {"quarantined": 0, "forwarded": 0, "reporters": 1, "returned_to": "plovdiv.bg", "last_on": begun}
    assert use.pop("since") < begun
    assert use == {
        "domain": "plovdiv.bg",
        "policy": "none",
        "passed": 95,
        "failed": 6,
        "reporters": 1,
        "source_count": 2,
        "sources": [
            {"address": "1.2.3.4", "messages": 95, "passed": 95, "spf": 95, "dkim": 95, "rejected": 0,
             "is_ours": True, **sums},
            {"address": "203.0.113.9", "messages": 6, "passed": 0, "spf": 0, "dkim": 0, "rejected": 6,
             "is_ours": False, **sums},
        ],
        "encrypted": 100,
        "unencrypted": 7,
        "tls_failures": [
            {"result": "certificate-expired", "server": "mx1.plovdiv.bg", "sessions": 7, "reporters": 1,
             "last_on": clock.now().date().isoformat()},
        ],
    }  # fmt: skip


def test_the_records_to_publish_are_told_until_a_report_comes(api: Api, receiving: Account) -> None:
    records = [
        {"kind": "dmarc", "name": "_dmarc.plovdiv.bg", "type": "TXT",
         "value": "v=DMARC1; p=none; rua=mailto:r@plovdiv.bg"},
        {"kind": "tls", "name": "_smtp._tls.plovdiv.bg", "type": "TXT",
         "value": "v=TLSRPTv1; rua=mailto:r@plovdiv.bg"},
    ]  # fmt: skip

    before = api.get("/sender-domains")
    take(receiving, dmarc_mail(PASSED, number="1", begin=days_ago(1)))

    assert before == (
        200,
        {"items": [{"domain": "plovdiv.bg", "is_reported": False, "records": records}], "next_cursor": None},
    )
    assert api.get("/sender-domains")[1]["items"] == [{"domain": "plovdiv.bg", "is_reported": True, "records": []}]


def test_an_organisation_reads_its_subtree_and_nobody_elses(
    api: Api, stranger: Api, ministry: Organisation, receiving: Account
) -> None:
    town = Organisation.objects.create(slug="town", name={"en": "Town"}, parent=ministry)
    analyst = make_api(ministry, Role.ANALYST)
    take(receiving, dmarc_mail(PASSED, number="1", begin=days_ago(1)))
    report = DomainReport.objects.get()
    paths = ("/domain-reports", "/sender-domains")
    ones = (f"/domain-reports/{report.pk}", "/sender-domains/plovdiv.bg")

    for reader in (stranger, make_api(town)):
        assert [reader.get(path) for path in paths] == [(200, {"items": [], "next_cursor": None})] * 2
        assert [reader.get(path)[0] for path in ones] == [404, 404]
    assert [analyst.get(path) for path in paths + ones] == [api.get(path) for path in paths + ones]
    assert {api.call(method, path)[0] for method in ("POST", "PATCH", "DELETE") for path in paths + ones} == {405}


def test_more_reports_ask_the_database_no_more_often(
    api: Api, receiving: Account, django_assert_num_queries: Any
) -> None:
    take(receiving, dmarc_mail(PASSED, number="1"))
    api.get("/domain-reports")
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as one:
        api.get("/domain-reports")
    take(receiving, dmarc_mail(PASSED, number="2"), dmarc_mail(PASSED, number="3"))
    with django_assert_num_queries(len(one)):
        assert len(api.get("/domain-reports")[1]["items"]) == 3
