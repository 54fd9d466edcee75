"""What its author wrote of an HTML answer, as text: without what mail programs mark as quoted or as a signature.

What only words tell is left to `quoting`.
"""

from __future__ import annotations

from typing import Final

import nh3
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from lxml import html as html_parser
from lxml.etree import ParserError

from outreach.events.quoting import LONGEST

#: Classes and ids, or parts of them: programs put letters of their own before them.
_QUOTED_CLASSES: Final = ("gmail_quote", "yahoo_quoted", "protonmail_quote", "zmail_extra")
_SIGNATURES: Final = ("gmail_signature", "protonmail_signature_block", "moz-signature", "ms-outlook-mobile-signature")
_DROPPED: Final = " | ".join(
    (
        "//blockquote[not(ancestor::blockquote)]",
        *(f"//*[contains(@class, '{name}') and not(self::span)]" for name in _QUOTED_CLASSES),
        *(f"//*[(contains(@class, '{name}') or contains(@id, '{name}')) and not(self::span)]" for name in _SIGNATURES),
        "//*[@id='reply-intro'] | //*[@id='composer_signature'] | //*[@data-marker='__QUOTED_TEXT__']",
        "//style | //script | //head",
    )
)
#: Where all that follows is quoted, however deep it begins: Outlook's rule above the headers.
_ENDS: Final = (
    "//*[@id='divRplyFwdMsg'] | //*[@id='appendonsend'] | //*[@data-marker='__HEADERS__']"
    " | //div[contains(@style, 'border-top:solid') or contains(@style, 'border-top: solid')"
    "         or contains(@style, 'border:none;border-top')]"
)
#: What `quoting` knows as the end of an author's own words.
_RULE: Final = "_" * 32


def text_of_html(source: str) -> str:
    """An HTML answer as plain text, without the parts that mail programs mark as quoted."""
    try:
        tree = html_parser.fromstring(source[:LONGEST])
    except (ParserError, ValueError):
        return ""
    for element in tree.xpath(_ENDS):
        if element.getparent() is not None:
            element.addprevious(html_parser.fragment_fromstring(f"<p>{_RULE}</p>"))
    for element in tree.xpath(_DROPPED):
        if element.getparent() is not None:
            element.drop_tree()
    clean = nh3.clean(html_parser.tostring(tree, encoding="unicode"))
    text: str = get_text(clean, ParserConfig(display_links=False))
    return "\n".join(line.strip() for line in text.splitlines()).strip()
