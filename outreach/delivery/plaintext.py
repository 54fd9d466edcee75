"""The text part of an e-mail or feed entry: the HTML read aloud, with every link's address kept beside its words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_PARAGRAPHS: Final = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "pre", "table", "hr", "section"}
)
_LINES: Final = frozenset({"div", "tr", "li", "br"})
_SILENT: Final = frozenset({"style", "script", "head", "title"})
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_TAG_WORD: Final = re.compile(r"^\s*(jxq\d+qxj)\s*$")


def html_to_text(html: str) -> str:
    """Plain text of protected HTML; template words stay where they were."""
    writer = _Writer()
    writer.feed(html)
    writer.close()
    return writer.text()


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._breaks = 0
        self._silent = 0
        self._verbatim = 0
        #: Open lists: None for bullets, else the next number.
        self._lists: list[int | None] = []
        #: Open links: their address and where their words begin.
        self._links: list[tuple[str, int]] = []
        #: Whether the last thing written was a block tag, which prints nothing.
        self._after_tag = False

    def text(self) -> str:
        return "".join(self._out).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        elif tag in _PARAGRAPHS or tag in _LINES:
            self._start_block(tag)
        elif tag == "a":
            self._links.append((values.get("href", ""), len(self._out)))
        elif tag == "img" and values.get("alt"):
            self._write(f"[{values['alt']}]")
        elif tag in {"td", "th"} and self._out and not self._breaks:
            self._write(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in {"br", "hr", "img"}:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a" and self._links:
            self._end_link()
        elif tag in _PARAGRAPHS:
            self._end_paragraph(tag)
        elif tag in _LINES and tag != "br":
            self._break(1, at_end=True)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._verbatim:
            self._write(data)
            return
        text = _SPACE.sub(" ", data)
        if self._is_line_start():
            text = text.lstrip()
        if text:
            self._write(text)

    def handle_comment(self, data: str) -> None:
        word = _TAG_WORD.match(data)
        if word:
            self._flush()
            self._out.append(word[1])
            self._after_tag = True

    def _start_block(self, tag: str) -> None:
        self._break(2 if tag in _PARAGRAPHS and not (tag in {"ul", "ol"} and self._lists) else 1)
        if tag in {"ul", "ol"}:
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._write(self._bullet())
        elif tag == "pre":
            self._verbatim += 1
        elif tag == "hr":
            self._write("----")
            self._break(2)

    def _end_paragraph(self, tag: str) -> None:
        if tag in {"ul", "ol"} and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        self._break(1 if tag in {"ul", "ol"} and self._lists else 2, at_end=True)

    def _bullet(self) -> str:
        indent = "  " * max(0, len(self._lists) - 1)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _end_link(self) -> None:
        address, start = self._links.pop()
        address = address.removeprefix("mailto:").removeprefix("tel:")
        words = "".join(self._out[start:]).strip()
        if not address or address.startswith("#"):
            return
        if words == address or words.startswith(("http://", "https://")):
            del self._out[start:]
            self._write(address)
        else:
            self._write(f" ({address})" if words else address)

    def _is_line_start(self) -> bool:
        return bool(self._breaks) or not self._out or self._out[-1].endswith("\n") or self._after_tag

    def _break(self, lines: int, *, at_end: bool = False) -> None:
        """Ask for line ends before the next text; a block tag already has its own before it."""
        if self._after_tag:
            lines = lines - 1 if at_end else 0
        if self._out:
            self._breaks = max(self._breaks, lines)

    def _flush(self) -> None:
        if self._breaks:
            self._out.append("\n" * self._breaks)
            self._breaks = 0

    def _write(self, text: str) -> None:
        self._flush()
        self._out.append(text)
        self._after_tag = False
