"""A message whose texts have gaps: all of it is encoded once, and only what goes into the gaps for each recipient.

`MailForm.fill` makes the very bytes that `Skeleton.fill` makes of the whole texts, at a tenth of the price. It does so
only for values of one printable line that leave every line short. For others it says None: the texts go the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from channels.mime import LONGEST_LINE, Skeleton, date_line, encode_header, id_line, to_line

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
        lines = _lines(texts)
        #: Octets of the longest line without its values, and most gaps on one line.
        self.longest = max(sum(map(len, line)) for line in lines)
        self.most_gaps = max(len(line) - 1 for line in lines)
        #: Values at a line's beginning.
        self.leading = {gap for gap, before in zip(gaps, texts, strict=False) if not before or before.endswith(b"\n")}

    @classmethod
    def of(cls, pieces: Pieces) -> Self | None:
        """None where the text cannot be cut so: it ends in a gap, or has a line that is long or begins with a dot."""
        texts, gaps = [b""], []
        for piece in pieces:
            if isinstance(piece, int):
                gaps.append(piece)
                texts.append(b"")
            else:
                texts[-1] += piece.encode("utf-8", "replace")
        if (gaps and not texts[-1]) or any(b"\r" in text or b"\x00" in text for text in texts):
            return None
        texts = [text.replace(b"\n", b"\r\n") for text in texts]
        texts[-1] = texts[-1].removesuffix(b"\r\n")
        part = cls(texts, gaps)
        starts_with_dot = texts[0].startswith(b".") or any(b"\n." in text for text in texts)
        return None if starts_with_dot or part.longest > LONGEST_LINE or (gaps and not texts[-1]) else part

    def is_ascii_with(self, values: Sequence[bytes]) -> bool:
        return self.is_ascii and all(values[gap].isascii() for gap in self.gaps)

    def has_room(self, octets: int) -> bool:
        """Whether no line grows too long with values of so many octets in all."""
        return self.longest + octets * self.most_gaps <= LONGEST_LINE


class MailForm:
    """The texts of one content between the headers that its messages share."""

    def __init__(self, skeleton: Skeleton, text: _Part, html: _Part) -> None:
        self._skeleton = skeleton
        self._text, self._html = text, html
        self._gaps = [*text.gaps, *html.gaps]
        self._leading = text.leading | html.leading
        #: (whether the text is ASCII, whether the HTML is) -> bytes, with None at the gaps.
        self._bodies: dict[tuple[bool, bool], list[bytes]] = {}

    @classmethod
    def of(cls, skeleton: Skeleton, *, text: Pieces, html: Pieces) -> Self | None:
        """The form of two texts; None where they have to go the long way."""
        plain, rich = _Part.of(text), _Part.of(html)
        if plain is None or rich is None or any(skeleton.boundary in piece for piece in (*plain.texts, *rich.texts)):
            return None
        return cls(skeleton, plain, rich)

    def fill(
        self, values: Sequence[str], *, to: str, subject: str, message_id: str, headers: bytes = b""
    ) -> bytes | None:
        """One whole message, no line of which begins with a dot; None where the values do not fit.

        `headers` are ready lines, each with its CRLF.

        Raises:
            UnsupportedContent: the address or the id would break the message.
        """
        joined = "".join(values)
        if not joined.isprintable() or _BOUNDARY_MARK in joined:
            return None
        for gap in self._leading:
            if values[gap][:1] in {"", "."}:
                return None
        encoded = [value.encode() for value in values]
        octets = sum(map(len, encoded))
        if not (self._text.has_room(octets) and self._html.has_room(octets)):
            return None
        if joined.isascii():
            key = self._text.is_ascii, self._html.is_ascii
        else:
            key = self._text.is_ascii_with(encoded), self._html.is_ascii_with(encoded)
        body = (self._bodies.get(key) or self._body(key)).copy()
        body[1::2] = [encoded[gap] for gap in self._gaps]
        head = self._skeleton.fixed, to_line(to), encode_header("Subject", subject), date_line(), id_line(message_id)
        return b"".join((*head, headers, *body))

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


def _lines(texts: Sequence[bytes]) -> list[list[bytes]]:
    """The lines, each as its pieces between gaps."""
    lines: list[list[bytes]] = [[]]
    for text in texts:
        first, *others = text.split(b"\r\n")
        lines[-1].append(first)
        lines.extend([other] for other in others)
    return lines
