"""The part of an answer that its author wrote: without what is quoted below it, and without the signature."""

from __future__ import annotations

import re
from typing import Final

#: Longest text that is looked at.
LONGEST: Final = 200_000
#: Lines that may make up one folded quote header.
_FOLDED: Final = 5

#: "On ... wrote:" in the languages that mail programs of our readers speak.
_WROTE: Final = re.compile(
    r"^\W{0,8}(?:"
    r"On\b.{4,300}\bwrote\s*(?::|-{2,})"
    r"|На\b.{4,300}\b(?:написа|писа|пише)\s*:?"
    r"|(?=.{0,300}[\d@]).{4,300}\b(?:написа|писа)\s*:"
    r"|(?:\S+,? )?\d.{4,300}\bот .{1,200}:"
    r"|.{4,300}\bпишет\s*:|.{4,300}\bнаписал(?:\(а\)|а)?\s*:"
    r"|Цитиране на\b.{4,300}:"
    r"|Le\b.{4,300}\ba écrit\s*:"
    r"|Am\b.{4,300}\bschrieb\b.{0,200}:"
    r"|El\b.{4,300}\bescribió\s*:"
    r"|Il\b.{4,300}\bha scritto\s*:"
    r"|Em\b.{4,300}\bescreveu\s*:"
    r"|Op\b.{4,300}\b(?:schreef\b.{0,200}|heeft\b.{1,200}geschreven)\s*:"
    r"|(?:Den|På|W dniu|Dne|Dňa|Στις|El dia|La|Pe|Dana|U|Vào)\b.{4,300}"
    r"\b(?:skrev|pisze|napisał\(?a?\)?|napsal\(?a?\)?|napísal\(?a?\)?|έγραψε|va escriure|a scris|je napisa[ol]|đã viết)"
    r"\b.{0,200}:"
    r"|\d.{4,300}\b(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|skrev|kirjoitti|napisał\(?a?\)?|írta)\s*:"
    r"|(?=.*\d).{4,300}(?:写道|寫道|のメール|şunu yazdı|작성|님이 작성)\s*[:：]"
    r"|.{1,200}<[^<>\s@]{1,128}@[^<>\s@]{1,255}>\s*"
    r"(?:wrote|написа|писа|schrieb|a écrit|skrev|kirjoitti|написал\(?а?\)?)?\s*[:：]"
    r"|(?:\S+,? )?\d.{4,80}\bby [^\s@]{1,128}@[^\s@]{1,255}\s*:"
    r"|\d{4}-\d\d-\d\d.{0,60}<[^<>\s@]{1,128}@[^<>\s@]{1,255}>\s*:?"
    # The name first, then when: `Plovdiv schrieb am 02.11.2026 um 10:00:`.
    r"|(?=.*\b20\d\d\b).{2,200}\b"
    r"(?:wrote|написа|писа|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|skrev|napisał\(?a?\)?)\b"
    r".{4,100}\d[:.h]\d\d.{0,20}:"
    r")\s*$",
    re.S | re.I,
)
#: The first line of an introduction that is folded; one that begins with a word is no second line of another.
_OPENS: Final = re.compile(r"^\W*(?:(?:On|На|Le|Am|El|Il|Em|Op)\b|\d)")
_OPENS_IN_WORDS: Final = re.compile(r"^\W*(?:On|На|Le|Am|El|Il|Em|Op)\b")
#: An address and what it says on one line, as programs for telephones fold it: the rest of the line is quoted.
_WROTE_THIS: Final = re.compile(
    r"^\W{0,8}(?:On|На|Am|Le|El|Il|Em|Op)\b.{4,200}<[^<>\s@]{1,128}@[^<>\s@]{1,255}>\s*"
    r"(?:wrote|написа|schrieb|a écrit|escribió|ha scritto|escreveu|schreef)\s*:\s",
    re.I,
)
#: The same without date or address: believed only directly above what is quoted.
_SAID: Final = re.compile(
    r"^\W{0,3}.{2,120}\b(?:wrote|writes|написа|писа|пише|schrieb|a écrit|escribió)\s*:\s*$"
    # In whatever language: a moment, somebody's address, a colon.
    r"|^(?=.{0,300}\d)(?=.{0,300}[<(][^<>()\s@]{1,128}@[^<>()\s@]{1,255}[>)]).{4,300}:\s*$",
    re.I,
)
#: Dividers that mail programs put above the message answered.
_DIVIDER: Final = re.compile(
    r"^[\s>]*(?:[-_=]{2,}\s*(?:Original (?:Message|Appointment|e-?mail)|Reply Message|Forwarded message|"
    r"(?:Оригинално|Първоначално|Препратено|Пренасочено|Изходно) (?:съобщение|писмо)|"
    r"(?:Исходное|Пересылаемое|Перенаправленное) (?:сообщение|письмо)|Message (?:d'origine|original|transféré)|"
    r"(?:Ursprüngliche|Weitergeleitete) (?:Nachricht|Mail)|Original-?Nachricht|Mensaje (?:original|reenviado)|"
    r"Messaggio (?:originale|inoltrato)|Mensagem (?:original|encaminhada)|Oorspronkelijk bericht|Oprindelig meddelelse|"
    r"Opprinnelig melding|Ursprungligt meddelande|Alkuperäinen viesti|Wiadomość oryginalna|Oryginalna wiadomość|"
    r"Původní (?:zpráva|e-?mail)|Pôvodná správa|"
    r"Eredeti üzenet|Αρχικό μήνυμα|Mesaj original|Оригинална порука|Izvorna poruka|Izvirno sporočilo|"
    r"(?:Оригінальне|Вихідне|Початкове) повідомлення|Özgün İleti|原始邮件|元のメッセージ)"
    r"\s*[-_=]*|_{20,}|Begin forwarded message:|Начало на препратеното съобщение:|"
    r"-{2,}\s*(?:Цитат от|Цитиране на|Zitat von|Quoting) .{1,160}-{2,}|"
    r"##-? .{0,80}(?:above this line|над тази линия).{0,40})\s*$",
    re.I,
)
#: Names of headers, in the languages in which Outlook and its like write them above the message answered.
_FROM: Final = "From|От|De|Von|Da|Van|Od|Від|Kimden|De la|Από|Från|Fra|Lähettäjä|Feladó|Odesílatel|Šalje|Шаље|Од"
_SENT: Final = (
    "Sent|Изпратено(?: на)?|Дата|Date|Data|Datum|Envoyé|Gesendet|Enviad[oa](?: el| em)?|Inviato|Отправлено|Надіслано|"
    "Gönderildi|Tarih|Wysłano|Trimis|Στάλθηκε|Ημερομηνία|Skickat|Sendt|Lähetetty|Elküldve|Odesláno|Verzonden|Poslano|Послато|Испратено"
)
_OTHERS: Final = (
    "To|До|Към|Кому|À|An|Para|A|Do|Kime|Către|Προς|Till|Til|Vastaanottaja|Címzett|Komu|Aan|Za|За|Прима|"
    "Subject|Относно|Тема|Objet|Betreff|Asunto|Assunto|Oggetto|Konu|Temat|Subiect|Θέμα|Ämne|Emne|Aihe|Tárgy|Předmět|Onderwerp|"
    "Predmet|Предмет|Наслов|Cc|Копие|Копия|Копія|Kopie|Kopia|DW|Bilgi|Reply-To"
)
_HEADER: Final = re.compile(rf"^[\s>*]*({_FROM}|{_SENT}|{_OTHERS})\*?\s*:\*?\s*\S", re.I)
#: The same where a program put the whole block on one line.
_HEADER_WITHIN: Final = re.compile(rf"(?:^|\s)({_FROM}|{_SENT}|{_OTHERS})\s?:\s", re.I)
#: The first line of such a block.
_OPENS_BLOCK: Final = re.compile(rf"^[\s>*]*(?:{_FROM}|{_SENT})\*?\s*:", re.I)
#: What a signature says it was sent from, where more follows; of a desk a sentence is written.
_DEVICE: Final = r"\b(?:iPhone|iPad|phone|mobile|Android|Galaxy|smartphone|tablet|Outlook|BlackBerry)\b"
_ADDRESS_OF_A_PAGE: Final = re.compile(r"\s?[<(\[]https?://\S+[>)\]]")
#: What begins a signature.
_SIGNATURE: Final = re.compile(
    r"^(?:--|-- |—|– ?–|[-—–_]{3,}|[=+]{3,}|"
    rf"(?:Sent (?:from|via|with|using) (?:[^,;?!]{{2,70}}|[^,;?!]{{0,40}}{_DEVICE}.{{0,60}})|"
    r"(?:Get|Download) \w[\w ]{1,20} for (?:iOS|Android|Windows|Mac)\b.{0,20}|Изтегляне на Outlook .{2,30}|"
    r"Изтеглете Outlook .{2,30}|Изпратено (?:от|чрез|със?|през) .{2,60}|Sendt fra (?:min )?.{2,60}|"
    r"Skickat från (?:min )?.{2,60}|Verzonden (?:vanaf|met|via) .{2,60}|Inviato da(?:l mio)? .{2,60}|"
    r"Enviado (?:do|a partir do) .{2,60}|Wysłane z .{2,60}|Odesláno z .{2,60}|Lähetetty .{2,60}|"
    r"Trimis (?:de pe|din) .{2,60}|"
    r"Envoyé (?:de(?:puis)?|à partir d[eu]) .{2,60}|Von meinem .{2,60} gesendet|Gesendet von (?:meinem )?.{2,60}|"
    r"Enviado desde .{2,60}|Отправлено (?:с|из) .{2,60}|Надіслано (?:з|із|через) .{2,60}|Послато са .{2,60}|"
    r"Poslano (?:z|s|iz) .{2,60}|Στάλθηκε από .{2,60}|.{2,30} (?:gönderildi|küldve)|"
    r"\w[\w ]{1,30} Outlook (?:for|für|pour|para|per|для|за|voor|för|til|pro|dla|pentru|για|za) "
    r"(?:iOS|Android|Mac|Windows)|"
    r"\(sent from .{2,60}\)))\s*$",
    re.I,
)
#: What lawyers have every letter end with, by its first paragraph.
_DISCLAIMER: Final = re.compile(
    r"^\W{0,6}(?:(?:confidentiality|privacy|legal) (?:notice|note|statement)\b|disclaimer\b|"
    r"(?:this|the (?:information|contents?)\b.{0,20}\bthis) (?:e-?mail|message|communication)\b.{0,300}"
    r"(?:confidential|privileged|intended (?:only|solely)|in error)|"
    r"(?:това|настоящото) (?:електронно )?(?:съобщение|писмо)\b.{0,300}(?:поверител|конфиденциал|предназначен)|"
    r"(?:это|данное|настоящее) (?:электронное )?(?:сообщение|письмо)\b.{0,300}конфиденциал|"
    r"diese (?:e-?mail|nachricht)\b.{0,300}vertraulich|"
    r"(?:ce message|ce courriel|cet e-?mail)\b.{0,300}confidentiel|"
    r"este (?:mensaje|correo|e-?mail)\b.{0,300}confidencial|esta mensagem\b.{0,300}confidencial|"
    r"(?:questo messaggio|la presente e-?mail)\b.{0,300}(?:riservat|confidenzial)|"
    r"dit (?:bericht|e-?mailbericht)\b.{0,300}vertrouwelijk|niniejsza wiadomość\b.{0,300}poufn)",
    re.I | re.S,
)
_QUOTED: Final = re.compile(r"^\s*>")


