"""A batch of events as JSON, of which one may be made to break whoever reads it: each element by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

#: What divides a JSON text: strings, whole or cut off, and the signs between.
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.S)


def split_batch(text: str) -> Iterator[str]:
    """The text of each element of a JSON array; however deep one nests, and whatever its numbers are."""
    if not text.lstrip().startswith("["):
        return
    depth, begins = 0, 0
    for token in _TOKENS.finditer(text):
        sign = token[0]
        if sign in {"[", "{"}:
            depth += 1
            begins = token.end() if depth == 1 else begins
        elif sign in {"]", "}"}:
            depth -= 1
        if depth == 0 or (depth == 1 and sign == ","):
            yield text[begins : token.start()].strip()
            begins = token.end()
        if depth == 0:
            return
    yield text[begins:].strip()
