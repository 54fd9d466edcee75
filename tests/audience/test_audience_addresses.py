from __future__ import annotations

import pickle

import pytest

from outreach.audience.addresses import BadAddress, mask, normalise


@pytest.mark.parametrize(
    ("channel", "value", "expected"),
    [
        ("email", " Maria.Ivanova@Example.BG ", "maria.ivanova@example.bg"),
        ("email", "иван@пример.бг", "иван@xn--e1afmkfd.xn--90ae"),
        ("email", "o'neil+news@demo.egov.example", "o'neil+news@demo.egov.example"),
        ("sms", "088 812 3456", "+359888123456"),
        ("sms", "+359 (88) 812-34-56", "+359888123456"),
        ("sms", "00359888123456", "+359888123456"),
        ("sms", "02 981 0000", "+35929810000"),
        ("sms", "+44 20 7946 0018", "+442079460018"),
        ("social", "@EGovBG", "@egovbg"),
    ],
)
def test_normalise(channel: str, value: str, expected: str) -> None:
    assert normalise(channel, value) == expected


@pytest.mark.parametrize(
    ("channel", "value", "reason"),
    [
        ("email", "", "empty"),
        ("email", "maria@", "bad_email"),
        ("email", "maria@localhost", "bad_email"),
        ("email", "Maria <maria@example.bg>", "bad_email"),
        ("email", "a@b.bg\r\nBcc: c@d.bg", "bad_email"),
        ("email", "a" * 330 + "@example.bg", "too_long"),
        ("sms", "12", "bad_phone"),
        ("sms", "няма", "bad_phone"),
        ("social", "two words", "bad_handle"),
        ("pigeon", "coo", "unknown_channel"),
    ],
)
def test_normalise_refuses(channel: str, value: str, reason: str) -> None:
    with pytest.raises(BadAddress) as caught:
        normalise(channel, value)

    assert caught.value.reason == reason


def test_bad_address_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(BadAddress("bad_email"))).reason == "bad_email"  # noqa: S301 -- our own


def test_mask() -> None:
    assert {
        value: mask(value) for value in ("maria@example.bg", "ani@x.bg", "+359888123456", "+35931123456", "@ab", "")
    } == {
        "maria@example.bg": "m•••••a@example.bg",
        "ani@x.bg": "a•••••@x.bg",
        "+359888123456": "+359 88 ••• 3456",
        "+35931123456": "+359 ••• 56",
        "@ab": "@•••••",
        "": "•••••",
    }
