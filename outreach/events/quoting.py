"""The part of an answer that its author wrote: without what is quoted below it, and without the signature."""

from __future__ import annotations

import re
from typing import Final

import nh3
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from lxml import html as html_parser
from lxml.etree import ParserError

#: Longest text that is looked at.
LONGEST: Final = 200_000
#: Lines that may make up one folded quote header.
_FOLDED: Final = 5

#: "On ... wrote:" in the languages that mail programs of our readers speak.
_WROTE: Final = re.compile(
    r"^\W{0,3}(?:"
    r"On\b.{4,300}\bwrote\s*:"
    r"|На\b.{4,300}\b(?:написа|писа|пише)\s*:?"
    r"|.{4,300}\b(?:написа|писа)\s*:"
    r"|(?:\S+,? )?\d.{4,300}\bот .{1,200}:"
    r"|.{4,300}\bпишет\s*:|.{4,300}\bнаписал(?:\(а\)|а)?\s*:"
    r"|Le\b.{4,300}\ba écrit\s*:"
    r"|Am\b.{4,300}\bschrieb\b.{0,200}:"
    r"|El\b.{4,300}\bescribió\s*:"
    r"|Il\b.{4,300}\bha scritto\s*:"
    r"|Em\b.{4,300}\bescreveu\s*:"
    r"|Op\b.{4,300}\bschreef\b.{0,200}:"
    r"|\d.{4,300}\b(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu)\s*:"
    r"|.{1,200}<[^<>\s]+@[^<>\s]+>\s*(?:wrote|написа|писа|schrieb|a écrit)?\s*:"
    r"|\d{4}-\d\d-\d\d.{0,60}<[^<>\s]+@[^<>\s]+>\s*:?"
    r")\s*$",
    re.S | re.I,
)
#: Dividers that mail programs put above the message answered.
_DIVIDER: Final = re.compile(
    r"^[\s>]*(?:[-_=]{2,}\s*(?:Original (?:Message|Appointment)|Reply Message|Forwarded message|Оригинално съобщение|"
    r"Първоначално съобщение|Препратено съобщение|Исходное сообщение|Message d'origine|Ursprüngliche Nachricht|"
    r"Mensaje original|Messaggio originale)\s*[-_=]*|_{20,}|Begin forwarded message:|"
    r"##-? .{0,80}(?:above this line|над тази линия).{0,40})\s*$",
    re.I,
)
#: The first line of Outlook's block of headers, and those that follow it.
_HEADER: Final = re.compile(
    r"^[\s>*]*(From|От|De|Von|Da|Van|Od|Sent|Изпратено|Дата|Date|Envoyé|Gesendet|Enviado|Inviato|To|До|Към|Кому|À|An|Para|A|"
    r"Subject|Относно|Тема|Objet|Betreff|Asunto|Oggetto|Cc|Копие|Reply-To)\*?\s*:\*?\s*\S",
    re.I,
)
_OPENS_BLOCK: Final = re.compile(r"^[\s>*]*(From|От|De|Von|Da|Van|Sent|Изпратено|Date|Дата)\*?\s*:", re.I)
#: What begins a signature.
_SIGNATURE: Final = re.compile(
    r"^(?:--|-- |—|– ?–|[-—–_]{3,}|"
    r"(?:Sent (?:from|via|with) (?:my |the )?.{2,60}|Get Outlook for .{2,30}|Изпратено (?:от|чрез|с) .{2,60}|"
    r"Envoyé de(?:puis)? .{2,60}|Von meinem .{2,60} gesendet|Enviado desde .{2,60}|Отправлено (?:с|из) .{2,60}|"
    r"\(?sent from .{2,60}\)?))\s*$",
    re.I,
)
#: A line that says only that a person signs; the name after it belongs to it.
_QUOTED: Final = re.compile(r"^\s*>")


def strip_quotes(text: str) -> str:
    """The author's own words; '' where there are none."""
    lines = text[:LONGEST].replace("\r\n", "\n").replace("\r", "\n").replace("\u200b", "").split("\n")
    lines = lines[: _find_quotation(lines)]
    lines = _drop_quoted(lines)
    lines = lines[: _find_signature(lines)]
    return "\n".join(line.rstrip() for line in lines).strip()


