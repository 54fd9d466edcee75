"""From an author's text to HTML, with the template's tags kept out of the way of every tool that does not know them.

Markdown, MJML and the CSS inliner would escape, move or break `{{ }}` and `{% %}`. So each tag is put into a `Bag` and
a word stands in its place; a tag that stands between blocks becomes a comment, which no HTML parser moves.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
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
_HTML_TAG: Final = re.compile(r"<html\b([^>]*)>", re.IGNORECASE)
_HEAD_TAG: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_BODY_TAG: Final = re.compile(r"<body\b([^>]*)>", re.IGNORECASE)
_LANG: Final = re.compile(r"\slang\s*=", re.IGNORECASE)
_FOR_DARK: Final = re.compile(r"@media[^{]*prefers-color-scheme\s*:\s*dark", re.IGNORECASE)
#: The ground of the whole: on the tag itself, or in a rule.
_BODY_GROUND: Final = re.compile(
    r"<body\b[^>]*(?:bgcolor|background)|(?:^|[\s,}])body\s*\{[^}]*background", re.IGNORECASE
)
_ATTACHED: Final = re.compile(r"cid:([\w-]+\.(?:png|jpg|gif))@outreach")
_WHOLE_DOCUMENT: Final = re.compile(r"^\s*(?:<!doctype html|<html\b)", re.IGNORECASE)


class Bag:
    """The template tags of one content, each known by a word that no tool changes."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def put(self, tag: str) -> str:
        """A word for a piece of template."""
        self.tags.append(tag)
        return f"jxq{len(self.tags) - 1}qxj"

    def protect(self, source: str, *, keeps_lines: bool = False) -> str:
        """The source with each tag replaced by its word; comments are dropped. The source must be sound.

        With `keeps_lines` what follows stands in the line where it stood, for those who name lines.
        """
        out: list[str] = []
        tag: list[str] = []
        for _line, kind, piece in TEXT.lex(source):
            if tag or kind in _BEGINS:
                tag.append(piece)
                if kind in _ENDS:
                    whole = "".join(tag)
                    out.append("" if kind == "comment_end" else self.put(whole))
                    out.append("\n" * whole.count("\n") if keeps_lines else "")
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


def tag_word(comment: str) -> int | None:
    """The number of the tag that a comment stands for; None where it is the author's own."""
    match = re.fullmatch(r"\s*jxq(\d+)qxj\s*", comment)
    return int(match[1]) if match else None


_BEGINS: Final = frozenset({"variable_begin", "block_begin", "comment_begin", "raw_begin", "raw_end"})
_ENDS: Final = frozenset({"variable_end", "block_end", "comment_end", "raw_begin", "raw_end"})


@functools.cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])


def markdown_to_html(source: str, bag: Bag) -> str:
    """Render protected Markdown; block tags on lines of their own end up between blocks."""
    text = _BLOCK_LINE.sub(lambda match: _as_comments(match, bag), source)
    text = _LOOSE_URL.sub(r"<\g<0>>", text)
    # Who hears a table read aloud hears which words are the heads of columns.
    html = (
        str(_markdown().render(text)).replace("<th>", '<th scope="col">').replace("<th style", '<th scope="col" style')
    )
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
    """Compile protected MJML; nothing is fetched, now or when it is read: no font from elsewhere tells who opens it.

    Raises:
        BrokenMjml: it is no MJML.
    """
    try:
        html = str(mrml.to_html(source, None, mrml.RenderOptions(fonts={})).content)
        return html.replace(' height="auto"', "")  # no such value in HTML; the style beside it says the same
    except (OSError, ValueError) as err:
        raise BrokenMjml(str(err)) from err


def name_language(document: str, *, language: str, direction: str) -> str:
    """Say the language where the author's document says none; the MJML compiler writes that it does not know."""
    told = f'lang="{language}" dir="{direction}"'
    document = document.replace('lang="und" dir="auto"', told)
    return _HTML_TAG.sub(lambda tag: tag[0] if _LANG.search(tag[1]) else f"<html {told}{tag[1]}>", document, count=1)


def settle_colours(document: str) -> str:
    """Say that it is drawn for the dark too, where it is; else give it a ground, since its text may well be black."""
    if _FOR_DARK.search(document) and "color-scheme" not in _FOR_DARK.sub("", document):
        schemes = (
            '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        )
        document = _HEAD_TAG.sub(lambda tag: tag[0] + schemes, document, count=1)
    if _BODY_GROUND.search(document):
        return document
    return _BODY_TAG.sub(lambda tag: f'<body bgcolor="#ffffff"{tag[1]}>', document, count=1)


def put_preheader(document: str, hidden: str) -> str:
    """What stands beside the subject and nowhere else, at the beginning of the author's own document."""
    style = "display:none;max-height:0;max-width:0;overflow:hidden;font-size:1px;line-height:1px;opacity:0;mso-hide:all"
    return _BODY_TAG.sub(lambda tag: f'{tag[0]}<div style="{style}">{hidden}</div>', document, count=1)


def attach_pictures(document: str, keys: Iterable[str]) -> str:
    """Show these pictures of ours from within the e-mail and not from our address."""
    for key in keys:
        document = re.sub(rf"https?://[^\s\"'<>()/]+/i/{re.escape(key)}", f"cid:{content_id(key)}", document)
    return document


def content_id(key: str) -> str:
    """The Content-ID of one of our pictures."""
    return f"{key}@outreach"


def show_attached(html: str, base_url: str) -> str:
    """The HTML of an e-mail for a browser, which has nothing within: `attach_pictures` undone."""
    return _ATTACHED.sub(rf"{base_url}/i/\1", html)


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
