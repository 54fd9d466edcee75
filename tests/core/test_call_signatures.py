"""Calls signed as Standard Webhooks: the known example, and the laws of signature and time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.core.call_signatures import TOLERANCE, SignedCall, make_secret, read_call, sign

#: Of the libraries of Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN = read_call(
    {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    b'{"test": 2432232314}',
)


def test_the_known_example_is_signed() -> None:
    assert KNOWN.is_signed_by(SECRET)
    assert not KNOWN.is_signed_by(make_secret())
    assert replace(KNOWN, signatures=f"v1,no v1a,other {KNOWN.signatures}").is_signed_by(SECRET)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "a"},
        {"timestamp": "1614265331"},
        {"body": b'{"test": 1}'},
        {"signatures": ""},
        {"signatures": "v1,ж"},
    ],
)
def test_whatever_is_changed_is_not_signed(change: dict[str, object]) -> None:
    assert not replace(KNOWN, **change).is_signed_by(SECRET)  # type: ignore[arg-type]  # one field at a time


@given(st.text(max_size=20), st.integers(0, 10**10).map(str), st.binary(max_size=200))
def test_what_is_signed_is_signed_by_that_secret_alone(id: str, timestamp: str, body: bytes) -> None:
    call = SignedCall(
        id=id, timestamp=timestamp, signatures=sign(SECRET, id=id, timestamp=timestamp, body=body), body=body
    )
    assert (call.is_signed_by(SECRET), call.is_signed_by(make_secret())) == (True, False)


@pytest.mark.parametrize(
    ("moved", "is_fresh"),
    [
        (timedelta(0), True),
        (TOLERANCE, True),
        (-TOLERANCE, True),
        (TOLERANCE * 1.01, False),
        (-TOLERANCE * 1.01, False),
    ],
)
def test_a_call_is_fresh_for_minutes(moved: timedelta, is_fresh: bool) -> None:
    assert KNOWN.is_fresh(datetime.fromtimestamp(1614265330, UTC) + moved) is is_fresh


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1614265330.5", "9" * 30, "١٦١٤٢٦٥٣٣٠"])
def test_what_is_no_time_is_never_fresh(timestamp: str) -> None:
    assert not replace(KNOWN, timestamp=timestamp).is_fresh(datetime.fromtimestamp(1614265330, UTC))
