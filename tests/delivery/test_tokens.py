from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outreach.delivery.tokens import CHANNELS, LANGUAGES, Token, TokenKind, make, read

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
