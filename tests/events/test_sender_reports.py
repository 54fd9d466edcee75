"""Reports of receivers: read from every packing, hardened against those that are made to do harm, kept once."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from functools import partial
from typing import Any

import pytest

from outreach.events import report_files
from outreach.events.report_files import LARGEST, unpack
from outreach.events.report_files import report_files as files_of
from outreach.events.sender_reports import NoReport, SenderReport, Source, TlsFailure, read_dmarc, read_report, read_tls
from tests.events.reports import EXPIRED, dmarc, dmarc_mail, mail, record, tls, tls_mail, zipped

OURS = record("1.2.3.4", 40)
FORGED = record("203.0.113.9", 5, dkim="fail", spf="fail", disposition="reject")
READ = SenderReport(
    kind="dmarc",
    domain="plovdiv.bg",
    reporter="google.com",
    report_id="1",
    begins_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
    ends_at=datetime(2023, 11, 15, 22, 13, 19, tzinfo=UTC),
    passed=40,
    failed=5,
    policy={"p": "none", "sp": "none", "adkim": "r", "aspf": "r", "pct": "100"},
    sources=(
        Source(
            address="1.2.3.4", messages=40, dkim=True, spf=True, header_from="plovdiv.bg", signed_by="plovdiv.bg",
            returned_to="plovdiv.bg",
        ),
        Source(
            address="203.0.113.9", messages=5, dkim=False, spf=False, disposition="reject", header_from="plovdiv.bg",
            returned_to="plovdiv.bg",
        ),
    ),
)  # fmt: skip


def test_a_dmarc_report_is_read_whole() -> None:
    assert read_dmarc(dmarc(OURS, FORGED)) == READ


def test_rows_that_differ_in_nothing_become_one_and_overrides_stay() -> None:
    forwarded = record("1.2.3.4", 3, spf="fail", reason="forwarded")

    report = read_dmarc(dmarc(record("1.2.3.4", 10), record("1.2.3.4", 30), forwarded))

    assert [(source.messages, source.spf, source.override) for source in report.sources] == [
        (40, True, ""), (3, False, "forwarded"),
    ]  # fmt: skip
    assert (report.passed, report.failed) == (43, 0)


def test_names_count_without_their_namespace() -> None:
    data = dmarc(OURS, FORGED).replace(b"<feedback>", b'<feedback xmlns="http://dmarc.org/dmarc-xml/0.1">')

    assert read_dmarc(data) == READ


def test_a_tls_report_is_read_whole() -> None:
    refused = {"result-type": "starttls-not-supported", "receiving-ip": "203.0.113.7", "failed-session-count": 2}

    assert read_tls(tls(EXPIRED, refused)) == [
        SenderReport(
            kind="tls",
            domain="plovdiv.bg",
            reporter="Company-X",
            report_id="t1",
            begins_at=datetime(2023, 11, 14, tzinfo=UTC),
            ends_at=datetime(2023, 11, 14, 23, 59, 59, tzinfo=UTC),
            passed=100,
            failed=9,
            policy={"type": "sts"},
            failures=(
                TlsFailure(
                    result="certificate-expired", sessions=7, server="mx1.plovdiv.bg", address="2001:db8:abcd:12::1"
                ),
                TlsFailure(result="starttls-not-supported", sessions=2, server="203.0.113.7"),
            ),
        )
    ]


PACKINGS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: mail(gzip.compress(dmarc(OURS, FORGED)), "application/gzip", "r.xml.gz"),
    "zip": lambda: mail(zipped("r.xml", dmarc(OURS, FORGED)), "application/zip", "r.zip"),
    "old zip": lambda: mail(zipped("r.xml", dmarc(OURS, FORGED)), "application/x-zip-compressed", "r.zip"),
    "unpacked": lambda: mail(dmarc(OURS, FORGED), "text/xml", "r.xml"),
    "octets": lambda: mail(gzip.compress(dmarc(OURS, FORGED)), "application/octet-stream", "r.xml.gz"),
    "by its name": lambda: mail(gzip.compress(dmarc(OURS, FORGED)), "image/png", "r.xml.gz"),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_packing_is_opened(packing: str) -> None:
    (data,) = files_of(message_from_bytes(PACKINGS[packing]()))

    assert read_report(data) == [READ]


ENTITIES = '<!DOCTYPE feedback [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE feedback [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
NOT_REPORTS = {
    "entities": dmarc(OURS, head=ENTITIES, domain="&b;.bg"),
    "an outside entity": dmarc(OURS, head=EXTERNAL, number="&a;"),
    "a document type alone": dmarc(OURS, head='<!DOCTYPE feedback SYSTEM "http://127.0.0.1/x.dtd">'),
    "another document": b"<html><body>hello</body></html>",
    "broken": dmarc(OURS)[:-20],
    "deep": b"<feedback>" + b"<a>" * 100_000,
    "no domain": dmarc(OURS, domain="<script>"),
    "no address": dmarc(record("plovdiv", 1)),
    "no id": dmarc(OURS, number=""),
    "a long time ago": dmarc(OURS, begin=10**15),
    "a year long": dmarc(OURS).replace(b"<end>", b"<end>9"),
    "deep json": b'{"policies":' + b"[" * 100_000,
    "another json": b'{"policies": [1, {"policy": 3}], "date-range": []}',
    "a json of numbers": b'{"policies": 3}',
    "text": b"Hello",
    "nothing": b"",
}


@pytest.mark.parametrize("name", NOT_REPORTS)
def test_what_is_no_report_is_refused(name: str) -> None:
    began = time.process_time()
    with pytest.raises(NoReport):
        read_report(NOT_REPORTS[name])

    assert time.process_time() - began < 1


def test_texts_are_cut_and_numbers_bounded() -> None:
    report = read_dmarc(dmarc(record("1.2.3.4", 10**30), record("1.2.3.5", -5), number="n" * 5000))

    assert (len(report.report_id), report.passed) == (200, 10**9)


def test_bombs_are_not_unpacked_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_files, "LARGEST", 100_000)
    bombs = [pack(b"\0" * 20_000_000) for pack in (gzip.compress, partial(zipped, "r.xml"))]

    tracemalloc.start()
    try:
        assert [list(unpack(bomb)) for bomb in bombs] == [[], []]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert list(unpack(zipped("r.exe", b"<feedback/>"))) == []
    assert list(unpack(gzip.compress(b"<feedback/>")[:-9])) == []
    assert list(unpack(b"PK\x03\x04 broken")) == []


def test_many_files_of_one_mail_are_not_all_looked_at() -> None:
    letter = message_from_bytes(mail(b"<x/>", "text/xml", "a.xml"))
    for part in message_from_bytes(mail(b"<x/>", "text/xml", "b.xml")).get_payload()[1:] * 50:  # type: ignore[index]
        letter.attach(part)

    assert len(list(files_of(letter))) == report_files.MOST_FILES
    assert LARGEST == 20 * 1024 * 1024


@pytest.fixture
def receiving(sent: Any) -> Any:
    """The account of Plovdiv, which sends from plovdiv.bg."""
    sent.account.settings = {"sender": "Община <news@plovdiv.bg>", "imap_host": "mail", "imap_username": "r@plovdiv.bg"}
    sent.account.save()
    return sent.account


def kept() -> list[tuple[str, str, str, int, int]]:
    from outreach.events.models import DomainReport

    rows = DomainReport.objects.order_by("pk").values_list("kind", "domain", "report_id", "passed", "failed")
    return list(rows)


def test_a_report_is_kept_once_and_is_no_reply(receiving: Any) -> None:
    from outreach.events.models import Reply, ReportedSource, ReportedTlsFailure
    from outreach.events.replies import take_mail

    for content in (dmarc_mail(OURS, FORGED), dmarc_mail(OURS, FORGED), tls_mail(EXPIRED), tls_mail(EXPIRED)):
        assert take_mail(receiving, content) is None

    assert kept() == [("dmarc", "plovdiv.bg", "1", 40, 5), ("tls", "plovdiv.bg", "t1", 100, 7)]
    assert ReportedSource.objects.count() == 2
    assert list(ReportedTlsFailure.objects.values_list("result", "sessions")) == [("certificate-expired", 7)]
    assert Reply.objects.count() == 0


def test_a_report_about_a_strangers_domain_is_passed_over(receiving: Any) -> None:
    from outreach.events.models import Reply
    from outreach.events.replies import take_mail

    take_mail(receiving, dmarc_mail(OURS, domain="evil.example"))
    take_mail(receiving, dmarc_mail(OURS, domain="news.plovdiv.bg", number="2"))

    assert kept() == [("dmarc", "news.plovdiv.bg", "2", 40, 0)]
    assert Reply.objects.count() == 0


def test_a_report_that_cannot_be_read_is_no_reply_either(receiving: Any) -> None:
    from outreach.events.models import Reply
    from outreach.events.replies import take_mail

    broken = mail(gzip.compress(dmarc(OURS)[:-30]), "application/gzip", "google.com!plovdiv.bg!1.xml.gz")

    assert take_mail(receiving, broken) is None
    assert (kept(), Reply.objects.count()) == ([], 0)


def test_a_persons_answer_with_a_report_attached_stays_an_answer(receiving: Any) -> None:
    from outreach.events.models import Reply
    from outreach.events.replies import take_mail

    answer = mail(
        gzip.compress(dmarc(OURS)), "application/gzip", "r.xml.gz", **{"In-Reply-To": "<x@y>", "Subject": "Re: x"}
    )
    with_photos = mail(zipped("a.jpg", b"x"), "application/zip", "photos.zip", Subject="Снимки")

    for content in (answer, with_photos):
        assert take_mail(receiving, content) is not None
    assert (kept(), Reply.objects.count()) == ([], 2)


def test_old_reports_are_dropped(receiving: Any) -> None:
    from outreach.events.replies import take_mail
    from outreach.events.sender_inbox import forget_reports

    take_mail(receiving, dmarc_mail(OURS, number="old"))
    take_mail(receiving, dmarc_mail(OURS, number="new", begin=int(time.time()) - 100_000))

    assert (forget_reports(), [row[2] for row in kept()]) == (1, ["new"])
