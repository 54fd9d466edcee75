"""Names in Bulgarian order: a sort key of our own, since the embedded database has no ICU and servers differ."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

#: Space, digits, Cyrillic, Latin: a Bulgarian list puts Cyrillic names before Latin ones, as CLDR's `bg` does.
ORDER: Final = " 0123456789абвгдежзийклмнопрстуфхцчшщъыьэюяabcdefghijklmnopqrstuvwxyz"
#: Letters that stand for others of the order.
SAME: Final = {"ѝ": "и", "ё": "е", "і": "и", "ї": "и", "є": "е", "ј": "й", "-": " ", "\u2010": " ", "\u2013": " "}
#: Longest key that the column holds.
LONGEST: Final = 250

#: One letter and one digit for each character: such keys sort alike under every collation, and never match out of step.
_CODES: Final = {ord(char): f"{'abcdefghij'[place // 10]}{place % 10}" for place, char in enumerate(ORDER)}
_TABLE: Final = _CODES | {ord(char): _CODES[ord(same)] for char, same in SAME.items()}
#: What separates words in a key.
WORD_BREAK: Final = _CODES[ord(" ")]


def sort_key(name: str) -> str:
    """Make the key by which names sort in Bulgarian order, whatever the database's collation.

    Case, accents and punctuation do not count. The key of a word's beginning is the beginning of the word's key, which
    is what searching by prefix relies on.
    """
    return WORD_BREAK.join([_word_key(word) for word in name.casefold().split()])[:LONGEST]


@lru_cache(maxsize=16_384)
def _word_key(word: str) -> str:
    """Most words of a list of people are names that many have."""
    key = word.translate(_TABLE)
    if len(key) == 2 * len(word):
        return key
    return "".join([_char_key(char) for char in word])


@lru_cache(maxsize=4096)
def _char_key(char: str) -> str:
    found = _TABLE.get(ord(char))
    if found is not None:
        return found
    base = unicodedata.normalize("NFKD", char)
    return "".join([_TABLE.get(ord(part), "") for part in base])
