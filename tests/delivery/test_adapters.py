from __future__ import annotations

from typing import Any

import pytest

from outreach.delivery.adapters import adapter_names, describe, read_settings, split_secrets
from outreach.delivery.mail_fields import flatten_imap


@pytest.mark.parametrize("name", adapter_names())
def test_each_form_keeps_its_secrets_apart(name: str) -> None:
    description = describe(name)
    filled = {field.name: field.default or "x" for field in description.fields}
    visible, hidden = split_secrets(description, filled)
    assert {**visible, **hidden} == filled
    assert set(hidden) == {field.name for field in description.fields if field.secret}


def test_every_email_account_may_have_a_mailbox_for_answers() -> None:
    wanted = {"reply_address", "imap_host", "imap_password", "delivery_header"}
    for name in ("smtp", "sendgrid"):
        assert wanted <= {field.name for field in describe(name).fields}
    assert not wanted & {field.name for field in describe("twilio").fields}


@pytest.mark.parametrize(
    ("value", "kept", "complaint"),
    [
        (587, 587, None),
        ("587", 587, None),
        ("-1", "-1", "This must be a whole number."),
        ("٣", "٣", "This must be a whole number."),
        (None, None, None),
    ],
)
def test_numbers_are_kept_as_numbers(value: Any, kept: Any, complaint: str | None) -> None:
    given = {"host": "mail.example.bg", "sender": "n@example.bg", "imap_port": value}
    values, wrong = read_settings(describe("smtp"), given)
    if value is None:
        assert values["imap_port"] == 993
        return
    assert (values["imap_port"], [str(text) for text in wrong.get("settings/imap_port", [])]) == (
        kept,
        [complaint] if complaint else [],
    )


def test_choices_are_checked() -> None:
    given = {"host": "mail.example.bg", "sender": "n@example.bg", "security": "ssl"}
    _values, wrong = read_settings(describe("smtp"), given)
    assert list(wrong) == ["settings/security"]


@pytest.mark.parametrize(
    ("imap", "path"),
    [
        ({"trusted": "сертификат"}, "settings/imap/trusted"),
        ({"trusted": "-----BEGIN nothing"}, "settings/imap/trusted"),
        ({"security": "starttls"}, "settings/imap/port"),
        ({"security": "starttls", "port": 993}, "settings/imap/port"),
    ],
)
def test_incoming_mail_that_cannot_be_read_is_refused(imap: dict[str, Any], path: str) -> None:
    given = {"host": "mail.example.bg", "sender": "n@example.bg", "imap": {"host": "mail.example.bg", **imap}}
    _values, wrong = read_settings(describe("smtp"), given)
    assert list(wrong) == [path]


def test_imap_is_written_as_an_object_or_flat() -> None:
    assert flatten_imap({"imap": {"host": "a", "port": 1}, "sender": "x"}) == {
        "imap_host": "a",
        "imap_port": 1,
        "sender": "x",
    }
