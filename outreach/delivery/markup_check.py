"""What is wrong with the tags of an author's HTML or MJML, each with its line: before any tool mends it in silence.

HTML parsers close what was left open wherever they like, and the MJML compiler drops what it does not know without a
word, so that an author sees a message that is not the one that was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from html.parser import HTMLParser
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from outreach.delivery.markup import Bag, blocks_as_comments, tag_word

#: Elements that hold nothing (HTML, 13.1.2).
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
#: Elements whose end may be left out (HTML, 13.1.2.4).
_ENDS_BY_ITSELF: Final = frozenset(
    {
        "html",
        "head",
        "body",
        "p",
        "li",
        "dt",
        "dd",
        "option",
        "optgroup",
        "colgroup",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
    }
)
_CONTENT: Final = frozenset(
    {
        "mj-text",
        "mj-button",
        "mj-image",
        "mj-divider",
        "mj-spacer",
        "mj-table",
        "mj-raw",
        "mj-social",
        "mj-navbar",
        "mj-accordion",
        "mj-carousel",
    }
)
_IN_HEAD: Final = frozenset(
    {"mj-attributes", "mj-breakpoint", "mj-font", "mj-html-attributes", "mj-preview", "mj-style", "mj-title", "mj-raw"}
)
_TEXTS: Final = frozenset(
    {
        "mj-text",
        "mj-button",
        "mj-table",
        "mj-raw",
        "mj-social-element",
        "mj-navbar-link",
        "mj-accordion-title",
        "mj-accordion-text",
        "mj-title",
        "mj-preview",
        "mj-style",
        "mj-include",
    }
)
_EMPTY: Final = frozenset({"mj-image", "mj-divider", "mj-spacer", "mj-carousel-image", "mj-breakpoint", "mj-font"})
#: MJML element -> what may stand in it; None: HTML.
_MJML: Final[dict[str, frozenset[str] | None]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": _IN_HEAD,
    "mj-body": frozenset({"mj-section", "mj-wrapper", "mj-hero", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-hero", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-social": frozenset({"mj-social-element"}),
    "mj-navbar": frozenset({"mj-navbar-link"}),
    "mj-accordion": frozenset({"mj-accordion-element"}),
    "mj-accordion-element": frozenset({"mj-accordion-title", "mj-accordion-text"}),
    "mj-carousel": frozenset({"mj-carousel-image"}),
    **dict.fromkeys(_TEXTS),
    **dict.fromkeys(_EMPTY, frozenset[str]()),
}
#: Their content is names of other elements with attributes.
_FREE: Final = frozenset(
    {"mj-attributes", "mj-html-attributes", "mj-class", "mj-all", "mj-selector", "mj-html-attribute"}
)
#: More findings than these help nobody: the first is the cause of most others.
MOST: Final = 5


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something wrong with the tags, at a line of the author's text."""

    line: int
    #: A sentence with `%(tag)s`, `%(line)s`, and for some `%(other)s`.
    sentence: Any
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Open:
    tag: str
    line: int


_UNCLOSED: Final = _("<%(tag)s> of line %(line)s is not closed.")
_UNCLOSED_BEFORE: Final = _("<%(tag)s> of line %(line)s is not closed before </%(other)s>.")
_NOTHING_TO_CLOSE: Final = _("</%(tag)s> in line %(line)s closes nothing.")
_UNKNOWN: Final = _("MJML has no <%(tag)s> (line %(line)s).")
_UNKNOWN_CLOSE: Final = _("MJML has no <%(tag)s> (line %(line)s). Did you mean <%(other)s>?")
_MISPLACED: Final = _("<%(tag)s> in line %(line)s cannot stand in <%(other)s>.")
_NO_INCLUDE: Final = _("<%(tag)s> in line %(line)s: nothing is fetched into a message; write it here.")
_NO_ROOT: Final = _("An MJML message begins with <mjml> and has an <mj-body>.")
_UNFINISHED: Final = _("The tag that begins in line %(line)s is not finished: its > is missing.")