def strip_quotes(text: str) -> str:
    """The author's own words; '' where there are none."""
    lines = text[:LONGEST].replace("\r\n", "\n").replace("\r", "\n").replace("\u200b", "").split("\n")
    lines = lines[: _find_quotation(lines)]
    lines = _drop_quoted(lines)
    lines = lines[: _find_signature(lines)]
    lines = lines[: _find_disclaimer(lines)]
    return "\n".join(line.rstrip() for line in lines).strip()


def _find_quotation(lines: list[str]) -> int:
    """Where what is quoted below begins; the number of lines where nothing is."""
    for number, line in enumerate(lines):
        bare = line.lstrip("> \t")
        if _DIVIDER.match(line) or _is_block_of_headers(lines, number):
            return number
        if bare and (_WROTE_THIS.match(bare) or _introduces_quote(lines, number)) and _ends_in_quote(lines, number):
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
            return count == 1 or bool(
                _OPENS.match(joined) and not any(_OPENS_IN_WORDS.match(line) for line in piece[1:])
            )
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
    if len({found[1].lower() for found in _HEADER_WITHIN.finditer(lines[number][:2000])}) >= 3:
        return True
    window = [line for line in lines[number : number + 7] if line.strip()][:5]
    return len({found[1].lower() for line in window if (found := _HEADER.match(line))}) >= 3