def text_of_html(source: str) -> str:
    """An HTML answer as plain text, without the parts that mail programs mark as quoted."""
    try:
        tree = html_parser.fromstring(source[: 4 * LONGEST])
    except (ParserError, ValueError):
        return ""
    for element in tree.xpath(_QUOTED_ELEMENTS):
        if element.getparent() is not None:
            _drop_with_introduction(element)
    clean = nh3.clean(html_parser.tostring(tree, encoding="unicode"))
    text: str = get_text(clean, ParserConfig(display_links=False))
    return text.strip()


_QUOTED_ELEMENTS: Final = (
    "//blockquote[not(ancestor::blockquote)] | //*[contains(concat(' ', @class, ' '), ' gmail_quote ')]"
    " | //*[contains(concat(' ', @class, ' '), ' yahoo_quoted ')] | //*[@id='divRplyFwdMsg']"
    " | //*[@id='appendonsend'] | //*[@id='reply-intro'] | //style | //script | //head"
    " | //div[contains(@style, 'border-top:solid') or contains(@style, 'border-top: solid')"
    "         or contains(@style, 'border:none;border-top')]"
)
#: Elements below which everything that follows is quoted too.
_ENDS_ALL: Final = frozenset({"divRplyFwdMsg", "appendonsend"})


def _drop_with_introduction(element: html_parser.HtmlElement) -> None:
    starts_block = "border-top" in (element.get("style") or "") or element.get("id") in _ENDS_ALL
    if starts_block:
        for following in list(element.itersiblings()):
            following.drop_tree()
        element.tail = None
    element.drop_tree()


def _find_quotation(lines: list[str]) -> int:
    """Where what is quoted below begins; the number of lines where nothing is."""
    for number, line in enumerate(lines):
        bare = line.lstrip("> \t")
        if _DIVIDER.match(line) or _is_block_of_headers(lines, number):
            return number
        if bare and _introduces_quote(lines, number) and _ends_in_quote(lines, number):
            return number
    return len(lines)


def _introduces_quote(lines: list[str], number: int) -> bool:
    """Whether 'On ... wrote:' begins here, on one line or folded over a few."""
    for count in range(1, _FOLDED):
        piece = lines[number : number + count]
        if len(piece) < count or (count > 1 and not piece[-1].strip()):
            return False
        joined = " ".join(each.strip("> \t") for each in piece)
        if _WROTE.match(joined):
            return count == 1 or bool(re.match(r"^\W*(On|На|Le|Am|El|Il|Em|Op|\d)", joined))
    return False


def _ends_in_quote(lines: list[str], number: int) -> bool:
    """Whether what follows is quoted to the end: an answer between quoted pieces is kept."""
    following = [line for line in lines[number + 1 :] if line.strip()]
    quoted = [line for line in following if _QUOTED.match(line)]
    if not quoted:
        return True
    after_last = following[max(n for n, line in enumerate(following) if _QUOTED.match(line)) + 1 :]
    own = [line for line in after_last if not _SIGNATURE.match(line)]
    return not own or len(quoted) < len(following) / 3 or _is_signed(after_last)


def _is_signed(lines: list[str]) -> bool:
    return bool(lines) and bool(_SIGNATURE.match(lines[0]))


def _is_block_of_headers(lines: list[str], number: int) -> bool:
    """Outlook's From, Sent, To, Subject, one under another."""
    if not _OPENS_BLOCK.match(lines[number]):
        return False
    window = [line for line in lines[number : number + 7] if line.strip()][:5]
    return len({found[1].lower() for line in window if (found := _HEADER.match(line))}) >= 3


def _drop_quoted(lines: list[str]) -> list[str]:
    """Without quoted lines and the header directly above them."""
    kept: list[str] = []
    for number, line in enumerate(lines):
        if _QUOTED.match(line):
            continue
        nearby = lines[number + 1 : number + 4]
        if line.strip() and _WROTE.match(line.strip()) and any(_QUOTED.match(each) for each in nearby):
            continue
        kept.append(line)
    return kept


def _find_signature(lines: list[str]) -> int:
    """Where the signature begins; never at the first line with words."""
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    for number, line in enumerate(lines):
        if number > first and _SIGNATURE.match(line.rstrip("\u00a0")) and len(lines) - number <= 15:
            return number
    return len(lines)
