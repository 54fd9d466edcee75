"""A letter that cannot be taken in: kept whole with the reason, tried again, and in nobody's way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from psycopg.errors import StatementTooComplex

from channels.base import EventWord, ProviderEvent
from channels.x import X
from outreach.audience.suppression import is_suppressed
from outreach.cli import main
from outreach.core import clock
from outreach.core.models import Account, Alert
from outreach.delivery.models import Delivery
from outreach.events import hooks, inbound, polling, replies
from outreach.events.calls import MOST_TRIES, count_unread
from outreach.events.hooks import apply_waiting
from outreach.events.models import HookCall, Reply
from outreach.events.replaying import replay
from outreach.events.replies import take_in
from tests.channels.mail_server import MailExchange
from tests.events.conftest import make_sent
from tests.events.test_hostile_mail import HALVES
from tests.events.test_replies import letter, message_id

POISON = b"From: Ivana <Ivana@example.bg>\r\nSubject: poison\r\n\r\nHello\r\n"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Whoever reads the poison breaks."""
    real = inbound.understand

    def understand(message: Any, content: bytes) -> Any:
        if b"Subject: poison" in content:
            raise ValueError("a date beyond\0 every calendar")
        return real(message, content)

    monkeypatch.setattr(replies, "understand", understand)
    return monkeypatch


def kept() -> list[tuple[Any, ...]]:
    return list(Reply.objects.order_by("pk").values_list("kind", "text", "sender"))


def aside() -> list[tuple[Any, ...]]:
    rows = HookCall.objects.order_by("pk").values_list("failures", "trouble", "event__address", "applied_at")
    return [(failures, trouble, address, applied_at is not None) for failures, trouble, address, applied_at in rows]


REASON = "ValueError: a date beyond every calendar"


