from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import requests

from outreach.sandbox.sendgrid_peer import SendGridPeer
from tests.contract_checks import find_answer_faults
from tests.sandbox.conftest import Kept

MAIL = {
    "personalizations": [{"to": [{"email": "ana@example.org", "name": "Ана"}], "custom_args": {"delivery": "dlv_9"}}],
    "from": {"email": "news@example.org", "name": "Новини"},
    "reply_to": {"email": "r+1@example.org"},
    "subject": "Новата услуга",
    "content": [{"type": "text/plain", "value": "Текст"}, {"type": "text/html", "value": "<p>Текст</p>"}],
    "headers": {"Message-ID": "<dlv_9@example.org>", "List-Unsubscribe": "<https://example.org/u/a>"},
}


def post(peer: SendGridPeer, mail: Any, **headers: str) -> requests.Response:
    headers = {"Authorization": "Bearer SG.key"} | headers
    return requests.post(f"{peer.url}/v3/mail/send", json=mail, headers=headers, timeout=5)


def test_mail_is_kept_as_the_email_it_becomes(
    sendgrid_peer: SendGridPeer, kept: Callable[[], list[Kept]], contracts: Path
) -> None:
    answer = post(sendgrid_peer, MAIL)
    (row,) = kept()
    message = message_from_bytes(row.raw, policy=default)
    assert (answer.status_code, answer.content) == (202, b"")
    assert find_answer_faults(contracts, "sendgrid", answer) == []
    assert (row.channel, row.recipient, row.sender, row.subject, row.body, row.provider_id) == (
        "email",
        "ana@example.org",
        "news@example.org",
        "Новата услуга",
        "Текст",
        answer.headers["X-Message-Id"],
    )
    assert {name: str(value) for name, value in message.items() if not name.startswith(("Content", "MIME"))} == {
        "From": "Новини <news@example.org>",
        "To": "Ана <ana@example.org>",
        "Subject": "Новата услуга",
        "Reply-To": "r+1@example.org",
        "Message-ID": "<dlv_9@example.org>",
        "List-Unsubscribe": "<https://example.org/u/a>",
        "X-SendGrid-delivery": "dlv_9",
    }
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Текст", "<p>Текст</p>"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        ({"from": {"email": ""}}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content"),
        ({"headers": {"X-Bad": "one\r\ntwo"}}, None),
    ],
)
def test_faulty_mail_is_refused_with_its_field(
    sendgrid_peer: SendGridPeer, kept: Callable[[], list[Kept]], changes: dict[str, Any], field: str | None
) -> None:
    answer = post(sendgrid_peer, MAIL | changes)
    assert (answer.status_code, answer.json()["errors"][0]["field"], kept()) == (400, field, [])


def test_caller_without_a_key_is_refused(sendgrid_peer: SendGridPeer) -> None:
    assert post(sendgrid_peer, MAIL, Authorization="").status_code == 401


def test_lists_of_whom_not_to_write_to_are_empty_and_take_everybody(sendgrid_peer: SendGridPeer) -> None:
    headers = {"Authorization": "Bearer SG.key"}
    read = requests.get(f"{sendgrid_peer.url}/v3/suppression/bounces?limit=500", headers=headers, timeout=5)
    told = requests.post(
        f"{sendgrid_peer.url}/v3/asm/suppressions/global",
        json={"recipient_emails": ["ana@example.org"]},
        headers=headers,
        timeout=5,
    )
    assert (read.status_code, read.json()) == (200, [])
    assert (told.status_code, told.json()) == (201, {"recipient_emails": ["ana@example.org"]})


def test_each_recipient_gets_the_text_with_their_own_values(
    sendgrid_peer: SendGridPeer, kept: Callable[[], list[Kept]]
) -> None:
    people = [
        {"to": [{"email": f"{name}@example.org"}], "substitutions": {"-0-": name}, "headers": {"X-Name": name}}
        for name in ("ana", "bob")
    ]
    content = [{"type": "text/plain", "value": "Здравей, -0-!"}]
    assert post(sendgrid_peer, {**MAIL, "personalizations": people, "subject": "За -0-", "content": content}).ok
    assert sorted((row.recipient, row.subject, row.body) for row in kept()) == [
        ("ana@example.org", "За ana", "Здравей, ana!"),
        ("bob@example.org", "За bob", "Здравей, bob!"),
    ]
    assert sorted(str(message_from_bytes(row.raw)["X-Name"]) for row in kept()) == ["ana", "bob"]
