from __future__ import annotations

import base64
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from outreach.delivery.tokens import CHANNELS, LANGUAGES, SIGNATURE_BYTES, Series, Token, TokenKind, make, read

TOKENS = st.builds(
    Token,
    kind=st.sampled_from(TokenKind),
    run=st.integers(0, 2**62),
    delivery=st.integers(0, 2**62),
    channel=st.sampled_from(CHANNELS),
    language=st.sampled_from(LANGUAGES),
    link=st.integers(0, 5000),
)


@given(TOKENS)
def test_a_token_reads_back(token: Token) -> None:
    assert read(make(token), token.kind) == token


@given(TOKENS, st.sampled_from(TokenKind))
def test_one_kind_never_passes_for_another(token: Token, kind: TokenKind) -> None:
    assert (read(make(token), kind) is not None) == (kind == token.kind)


@given(TOKENS, st.data())
def test_any_changed_letter_is_noticed(token: Token, data: st.DataObject) -> None:
    text = make(token)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    changed = text[:place] + letter + text[place + 1 :]
    assert read(changed, token.kind) in {None, token}
    if changed != text and place < len(text) - 1:
        assert read(changed, token.kind) is None


@given(st.text(max_size=100))
def test_nothing_else_is_a_token(text: str) -> None:
    assert read(text, TokenKind.CLICK) is None


@given(TOKENS, TOKENS)
def test_a_signature_cannot_be_moved_to_another_token(ours: Token, theirs: Token) -> None:
    assume(replace(ours, kind=theirs.kind) != theirs)
    body, signature = _bytes(make(theirs))[:-SIGNATURE_BYTES], _bytes(make(ours))[-SIGNATURE_BYTES:]
    assert read(_text(body + signature), theirs.kind) is None


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_persons_token_does_not_tell_his_neighbours(run: int, delivery: int) -> None:
    series = Series(TokenKind.PERSON, run=run, channel="email", language="bg")
    made = [_bytes(series.make(delivery + step)[0]) for step in range(3)]
    for one, next_one in pairwise(made):
        assert one[-SIGNATURE_BYTES:] != next_one[-SIGNATURE_BYTES:]
        guessed = next_one[:-SIGNATURE_BYTES] + one[-SIGNATURE_BYTES:]
        assert read(_text(guessed), TokenKind.PERSON) is None


def test_keys_rotate_and_old_messages_stay_open(settings: Any) -> None:
    token = Token(kind=TokenKind.CLICK, run=7, delivery=9, language="bg", link=2)
    made = [make(token)]
    for keys in (("first",), ("second", "first")):
        settings.TOKEN_KEYS = keys
        made.append(make(token))
    assert len(set(made)) == 3
    assert [read(text, token.kind) for text in made] == [token] * 3
    settings.TOKEN_KEYS = ("second",)
    assert [read(text, token.kind) for text in made] == [token, None, token]


def test_two_keys_of_one_number_are_both_tried(settings: Any) -> None:
    keys: dict[int, str] = {}
    token = Token(kind=TokenKind.VIEW, run=7)
    for number in range(1000):
        settings.TOKEN_KEYS = (f"key {number}",)
        known = keys.setdefault(_bytes(make(token))[0], f"key {number}")
        if known != f"key {number}":
            break
    mine = make(token)
    settings.TOKEN_KEYS = (known, f"key {number}")
    assert (make(token) != mine, read(mine, token.kind)) == (True, token)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