def find_faults(source: str, *, is_mjml: bool) -> list[Fault]:
    """What is wrong, first things first, at most `MOST`. The template's own tags must be sound."""
    bag = Bag()
    protected = blocks_as_comments(bag.protect(source, keeps_lines=True), bag)
    reader = _Reader(bag, is_mjml=is_mjml)
    reader.feed(protected)
    reader.finish(protected)
    return sorted(reader.faults, key=lambda fault: fault.line)[:MOST]


class _Reader(HTMLParser):
    def __init__(self, bag: Bag, *, is_mjml: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._bag = bag
        self._is_mjml = is_mjml
        self._open: list[_Open] = []
        #: What was open where each `{% if %}` began: every branch begins there.
        self._branches: list[list[_Open]] = []
        self._seen: set[str] = set()
        self.faults: list[Fault] = []

    def finish(self, source: str) -> None:
        """What is left when all was read; `rawdata` holds a tag without its end."""
        if self.rawdata.startswith("<"):
            self._add(_UNFINISHED, line=self.getpos()[0])
        self.close()
        for left in self._open:
            if left.tag not in _ENDS_BY_ITSELF or self._is_mjml:
                self._add(_UNCLOSED, line=left.line, tag=left.tag)
        if self._is_mjml and not self.faults and not {"mjml", "mj-body"} <= self._seen:
            self._add(_NO_ROOT, line=1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._place(tag)
        if tag in _VOID and not tag.startswith("mj"):
            return
        self._open.append(_Open(tag=tag, line=self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._is_mjml or tag in _VOID:
            self._place(tag)
        else:
            self.handle_starttag(tag, attrs)  # in HTML the slash says nothing: the element stays open

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        depth = next((n for n, one in enumerate(reversed(self._open)) if one.tag == tag), None)
        if depth is None:
            self._add(_NOTHING_TO_CLOSE, line=self.getpos()[0], tag=tag)
            return
        for left in reversed(self._open[len(self._open) - depth :]):
            if left.tag not in _ENDS_BY_ITSELF:
                self._add(_UNCLOSED_BEFORE, line=left.line, tag=left.tag, other=tag)
        del self._open[len(self._open) - depth - 1 :]

    def handle_comment(self, data: str) -> None:
        word = tag_word(data)
        if word is None:
            return
        name = next(iter(self._bag.tags[word].strip("{%}-+ \n").split()), "")
        if name == "if":
            self._branches.append(list(self._open))
        elif name in {"elif", "else"} and self._branches:
            self._open = list(self._branches[-1])
        elif name == "endif" and self._branches:
            self._branches.pop()

    def _place(self, tag: str) -> None:
        self._seen.add(tag)
        if not self._is_mjml:
            return
        parent = next((one.tag for one in reversed(self._open)), "")
        line = self.getpos()[0]
        if any(one.tag in _FREE for one in self._open) or tag in _FREE:
            return
        if tag == "mj-include":
            self._add(_NO_INCLUDE, line=line, tag=tag)
        elif tag.startswith("mj") and tag not in _MJML:
            close = get_close_matches(tag, list(_MJML), n=1, cutoff=0.7)
            self._add(_UNKNOWN_CLOSE if close else _UNKNOWN, line=line, tag=tag, other=close[0] if close else "")
        elif parent in _MJML and not self._may_stand(tag, parent):
            self._add(_MISPLACED, line=line, tag=tag, other=parent)

    @staticmethod
    def _may_stand(tag: str, parent: str) -> bool:
        allowed = _MJML[parent]
        return not tag.startswith("mj") if allowed is None else tag in allowed

    def _add(self, sentence: Any, *, line: int, **facts: Any) -> None:
        self.faults.append(Fault(line=line, sentence=sentence, facts={"line": line, **facts}))


def lines_of_pictures_without_words(source: str) -> Iterator[int]:
    """Lines of `<img>` and `<mj-image>` that say nothing to those who do not see them."""
    bag = Bag()
    reader = _Pictures(bag.protect(source, keeps_lines=True))
    yield from reader.lines


class _Pictures(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.lines: list[int] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"img", "mj-image", "mj-carousel-image"} and not (dict(attrs).get("alt") or "").strip():
            self.lines.append(self.getpos()[0])

    handle_startendtag = handle_starttag
