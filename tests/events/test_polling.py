from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from channels.base import AccountProblem
from outreach.core.models import Alert
from outreach.core.secrets import seal
from outreach.delivery.adapters import check_account, session_for
from outreach.events.models import DomainReport, Reply
from outreach.events.polling import poll_replies
from outreach.sandbox.imap import ImapPeer
from outreach.sandbox.models import SandboxMessage
from outreach.sandbox.store import MessageStore
from tests.events.reports import dmarc_mail, record, tls_mail

pytestmark = pytest.mark.django_db(transaction=True)

LETTER = (
    "From: ivana@example.bg\r\nTo: replies@plovdiv.bg\r\nMessage-ID: <{n}@x>\r\nSubject: Re: x\r\n\r\nОтговор {n}\r\n"
)


@pytest.fixture
def mailbox(sent: Any) -> Iterator[ImapPeer]:
    found = connection.get_connection_params()
    url = f"postgresql://{found['user']}@/{found['dbname']}?host={found['host']}"
    with ImapPeer(0, MessageStore(url)) as peer:
        sent.account.settings = {
            "imap_host": "127.0.0.1",
            "imap_port": peer.port,
            "imap_security": "none",
            "imap_username": "replies@plovdiv.bg",
        }
        sent.account.sealed = seal({"imap_password": "x"})
        sent.account.save()
        yield peer


def deliver(number: int) -> None:
    SandboxMessage.objects.create(
        channel="email", sender="ivana@example.bg", recipient="replies@plovdiv.bg", raw=LETTER.format(n=number).encode()
    )


def texts() -> list[str]:
    return list(Reply.objects.order_by("pk").values_list("text", flat=True))


def test_each_message_is_read_once(sent: Any, mailbox: ImapPeer) -> None:
    assert poll_replies() == 0
    deliver(1)
    deliver(2)
    assert (poll_replies(), texts()) == (2, ["Отговор 1", "Отговор 2"])
    deliver(3)
    assert (poll_replies(), poll_replies(), texts()) == (1, 0, ["Отговор 1", "Отговор 2", "Отговор 3"])


def test_a_mailbox_made_anew_is_read_again_without_doubles(sent: Any, mailbox: ImapPeer) -> None:
    deliver(1)
    assert poll_replies() == 1
    sent.account.refresh_from_db()
    assert sent.account.inbound_position["validity"] == 1
    type(sent.account).objects.update(inbound_position={"validity": 77, "uid": 999})
    deliver(2)
    assert (poll_replies(), texts()) == (1, ["Отговор 1", "Отговор 2"])


def test_reports_of_receivers_are_kept_and_are_no_replies(sent: Any, mailbox: ImapPeer) -> None:
    sent.account.settings["sender"] = "news@plovdiv.bg"
    sent.account.save()
    for content in (dmarc_mail(record("1.2.3.4", 3)), LETTER.format(n=1).encode(), tls_mail(), dmarc_mail()):
        SandboxMessage.objects.create(
            channel="email", sender="noreply@google.com", recipient="replies@plovdiv.bg", raw=content
        )

    assert (poll_replies(), texts()) == (1, ["Отговор 1"])
    kept = DomainReport.objects.order_by("pk").values_list("kind", "passed")
    assert list(kept) == [("dmarc", 3), ("tls", 100)]


def test_an_account_that_cannot_be_read_raises_one_alert_and_resolves_it(
    sent: Any, mailbox: ImapPeer, free_port: int
) -> None:
    settings = dict(sent.account.settings)
    type(sent.account).objects.update(settings={**settings, "imap_port": free_port})
    assert (poll_replies(), poll_replies()) == (0, 0)
    alert = Alert.objects.get()
    assert (alert.code, alert.resolved_at) == ("inbound_unreadable", None)
    type(sent.account).objects.update(settings=settings)
    deliver(1)
    assert poll_replies() == 1
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_an_account_whose_adapter_is_gone_keeps_nobody_else_from_being_read(sent: Any, mailbox: ImapPeer) -> None:
    gone = type(sent.account).objects.create(
        organisation=sent.organisation,
        adapter="gone",
        channel="email",
        name="A package that was removed",
        unknown_policy="hold",
        hook_key="hook-key-of-gone",
    )
    deliver(1)
    assert poll_replies() == 1
    assert [problem.message for problem in check_account(gone)] == [
        "The adapter “gone” is not installed here any more."
    ]
    with pytest.raises(AccountProblem, match="not installed here any more"):
        session_for(gone.pk)


def test_a_mailbox_in_a_private_network_is_not_connected_to(sent: Any, mailbox: ImapPeer, settings: Any) -> None:
    """An account's settings are its owner's: they must not lead into the operator's network."""
    settings.ALLOW_PRIVATE = ()
    deliver(1)

    assert (poll_replies(), texts()) == (0, [])
    [alert] = Alert.objects.filter(code="inbound_unreadable")
    assert "127.0.0.1 is an address of a private network" in alert.facts["trouble"]
