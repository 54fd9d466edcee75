from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import gsm as oracle

from channels.gsm import SmsText, cut, decode_gsm, foreign_letters, is_gsm

EXTENSION = "^{}\\[~]|€\f"


def test_alphabet_is_that_of_another_library() -> None:
    letters = [letter for letter in map(chr, range(0x2200)) if is_gsm(letter)]
    assert len(letters) == 127 + len(EXTENSION)
    # Form feed is in the standard, and the oracle's table writes "`" for § and for whatever is not there.
    known = "".join(letter for letter in letters if letter not in "\f§`")
    assert cut(known).parts[0] == oracle.gsm_encode(known)[: len(cut(known).parts[0])]
    assert [letter for letter in known if decode_gsm(oracle.gsm_encode(letter)) != letter] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SmsText(encoding="gsm7", parts=(b"",), length=0, left=160)),
        ("@£ Ü€", SmsText(encoding="gsm7", parts=(b"\x00\x01 \x5e\x1b\x65",), length=6, left=154)),
        ("Да", SmsText(encoding="ucs2", parts=("Да".encode("utf-16-be"),), length=2, left=68)),
        ("a" * 161, SmsText(encoding="gsm7", parts=(b"a" * 153, b"a" * 8), length=161, left=145)),
        (
            "a" * 152 + "€" * 5,
            SmsText(encoding="gsm7", parts=(b"a" * 152, b"\x1b\x65" * 5), length=162, left=143),
        ),
        (
            "ж" * 66 + "😀ж" + "ж" * 5,
            SmsText(
                encoding="ucs2",
                parts=(("ж" * 66).encode("utf-16-be"), ("😀" + "ж" * 6).encode("utf-16-be")),
                length=74,
                left=59,
            ),
        ),
    ],
)
def test_text_is_cut_as_networks_do(text: str, expected: SmsText) -> None:
    assert cut(text) == expected


@given(st.text(alphabet=st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs"]), max_size=400))
def test_parts_joined_are_the_text(text: str) -> None:
    found = cut(text)
    whole = b"".join(found.parts)
    assert (decode_gsm(whole) if found.encoding == "gsm7" else whole.decode("utf-16-be")) == text
    unit, most = (1, 153) if found.encoding == "gsm7" else (2, 67)
    assert len(found.parts) == 1 or max(len(part) // unit for part in found.parts) <= most


@given(st.text(alphabet="abc €[]^|ÄÖ\n", max_size=500))
def test_gsm_texts_come_back_and_no_escape_is_cut_off(text: str) -> None:
    assert "".join(decode_gsm(part) for part in cut(text).parts) == text


def test_letters_that_cost_are_named_once() -> None:
    assert foreign_letters("Такса: 5 € – ab “a”") == "Такс–“”"


def test_octets_that_stand_for_nothing_become_spaces() -> None:
    assert decode_gsm(b"a\x1b\x01b\xff\x1b") == "a b "
