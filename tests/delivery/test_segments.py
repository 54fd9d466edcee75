from __future__ import annotations

import pytest

from outreach.delivery.segments import SmsSize, measure_post, measure_sms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", SmsSize(encoding="gsm7", length=0, segments=0, left=160)),
        ("a" * 160, SmsSize(encoding="gsm7", length=160, segments=1, left=0)),
        ("a" * 161, SmsSize(encoding="gsm7", length=161, segments=2, left=145)),
        ("a" * 306, SmsSize(encoding="gsm7", length=306, segments=2, left=0)),
        ("a" * 307, SmsSize(encoding="gsm7", length=307, segments=3, left=152)),
        ("€" * 80, SmsSize(encoding="gsm7", length=160, segments=1, left=0)),
        ("a" * 152 + "€" + "a" * 10, SmsSize(encoding="gsm7", length=164, segments=2, left=141)),
        ("ж" * 70, SmsSize(encoding="ucs2", length=70, segments=1, left=0)),
        ("ж" * 71, SmsSize(encoding="ucs2", length=71, segments=2, left=63)),
        ("😀" * 35, SmsSize(encoding="ucs2", length=70, segments=1, left=0)),
        ("😀" * 36, SmsSize(encoding="ucs2", length=72, segments=2, left=61)),
        ("😀" * 67, SmsSize(encoding="ucs2", length=134, segments=3, left=65)),
    ],
)
def test_measure_sms(text: str, size: SmsSize) -> None:
    assert measure_sms(text) == size


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("Здравейте", 9),
        ("вижте https://" + "a" * 100 + ".bg/x край", 6 + 23 + 5),
        ("https://a.bg https://b.bg", 47),
        ("😀", 2),
        ("日本", 4),
    ],
)
def test_measure_post(text: str, length: int) -> None:
    assert measure_post(text) == length