def _drop_quoted(lines: list[str]) -> list[str]:
    """Without quoted lines and the header directly above them."""
    kept: list[str] = []
    for number, line in enumerate(lines):
        if _QUOTED.match(line):
            continue
        if number and not line.strip() and _QUOTED.match(lines[number - 1]) and not "".join(kept[-1:]).strip():
            continue
        nearby = lines[number + 1 : number + 4]
        if line.strip() and _WROTE.match(line.strip()) and any(_QUOTED.match(each) for each in nearby):
            continue
        if _SAID.match(line.strip()) and _QUOTED.match(next(filter(str.strip, nearby), "")):
            continue
        kept.append(line)
    return kept


def _find_disclaimer(lines: list[str]) -> int:
    """Where a disclaimer begins, as a paragraph of its own; never at the first line with words."""
    for number, line in enumerate(lines[1:], 1):
        if line.strip() and not lines[number - 1].strip() and any(each.strip() for each in lines[:number]):
            paragraph = " ".join(lines[number : number + 6])
            if len(paragraph) > 60 and _DISCLAIMER.match(paragraph):
                return number
    return len(lines)


def _find_signature(lines: list[str]) -> int:
    """Where the signature begins; never at the first line with words."""
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    for number, line in enumerate(lines):
        bare = _ADDRESS_OF_A_PAGE.sub("", line.rstrip("\u00a0"))
        if number > first and _SIGNATURE.match(bare) and len(lines) - number <= 15:
            return number
    return len(lines)
