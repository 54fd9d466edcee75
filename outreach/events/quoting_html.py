"""What its author wrote of an HTML answer, as text: without what mail programs mark as quoted or as a signature.

What only words tell is left to `quoting`.
"""

from __future__ import annotations

from typing import Final

import nh3
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from lxml import html as html_parser
from lxml.etree import ParserError, _Element

from outreach.events.quoting import LONGEST

#: Classes and ids, or parts of them: programs put letters of their own before them.
_QUOTED: Final = ("gmail_quote", "yahoo_quoted", "protonmail_quote", "zmail_extra", "missive_quote", "front-blockquote")
_SIGNATURES: Final = (
    "gmail_signature", "protonmail_signature_block", "moz-signature", "ms-outlook-mobile-signature", "front-signature",
    "yahoo_signature", "composer_signature", "k9mail-signature", "bloop_sign", "sh-signature",
)  # fmt: skip
_DROPPED: Final = " | ".join(
    (
        *(f"//*[(contains(@class, '{name}') or contains(@id, '{name}')) and not(self::span)]" for name in _SIGNATURES),
        "//*[@name='messageSignatureSection'] | //*[@data-signature-widget='container']",
        "//*[@id='reply-intro'] | //*[@data-marker='__QUOTED_TEXT__'] | //*[contains(@class, 'moz-cite-prefix')]",
        "//*[contains(@class, 'gmail_attr')][following-sibling::blockquote]",
        "//style | //script | //head",
    )
)
#: What a program puts around a quotation with the words that introduce it; an answer may stand behind it, still within.
_AROUND: Final = " | ".join(
    f"//*[(contains(@class, '{name}') or contains(@id, '{name}')) and not(self::span or self::blockquote)]"
    for name in _QUOTED
)
_QUOTATIONS: Final = "//blockquote[not(ancestor::blockquote)]"
#: Where all that follows is quoted, however deep it begins: Outlook's rule above the headers.
_ENDS: Final = " | ".join(
    (
        *(f"//*[contains(@id, '{name}')]" for name in ("divRplyFwdMsg", "appendonsend", "OLK_SRC_BODY_SECTION")),
        "//*[@id='mail-editor-reference-message-container'] | //*[@data-marker='__HEADERS__'] | //hr[@id='zwchr']",
        "//hr[@id='stopSpelling'] | //*[@id='_persistentHeader']",
        "//div[contains(@style, 'border-top:solid') or contains(@style, 'border-top: solid')"
        " or contains(@style, 'border:none;border-top') or contains(@style, 'border-top-style: solid')]",
    )
)
#: Where Apple's mail begins a signature, and does not say where it ends.
_SIGNED: Final = "//br[@id='lineBreakAtBeginningOfSignature']"
#: What `quoting` knows as the end of an author's own words, as something quoted, and as the beginning of a signature.
_RULE: Final = "_" * 32
_MARK: Final = "&gt;"
_DELIMITER: Final = "--"


def text_of_html(source: str) -> str:
    """An HTML answer as plain text, without the parts that mail programs mark as quoted."""
    try:
        tree = html_parser.fromstring(source[:LONGEST])
    except (ParserError, ValueError):
        return ""
    _put_before(tree, _ENDS, _RULE)
    _put_before(tree, _SIGNED, _DELIMITER)
    for element in tree.xpath(_AROUND):
        _drop_up_to_quotation(element)
    _put_before(tree, _QUOTATIONS, _MARK)
    for element in tree.xpath(f"{_QUOTATIONS} | {_DROPPED}"):
        _drop(element)
    clean = nh3.clean(html_parser.tostring(tree, encoding="unicode"))
    text: str = get_text(clean, ParserConfig(display_links=False))
    return "\n".join(line.strip() for line in text.splitlines()).strip()


def _put_before(tree: _Element, path: str, words: str) -> None:
    for element in tree.xpath(path):
        if element.getparent() is not None:
            element.addprevious(html_parser.fragment_fromstring(f"<p>{words}</p>"))


def _drop_up_to_quotation(element: _Element) -> None:
    """Drop a program's element, or of it what stands above a quotation where that is marked in it."""
    quotation = element.find("blockquote")
    if quotation is None:
        _drop(element)
        return
    element.text = None
    for above in list(quotation.itersiblings(preceding=True)):
        element.remove(above)


def _drop(element: _Element) -> None:
    if element.getparent() is not None:
        element.drop_tree()
