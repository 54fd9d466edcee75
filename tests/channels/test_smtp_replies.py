from __future__ import annotations

import pytest

from channels.base import OutcomeKind
from channels.smtp_replies import NotSmtp, Reply, ReplyReader, Step, judge, queue_id


def test_replies_are_cut_from_any_pieces() -> None:
    stream = b"250-peer\r\n250-PIPELINING\r\n250 HELP\r\n354 go on\r\n250\r\n"
    expected = [Reply(250, "peer\nPIPELINING\nHELP"), Reply(354, "go on"), Reply(250, "")]
    assert ReplyReader().feed(stream) == expected
    reader = ReplyReader()
    assert [reply for octet in stream for reply in reader.feed(bytes([octet]))] == expected
    assert reader.is_empty


@pytest.mark.parametrize("stream", [b"HTTP/1.1 200 OK\r\n", b"250x\r\n", b"\r\n", b"x" * 70_000, b"25\xd9\xa1 ok\r\n"])
def test_what_is_no_smtp_is_told(stream: bytes) -> None:
    with pytest.raises(NotSmtp):
        ReplyReader().feed(stream)


@pytest.mark.parametrize(
    ("text", "status"), [("5.1.1 no such user", "5.1.1"), ("no 5.1.1", ""), ("5.1 x", ""), ("4.7.650 x", "4.7.650")]
)
def test_enhanced_status_code_is_read(text: str, status: str) -> None:
    assert Reply(550, text).status == status


@pytest.mark.parametrize(
    ("reply", "step", "kind", "reason"),
    [
        (Reply(550, "no such user"), Step.RECIPIENT, OutcomeKind.PERMANENT, "unknown_recipient"),
        (Reply(550, "no"), Step.CONTENT, OutcomeKind.PERMANENT, "refused"),
        (Reply(550, "5.1.10 null MX"), Step.RECIPIENT, OutcomeKind.PERMANENT, "unknown_recipient"),
        (Reply(550, "5.7.26 not authenticated"), Step.CONTENT, OutcomeKind.PERMANENT, "policy"),
        (Reply(553, "5.1.8 sender's domain"), Step.RECIPIENT, OutcomeKind.ACCOUNT, "account_problem"),
        (Reply(552, "5.3.4 too big"), Step.SENDER, OutcomeKind.PERMANENT, "refused"),
        (Reply(535, "5.7.8 wrong"), Step.LOGIN, OutcomeKind.ACCOUNT, "account_problem"),
        (Reply(454, "4.7.0 try later"), Step.LOGIN, OutcomeKind.TEMPORARY, "rate_limited"),
        (Reply(421, "4.7.0 slow"), Step.RECIPIENT, OutcomeKind.TEMPORARY, "rate_limited"),
        (Reply(550, "5.4.1 Recipient address rejected"), Step.RECIPIENT, OutcomeKind.PERMANENT, "unknown_recipient"),
        (Reply(550, "5.4.5 Daily limit exceeded"), Step.CONTENT, OutcomeKind.TEMPORARY, "rate_limited"),
        (Reply(554, "5.2.252 SendAsDenied"), Step.CONTENT, OutcomeKind.ACCOUNT, "account_problem"),
        (Reply(523, "5.7.10 Encryption needed"), Step.RECIPIENT, OutcomeKind.ACCOUNT, "account_problem"),
        (Reply(450, "4.2.0 busy"), Step.RECIPIENT, OutcomeKind.TEMPORARY, "temporary"),
        (Reply(250, "5.1.1 nonsense at DATA"), Step.DATA, OutcomeKind.TEMPORARY, "temporary"),
    ],
)
def test_refusal_is_judged(reply: Reply, step: Step, kind: OutcomeKind, reason: str) -> None:
    error = judge(reply, step)
    assert (error.kind, error.reason, error.status) == (kind, reason, reply.code)
    assert error.detail == f"{reply.code} {reply.text}"


@pytest.mark.parametrize(
    ("text", "found"), [("2.0.0 Ok: queued as 4Xy9z", "4Xy9z"), ("OK: queued as <a.b>.", "a.b"), ("2.0.0 thanks", "")]
)
def test_queue_id_is_found(text: str, found: str) -> None:
    assert queue_id(text) == found