@pytest.mark.django_db
def test_it_is_kept_whole_with_the_reason_and_taken_up_when_we_are_mended(
    sent: Any, broken: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [take_in(sent.account, POISON) for _ in range(2)] == [True, False]
    assert (kept(), aside()) == ([("other", "", "")], [(2, REASON, "ivana@example.bg", False)])
    assert count_unread(sent.organisation) == 1
    alert = Alert.objects.get(resolved_at=None)
    assert (alert.code, alert.noun_id, alert.facts) == (
        "calls_failed",
        str(sent.account.pk),
        {"name": "Account", "count": 1, "trouble": REASON},
    )
    broken.undo()

    assert main(["replay", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"applied": 1, "waiting": 0, "failed": 0}
    assert (kept(), aside()) == ([("reply", "Hello", "Ivana@example.bg")], [(2, "", None, True)])
    assert (count_unread(sent.organisation), Alert.objects.filter(resolved_at=None).count()) == (0, 0)
    assert (take_in(sent.account, POISON), replay(since=clock.now() - timedelta(days=1))["applied"]) == (False, 0)
    assert len(kept()) == 1


@pytest.mark.django_db
def test_it_is_tried_again_by_itself_but_not_for_ever(sent: Any, broken: pytest.MonkeyPatch) -> None:
    take_in(sent.account, POISON)
    for _ in range(MOST_TRIES + 2):
        HookCall.objects.update(next_try_at=clock.now() - timedelta(minutes=1))
        assert apply_waiting() == 0
    assert (kept(), aside()) == ([("other", "", "")], [(MOST_TRIES, REASON, "ivana@example.bg", False)])


@pytest.mark.parametrize(("state", "is_kept"), [("54001", True), ("54000", True), ("57014", True), ("08006", False)])
@pytest.mark.django_db
def test_what_is_too_much_for_the_database_is_set_aside_and_its_absence_is_not(
    sent: Any, monkeypatch: pytest.MonkeyPatch, state: str, is_kept: bool
) -> None:
    def breaks(*_given: object) -> None:
        cause = StatementTooComplex("stack depth limit exceeded")
        cause.sqlstate = state
        raise OperationalError("stack depth limit exceeded") from cause

    monkeypatch.setattr(replies, "_match_mail", breaks)
    if is_kept:
        assert take_in(sent.account, POISON) is True
    else:
        with pytest.raises(OperationalError):
            take_in(sent.account, POISON)
    assert (len(kept()), len(aside())) == (int(is_kept), int(is_kept))


#: NUL is left out, and the address is hers; with half a character before it, it is nobody's whom we know.
@pytest.mark.parametrize(("half", "is_hers"), [("+AAA-", True), ("+2AA-", False), ("+2AA-+AAA-", False)])
@pytest.mark.django_db
def test_a_report_whose_recipient_has_a_sign_that_cannot_be_kept_is_still_a_bounce(
    sent: Any, half: str, is_hers: bool
) -> None:
    address = sent.subscriber.addresses.get().value
    report = HALVES.partition("--b\nContent-Type: message/feedback-report")
    status = report[2].partition("--b\n")[2]
    content = (
        report[0].replace("complaint", "Undeliverable").replace("feedback-report", "delivery-status") + "--b\n" + status
    )
    poison = content.replace("{address}", address).replace("+2AA-", half).replace("\n", "\r\n").encode()

    assert take_in(sent.account, poison) is True
    reply = Reply.objects.get()
    receipt = Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt
    assert (reply.kind, aside(), is_suppressed(sent.organisation, "email", address)) == ("bounce", [], is_hers)
    assert (reply.matched_by, receipt) == (("address", "bounced") if is_hers else ("", ""))


@pytest.mark.parametrize(
    "date",
    ["Mon, 1 Jan 0100 00:00:00 +1400", "Mon, 1 Jan 9999999 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -1400",
     "Mon, 1 Jan 2024 00:00:00 +9999", "Mon, 1 Jan 1970 00:00:00 +0000", "1" * 5_000],
)  # fmt: skip
@pytest.mark.django_db
def test_an_impossible_date_is_the_moment_in_which_it_came(sent: Any, date: str) -> None:
    before = clock.now()
    assert take_in(sent.account, f"Date: {date}\r\n".encode() + POISON) is True
    assert before <= Reply.objects.get().received_at <= clock.now()


@pytest.mark.xdist_group("mail-exchange")
@pytest.mark.django_db(transaction=True)
def test_a_poisoned_letter_that_lies_first_in_a_mailbox_keeps_no_other_from_being_read(
    sent: Any, sending: Account, exchange: MailExchange, broken: pytest.MonkeyPatch
) -> None:
    for content in (POISON, letter("Кога е срокът?", In_Reply_To=message_id(sent))):
        exchange.append("bounces", content)

    assert (polling.poll_replies(), polling.poll_replies()) == (2, 0)
    assert [(kind, text) for kind, text, _sender in kept()] == [("other", ""), ("reply", "Кога е срокът?")]
    assert aside() == [(1, REASON, "ivana@example.bg", False)]
    broken.undo()
    assert (replay(since=clock.now() - timedelta(days=1))["applied"], polling.poll_replies()) == (1, 0)
    assert [(kind, text) for kind, text, _sender in kept()] == [("reply", "Кога е срокът?"), ("reply", "Hello")]


@pytest.mark.django_db(transaction=True)
def test_a_mention_that_cannot_be_taken_is_kept_and_those_behind_it_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = make_sent(channel="social")
    mentions = [
        ProviderEvent(word=EventWord.REPLIED, event_id=f"post-{n}", provider_id=f"{n}", address="@ana", text=text)
        for n, text in ((1, "poison"), (2, "Кога?"))
    ]
    asked: list[str] = []

    def fetch(_adapter: X, _account: object, since: str) -> list[ProviderEvent]:
        asked.append(since)
        return [each for each in mentions if each.provider_id > since]

    def take(account: Account, event: ProviderEvent) -> Reply | None:
        if event.text == "poison":
            raise ValueError("a date beyond every calendar")
        return replies.take_reply_event(account, event)

    monkeypatch.setattr(X, "fetch_replies", fetch)
    with monkeypatch.context() as patch:
        patch.setattr(hooks, "take_reply_event", take)
        assert (polling.poll_replies(), polling.poll_replies(), asked) == (1, 0, ["", "2"])
    assert (kept(), aside()) == ([("reply", "Кога?", "@ana")], [(1, REASON, "@ana", False), (0, "", None, True)])
    assert replay(since=clock.now() - timedelta(days=1)) == {"applied": 1, "waiting": 0, "failed": 0}
    assert [text for _kind, text, _sender in kept()] == ["Кога?", "poison"]
    assert sent.account.pk == Reply.objects.latest("pk").account_id


@pytest.mark.parametrize(
    "poison",
    [r'"\u0000"', r'"\ud800"', "1e999", "9" * 5_000, "42", "null", "[" * 400 + "]" * 400, "[" * 10_000 + "]" * 10_000],
    ids=range(8),
)
@pytest.mark.parametrize("member", ["notificationType", "bounce", "bounceSubType", "emailAddress", "diagnosticCode"])
@pytest.mark.django_db
def test_no_notification_of_amazon_breaks_us(sent: Any, poison: str, member: str) -> None:
    """As SNS mails them: each is accounted for, and the good one behind it is a bounce."""
    address = sent.subscriber.addresses.get().value
    good = (
        '{"notificationType": "Bounce", "bounce": {"bounceType": "Permanent", "bounceSubType": "General", '
        f'"bouncedRecipients": [{{"emailAddress": "{address}", "action": "failed", "status": "5.1.1", '
        '"diagnosticCode": "smtp; 550 5.1.1 user unknown"}]}}'
    )
    before, name, after = good.partition(f'"{member}": ')
    head = b"From: no-reply@sns.amazonaws.com\r\nSubject: AWS Notification Message\r\n\r\n"

    assert take_in(sent.account, head + f'{before}{name}{poison}, "more": {after}'.encode()) is True
    assert take_in(sent.account, head + good.encode()) is True
    assert list(Reply.objects.order_by("pk").values_list("kind", flat=True))[-1] == "bounce"
    assert Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt == "bounced"
    assert is_suppressed(sent.organisation, "email", address)
