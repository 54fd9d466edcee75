"""A message whose texts have gaps: all of it is encoded once, and only what goes into the gaps for each recipient.

`MailForm.fill` makes the very bytes that `Skeleton.fill` makes of the whole texts, at a tenth of the price. It does so
only for values of one printable line that leave every line short. For others it says None: the texts go the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from channels.mime import LONGEST_LINE, Skeleton, date_line, encode_header, to_line

#: A text's pieces: a str stands as it is, an int is the number of the value that goes there.
Pieces = Sequence[str | int]
#: Begins every boundary; a value that holds it may be meant as one.
_BOUNDARY_MARK: Final = "=_"


class _Part:
    """One part's text: bytes and gaps by turns, bytes first and last."""

    def __init__(self, texts: list[bytes], gaps: list[int]) -> None:
        self.texts = texts
        self.gaps = gaps
        self.is_ascii = all(text.isascii() for text in texts)
        #: (octets without the values, numbers of the values) of each line that has gaps, and the longest of all lines.
        self.lines, self.longest = _measured(texts, gaps)
        #: Whether a line has one value twice.
        self.repeats = any(len(set(line)) < len(line) for _, line in self.lines)
        #: Values at a line's beginning.
        self.leading = {gap for gap, before in zip(gaps, texts, strict=False) if not before or before.endswith(b"\n")}

    @classmethod
    def of(cls, pieces: Pieces) -> Self | None:
        """None where the text cannot be cut so: it has a line that is long or begins with a dot."""
        texts, gaps = [b""], []
        for piece in pieces:
            if isinstance(piece, int):
                gaps.append(piece)
                texts.append(b"")
            else:
                texts[-1] += piece.encode("utf-8", "replace")
        if any(b"\r" in text or b"\x00" in text for text in texts):
            return None
        texts = [text.replace(b"\n", b"\r\n") for text in texts]
        texts[-1] = texts[-1].removesuffix(b"\r\n")
        part = cls(texts, gaps)
        starts_with_dot = texts[0].startswith(b".") or any(b"\n." in text for text in texts)
        return None if starts_with_dot or part.longest > LONGEST_LINE else part

    def is_ascii_with(self, values: Sequence[bytes]) -> bool:
        return self.is_ascii and all(values[gap].isascii() for gap in self.gaps)

    @property
    def room(self) -> int:
        """Octets that all values together may have, whichever line each of them is in."""
        return 0 if self.repeats else LONGEST_LINE - self.longest

    def has_room(self, sizes: Sequence[int]) -> bool:
        """Whether no line grows too long with values of these sizes, in octets."""
        return all(octets + sum([sizes[gap] for gap in gaps]) <= LONGEST_LINE for octets, gaps in self.lines)


class MailForm:
    """The texts of one content between the headers that its messages share."""

    def __init__(self, skeleton: Skeleton, text: _Part, html: _Part) -> None:
        self._skeleton = skeleton
        self._text, self._html = text, html
        self._gaps = [*text.gaps, *html.gaps]
        self._leading = text.leading | html.leading
        self._room = min(text.room, html.room)
        #: (whether the text is ASCII, whether the HTML is) -> bytes, with None at the gaps.
        self._bodies: dict[tuple[bool, bool], list[bytes]] = {}

    @classmethod
    def of(cls, skeleton: Skeleton, *, text: Pieces, html: Pieces) -> Self | None:
        """The form of two texts; None where they have to go the long way."""
        plain, rich = _Part.of(text), _Part.of(html)
        if plain is None or rich is None or any(skeleton.boundary in piece for piece in (*plain.texts, *rich.texts)):
            return None
        return cls(skeleton, plain, rich)

    def fill(self, values: Sequence[str], *, to: str, subject: str, headers: bytes) -> bytes | None:
        """One whole message, no line of which begins with a dot; None where the values do not fit.

        `headers` are ready lines, the Message-ID the first of them, each with its CRLF.

        Raises:
            UnsupportedContent: the address would break the message.
        """
        joined = "".join(values)
        if not joined.isprintable() or _BOUNDARY_MARK in joined:
            return None
        for gap in self._leading:
            if values[gap][:1] in {"", "."}:
                return None
        encoded = [value.encode() for value in values]
        if sum(map(len, encoded)) > self._room and not self._fits([len(value) for value in encoded]):
            return None
        if joined.isascii():
            key = self._text.is_ascii, self._html.is_ascii
        else:
            key = self._text.is_ascii_with(encoded), self._html.is_ascii_with(encoded)
        body = (self._bodies.get(key) or self._body(key)).copy()
        body[1::2] = [encoded[gap] for gap in self._gaps]
        head = self._skeleton.fixed, to_line(to), encode_header("Subject", subject), date_line(), headers
        return b"".join((*head, *body))

    def _fits(self, sizes: Sequence[int]) -> bool:
        return self._text.has_room(sizes) and self._html.has_room(sizes)

    def _body(self, key: tuple[bool, bool]) -> list[bytes]:
        opening, between, closing = self._skeleton.frame(text_is_ascii=key[0], html_is_ascii=key[1])
        text, html = list(self._text.texts), list(self._html.texts)
        text[0] = opening + text[0]
        html[-1] += closing
        statics = [*text[:-1], text[-1] + between + html[0], *html[1:]]
        pieces = [b""] * (2 * len(statics) - 1)
        pieces[::2] = statics
        self._bodies[key] = pieces
        return pieces


def _measured(texts: Sequence[bytes], gaps: Sequence[int]) -> tuple[list[tuple[int, list[int]]], int]:
    """The lines with gaps, and the octets of the longest line without its values."""
    lines: list[tuple[int, list[int]]] = [(0, [])]
    for text, gap in zip(texts, [*gaps, None], strict=True):
        first, *others = text.split(b"\r\n")
        lines[-1] = (lines[-1][0] + len(first), lines[-1][1])
        lines.extend((len(other), []) for other in others)
        if gap is not None:
            lines[-1][1].append(gap)
    return [line for line in lines if line[1]], max(octets for octets, _ in lines)
