"""Letters that are made to break whoever reads them: the reader stands, in little time, and each is accounted for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from outreach.events.mail import inspect
from outreach.events.models import Reply
from outreach.events.replies import take_in, take_mail

HEAD = b"From: Ivana <ivana@example.bg>\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
DAEMON = HEAD.replace(b"ivana@", b"mailer-daemon@").replace(b"Hello", b"Undeliverable")
PARTS = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def nested(levels: int) -> bytes:
    inner = (b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(levels))
    last = b"--b%d\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b%d--\r\n" % (levels, levels)
    return HEAD + b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + b"".join(inner) + last


def html(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + body


def text(charset: bytes, body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n" + body


HOSTILE = {
    "nested 1,000 deep": nested(1000),
    "messages 1,000 deep": HEAD + b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.bg\r\n" * 1000 + b"\r\nhi",
    "100,000 parts": PARTS + b"--b\r\n\r\nx\r\n" * 100_000,
    "dashes": HEAD + b"\r\n" + b"-" * 200_000,
    "600,000 lines": HEAD + b"\r\n" + (b"x" * 30 + b"\r\n") * 600_000,
    "one word": DAEMON + b"\r\n" + b"a.b" * 60_000,
    "one word above what came back": DAEMON + b"\r\n" + b"a.b" * 30_000 + b"\r\nReceived: from x" * 500,
    "empty lines above it": DAEMON + b"\r\nx" + b"\r\n" * 20_000 + b"Original message\r\n",
    "spaces": DAEMON + b"\r\n" + b" " * 200_000 + b"x",
    "angles": HEAD + b"\r\n" + b"<" * 200_000,
    "introductions": HEAD + b"\r\n" + b"On a wrote \r\n" * 10_000,
    "words in the subject": HEAD.replace(b"Hello", b"=?utf-8?q?a?= " * 50_000) + b"\r\nhi",
    "brackets in the sender": HEAD.replace(b"Ivana", b"(" * 50_000) + b"\r\nhi",
    "deep HTML": html(b"<div>" * 50_000),
    "HTML of quotations": html(b"<blockquote>" * 20_000),
    "HTML of tables": html(b"<table><tr><td>" * 2_000),
    "a slow charset": text(b"punycode", b"a-" + b"b" * 100_000),
    "a packed charset": text(b"zlib", b"x"),
    "no charset": text(b"\x00\xff", b"\x00\xff"),
    "a charset in pieces": HEAD + b"Content-Type: text/plain; charset*=x'y'%FF\r\n\r\n\xc0\xe1",
    "an unknown encoding": HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n" + b"M" * 50_000,
    "no end": PARTS + b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsb",
    "signs of an address": HEAD + b"\r\n!!!!!!!!<" + b"@" * 200_000,
    "a name of spaces": PARTS
    + b'--b\r\nContent-Disposition: attachment; filename="a'
    + b" " * 200_000
    + b'b"\r\n\r\nx\r\n--b--\r\n',
    "warnings in the subject": HEAD.replace(b"Hello", b"warning: " + b"not " * 5_000) + b"\r\nhi",
    "signs within signs": HEAD.replace(b"Ivana", b"[" * 18_000).replace(b"Hello", b"x\r\nTo: " + b"a:" * 9_000)
    + b"\r\nhi",
    "nothing": b"",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_letter_is_read_in_little_time(content: bytes) -> None:
    started = time.process_time()
    assert inspect(content)["kind"] in {"reply", "bounce", "other"}
    assert time.process_time() - started < 8


@pytest.mark.django_db
def test_each_is_kept_and_the_next_is_read(sent: Any) -> None:
    few = ["signs within signs", "nested 1,000 deep", "messages 1,000 deep", "no charset", "nothing"]
    for content in [*(HOSTILE[name] for name in few), HEAD + b"\r\nAnd mine?"]:
        assert take_mail(sent.account, content) is not None
        assert take_mail(sent.account, content) is None
    assert list(Reply.objects.order_by("pk").values_list("kind", "text", "sender"))[-1] == (
        "reply",
        "And mine?",
        "ivana@example.bg",
    )
    assert Reply.objects.count() == len(few) + 1


@pytest.mark.django_db
def test_one_that_breaks_the_reader_all_the_same_is_accounted_for(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_message: object) -> None:
        raise RecursionError

    monkeypatch.setattr("outreach.events.replies.read_reports", broken)
    assert take_mail(sent.account, HEAD + b"\r\nHello") is not None
    assert list(Reply.objects.values_list("kind", "text", "account")) == [("other", "", sent.account.pk)]


#: Half a character and NUL, where a report names its kind and its recipient.
HALVES = """From: postmaster@example.net
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: =?utf-7?q?+2AA-?=
Original-Rcpt-To: <{address}>

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; =?utf-7?q?+2AA-?={address}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 =?utf-7?q?+2AA-?= =00 no such user

--b--
"""


@pytest.mark.django_db
def test_half_a_character_is_kept_out_of_the_database_and_the_next_letter_is_read(sent: Any) -> None:
    address = sent.subscriber.addresses.get().value
    poison = HALVES.replace("{address}", address).replace("\n", "\r\n").encode()

    assert take_in(sent.account, poison) is True
    assert take_in(sent.account, HEAD + b"\r\nAnd mine?") is True
    assert [reply.text for reply in Reply.objects.order_by("pk")][-1] == "And mine?"


@pytest.mark.django_db
def test_one_that_breaks_whoever_takes_it_is_accounted_for(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: object) -> None:
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    monkeypatch.setattr("outreach.events.replies._match_mail", broken)
    assert take_in(sent.account, HEAD + b"\r\nHello") is True
    assert list(Reply.objects.values_list("kind", "text")) == [("other", "")]
