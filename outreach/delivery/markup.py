"""From an author's text to HTML, with the template's tags kept out of the way of every tool that does not know them.

Markdown, MJML and the CSS inliner would escape, move or break `{{ }}` and `{% %}`. So each tag is put into a `Bag` and
a word stands in its place; a tag that stands between blocks becomes a comment, which no HTML parser moves.
"""

from __future__ import annotations

import functools
import re
from typing import Final

import css_inline
import mrml
from markdown_it import MarkdownIt

from outreach.delivery.templating import TEXT

_WORD: Final = re.compile(r"<!--\s*jxq(\d+)qxj\s*-->|jxq(\d+)qxj")
#: Lines that hold nothing but block tags (`{% for %}`, `{% endif %}`).
_BLOCK_LINE: Final = re.compile(r"^[ \t]*((?:jxq\d+qxj[ \t]*)+)$", re.MULTILINE)
_LOOSE_URL: Final = re.compile(r"(?<![\w(\[<\"'=/:>`])https?://[^\s<>()\[\]\"'`]*[^\s<>()\[\]\"'`.,;:!?]")
#: A loop around a list of one item is a list with a loop in it.
_LOOPED_LIST: Final = re.compile(r"(<!--jxq\d+qxj-->)\s*<(ul|ol)([^>]*)>(.*?)</\2>\s*(<!--jxq\d+qxj-->)", re.DOTALL)
#: A paragraph that is one link and nothing else is a button.
_BUTTON: Final = re.compile(r'<p><a href="([^"]*)"(?: title="[^"]*")?>((?:(?!</a>|<a |<img ).)+)</a></p>', re.DOTALL)
_TAG: Final = re.compile(r"<[a-zA-Z/][^<>]*>")
_BEFORE_TBODY: Final = re.compile(r"((?:<!--jxq\d+qxj-->\s*)+)(<tbody[^>]*>)")
_WHOLE_DOCUMENT: Final = re.compile(r"^\s*(?:<!doctype html|<html\b)", re.IGNORECASE)


class Bag:
    """The template tags of one content, each known by a word that no tool changes."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def put(self, tag: str) -> str:
        """A word for a piece of template."""
        self.tags.append(tag)
        return f"jxq{len(self.tags) - 1}qxj"

    def protect(self, source: str) -> str:
        """The source with each tag replaced by its word; comments are dropped. The source must be sound."""
        out: list[str] = []
        tag: list[str] = []
        for _line, kind, piece in TEXT.lex(source):
            if tag or kind in _BEGINS:
                tag.append(piece)
                if kind in _ENDS:
                    out.append("" if kind == "comment_end" else self.put("".join(tag)))
                    tag = []
            else:
                out.append(piece)
        return "".join(out)

    def is_block(self, number: int) -> bool:
        return self.tags[number].startswith("{%")

    def literal(self, text: str) -> str:
        """Somebody's data on its way into a template: its braces stay braces."""
        return text.replace("{", self.put("{{ '{' }}")) if "{" in text else text

    def restore(self, text: str) -> str:
        """Put the tags back."""

        def tag_of(match: re.Match[str]) -> str:
            number = int(match[1] or match[2])
            return self.tags[number] if number < len(self.tags) else match[0]

        return _WORD.sub(tag_of, text)

    def holds_tag(self, text: str) -> bool:
        return _WORD.search(text) is not None


_BEGINS: Final = frozenset({"variable_begin", "block_begin", "comment_begin", "raw_begin", "raw_end"})
_ENDS: Final = frozenset({"variable_end", "block_end", "comment_end", "raw_begin", "raw_end"})


@functools.cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])


def markdown_to_html(source: str, bag: Bag) -> str:
    """Render protected Markdown; block tags on lines of their own end up between blocks."""
    text = _BLOCK_LINE.sub(lambda match: _as_comments(match, bag), source)
    text = _LOOSE_URL.sub(r"<\g<0>>", text)
    html = str(_markdown().render(text))
    return _LOOPED_LIST.sub(lambda match: _loop_inside(match, bag), html)


def _as_comments(match: re.Match[str], bag: Bag) -> str:
    numbers = [int(number) for number in re.findall(r"jxq(\d+)qxj", match[1])]
    if not all(bag.is_block(number) for number in numbers):
        return match[0]
    return "\n".join(f"<!--jxq{number}qxj-->" for number in numbers)


def _loop_inside(match: re.Match[str], bag: Bag) -> str:
    opening, closing = bag.restore(match[1]), bag.restore(match[5])
    if not re.match(r"\{%-?\s*for\b", opening) or not re.match(r"\{%-?\s*endfor\b", closing):
        return match[0]
    return f"<{match[2]}{match[3]}>{match[1]}{match[4].rstrip()}{match[5]}</{match[2]}>"


def blocks_as_comments(html: str, bag: Bag) -> str:
    """In HTML or MJML: block tags between elements become comments, those inside a tag stay words."""
    out, end = [], 0
    for tag in _TAG.finditer(html):
        out += [_comment_blocks(html[end : tag.start()], bag), tag[0]]
        end = tag.end()
    return "".join((*out, _comment_blocks(html[end:], bag)))


def _comment_blocks(text: str, bag: Bag) -> str:
    def comment(match: re.Match[str]) -> str:
        return f"<!--{match[0]}-->" if match[2] and bag.is_block(int(match[2])) else match[0]

    return _WORD.sub(comment, text)


class BrokenMjml(ValueError):
    """MJML that cannot be read; the message is the parser's."""


def mjml_to_html(source: str) -> str:
    """Compile protected MJML; nothing is fetched.

    Raises:
        BrokenMjml: it is no MJML.
    """
    try:
        return str(mrml.to_html(source).content)
    except (OSError, ValueError) as err:
        raise BrokenMjml(str(err)) from err


def is_whole_document(html: str) -> bool:
    return _WHOLE_DOCUMENT.match(html) is not None


def make_buttons(html: str) -> str:
    """Draw each link that stands alone in its paragraph as a button that every mail program shows."""
    return _BUTTON.sub(
        r'<table class="button" role="presentation" cellpadding="0" cellspacing="0" border="0">'
        r'<tr><td class="button-face">'
        r'<a class="button-link" href="\1">\2</a></td></tr></table>',
        html,
    )


def inline_css(document: str) -> str:
    """Write each style to its element, since many mail programs read nothing else; at-rules stay in the head."""
    # Remote style sheets stay where they are: fetching them would let an author call our own network.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, keep_style_tags=False)
    inlined = str(inliner.inline(document))
    # The parser puts the first row of a table into a <tbody> of its own making, and a loop's beginning before it.
    return inlined if "<tbody" in document else _BEFORE_TBODY.sub(r"\2\1", inlined)
