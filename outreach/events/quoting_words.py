"""The words by which mail programs quote and sign, in their languages: tables alone; `quoting` applies them."""

from __future__ import annotations

import re
from typing import Final

#: Bounded on both sides of the @: a long word without one would cost the square of its length.
_ADDRESS: Final = r"[^<>()\s@]{1,128}@[^<>()\s@]{1,255}"
ADDRESS: Final = re.compile(_ADDRESS)

#: "Wrote", where the name stands before it.
_WROTE: Final = (
    "wrote|writes|написа|писа|пише|написахте|пишет|писал[аи]?|написали|написал(?:\\(а\\)|а)?|напиша|написао|"
    "написао/ла|schrieb|geschrieben|"
    "a écrit|escribió|ha scritto|escreveu|schreef|geschreven|skrev|skrifaði|kirjoitti|pisze|"
    "napisał(?:\\(a\\)|a)?|napsal(?:\\(a\\)|a)?|napísal(?:\\(a\\)|a)?|napisal(?:\\(a\\)|a)?|napisao|napisao/la|"
    "je napisa[ol]a?|napisao je|a scris|έγραψε|írta|rašė|rakstīja|kirjutas|va escriure|ha escrit|đã viết|menulis|"
    "yazdı|şunları yazdı|şunu yazdı"
)
#: The same in scripts that set no space before it.
_WROTE_WITHIN: Final = "写道|寫道|のメール|작성|쓴 글|כתב(?:/ה|ה)?|كتب|เขียนว่า"
#: The end of "On ... wrote:".
SAYS_WROTE: Final = re.compile(
    rf"(?:\b(?:{_WROTE})(?!\w)|{_WROTE_WITHIN})\s?(?:\(.{{0,60}}\)\s?)?(?:[:：]|-{{2,}})\s*$", re.I
)
#: Where the name, or the moment, stands behind it.
WROTE_BEFORE: Final = re.compile(
    r"\b(?:schrieb|skrev|schreef|skrifaði|kirjutas|heeft .{1,200} geschreven|hat .{1,200} geschrieben|"
    rf"ezt írta|(?:{_WROTE})(?=.{{2,100}}\d\d?[:.h]\d\d))(?!\w).{{1,200}}[:：]\s*$",
    re.I,
)
#: Introductions that say neither, and are no sentence.
QUOTES_FROM: Final = re.compile(
    rf"^\W{{0,8}}(?:(?:Цитиране на|Цитат (?:на писмо )?от|Quoting|Zitat von|Citando)\b.{{4,300}}:"
    rf"|(?:\S+,? )?\d(?=.{{0,80}}\b20\d\d)(?=.{{0,80}}\d:\d\d).{{4,120}}\b(?:от|by|from) .{{1,200}}:"
    rf"|\d{{4}}-\d\d-\d\d.{{0,60}}<{_ADDRESS}>\s*:?)\s*$",
    re.I,
)
#: What people say who tell of a letter: "and then he wrote me:".
OF_A_PERSON: Final = re.compile(
    r"\b(?:I|he|she|we|they|ми|ни|ви|му|им|ѝ|аз|той|тя|те|ние|мне|нам|вам|он|она|мы|они|ich|er|wir|je|elle|yo|io) "
    rf"(?:{_WROTE})\b",
    re.I,
)
#: No introduction asks, or is two sentences.
SENTENCE: Final = re.compile(r"[?;]|[^\W\d_]{5,}\. +[A-ZА-Я]")
#: A program's sign of whom it quotes, as no sentence names somebody.
SIGN_OF_NAME: Final = re.compile(rf"[<(]\s?{_ADDRESS}\s?[>)]|{_ADDRESS}\s?[:：]\s*$")
#: What makes an introduction of a line above something quoted, where nothing else does.
NAMED: Final = re.compile(rf"[<(]{_ADDRESS}[>)].{{0,80}}[:：]\s*$")
#: The first line of an introduction that is folded; one that begins with a word is no second line of another.
OPENS: Final = re.compile(r"^\W*(?:(?:On|На|Le|Am|El|Il|Em|Op)\b|\d)")
OPENS_IN_WORDS: Final = re.compile(r"^\W*(?:On|На|Le|Am|El|Il|Em|Op)\b")
#: An address and what it says on one line, as programs for telephones fold it: the rest of the line is quoted.
WROTE_THIS: Final = re.compile(
    rf"^\W{{0,8}}(?:On|На|Am|Le|El|Il|Em|Op)\b.{{4,200}}<{_ADDRESS}>\s*"
    r"(?:wrote|написа|schrieb|a écrit|escribió|ha scritto|escreveu|schreef)\s*:\s*\S",
    re.I,
)

#: Names of a message that is answered or passed on.
_ORIGINAL: Final = (
    "Original (?:Message|Appointment|e-?mail)|Reply Message|Forwarded message|"
    "(?:Оригинално|Първоначално|Препратено|Пренасочено|Изходно) (?:съобщение|писмо)|"
    "(?:Исходное|Пересылаемое|Перенаправленное) (?:сообщение|письмо)|Message (?:d['’]origine|original|transféré)|"
    "(?:Ursprüngliche|Weitergeleitete) (?:Nachricht|Mail)|Original-?Nachricht|Mensaje (?:original|reenviado)|"
    "Messaggio (?:originale|inoltrato)|Mensagem (?:original|encaminhada)|Oorspronkelijk bericht|Oprindelig meddelelse|"
    "Opprinnelig melding|Ursprungligt meddelande|Alkuperäinen viesti|Wiadomość oryginalna|Oryginalna wiadomość|"
    "Původní (?:zpráva|e-?mail)|Pôvodná správa|"
    "Eredeti üzenet|Αρχικό μήνυμα|Mesaj original|Оригинална порука|Izvorna poruka|Izvirno sporočilo|"
    "(?:Оригінальне|Вихідне|Початкове) повідомлення|Özgün İleti|Orijinal mesaj|原始邮件|元のメッセージ"
)
#: Lines that mail programs put above the message answered.
DIVIDER: Final = re.compile(
    rf"^[\s>]*(?:[-‐–—_=]{{2,}}\s*(?:{_ORIGINAL})\s*[-‐–—_=]*(?:\s+\w{{2,12}}: .{{0,2000}})?|_{{20,}}|"
    r"Begin forwarded message:|Начало на препратеното съобщение:|Anfang der weitergeleiteten Nachricht:|"
    r"Début du message (?:transféré|réexpédié)\s?:|Inicio del mensaje reenviado:|Inizio messaggio inoltrato:|"
    r"Begin doorgestuurd bericht:|Início da mensagem (?:reencaminhada|encaminhada):|"
    r"Начало (?:переадресованного|пересылаемого) сообщения:|"
    r"-{2,}\s*(?:Цитат от|Цитиране на|Zitat von|Quoting) .{1,160}-{2,}|"
    r"-{3,}\s?[^-].{2,160}\bwrote:?\s?-{3,}|>{3} .{4,200}\d.{0,40} >{3}|"
    r"##-? .{0,80}(?:above this line|над тази линия).{0,40})\s*$",
    re.I,
)
#: One in another language, or bare of dashes: believed only above headers.
DASHED: Final = re.compile(
    rf"^[\s>]*(?:([-‐_=])\1{{2,}}\s?[^\s\-_=].{{1,60}}[^\s\-_=]\s?\1{{3,}}|{_ORIGINAL})\s*$", re.I
)

#: Names of headers, in the languages in which Outlook and its like write them above the message answered.
_FROM: Final = (
    "From|От|De|Von|Da|Van|Od|Од|Від|Kimden|De la|Από|Från|Fra|"
    "Lähettäjä|Feladó|Odesílatel|Šalje|Шаље|Nuo|No|Saatja|Nadawca|"
    "Dari|Từ|差出人|发件人|寄件者|보낸 사람|발신|מאת|من"
)
_SENT: Final = (
    "Sent|Изпратено(?: на)?|Дата|Датум|Date|Data|Dată|Dato|Datum|Datums|Dátum|Fecha|Päivämäärä|Päiväys|Kuupäev|"
    "Envoyé|Gesendet|Enviad[oa](?: el| em)?|Enviat(?: el)?|Inviato|"
    "Отправлено|Надіслано|Gönderildi|Tarih|Wysłan[oe]|Trimis|Στάλθηκε|Ημερομηνία|Skickat|Sendt|Lähetetty|Elküldve|"
    "Odesláno|Odoslané|Verzonden|Poslano|Poslato|Послато|Испратено|Išsiųsta|Nosūtīts|Saadetud|Dikirim|Đã gửi|送信日時|"
    "日付|发送时间|日期|寄件日期|보낸 날짜|날짜|נשלח|תאריך|تم الإرسال|التاريخ"
)
_OTHERS: Final = (
    "To|До|Към|Кому|À|An|Para|A|Do|Kime|Alıcı|Către|Προς|Till|Til|Vastaanottaja|Címzett|Komu|Aan|Za|За|Прима|Prima|"
    "Kam|Adressaat|Adresat|Kepada|Đến|Per a|宛先|收件人|收件者|받는 사람|받은 사람|אל|إلى|"
    "Subject|Относно|Тема|Objet|Betreff|Asunto|Assunto|Assumpte|Oggetto|Konu|Temat|Subiect|Θέμα|Ämne|Emne|Aihe|Tárgy|"
    "Předmět|Onderwerp|Predmet|Предмет|Наслов|Zadeva|Tema|Tēma|Temats|Teema|Subjek|Chủ đề|"
    "件名|主题|主旨|제목|נושא|الموضوع|"
    "Cc|Копие|Копия|Копія|Kopie|Kopia|DW|Bilgi|Reply-To|Reply To"
)
HEADER: Final = re.compile(rf"^[\s>*]*({_FROM}|{_SENT}|{_OTHERS})\*?\s*[:：]\*{{0,2}}\s*\S", re.I)
#: The same where a program put the whole block on one line.
HEADER_WITHIN: Final = re.compile(rf"(?:^|\s)({_FROM}|{_SENT}|{_OTHERS})\s?:\s", re.I)
#: Of such a block the lines that a program never leaves out.
FROM: Final = re.compile(rf"(?:{_FROM})", re.I)
SENT: Final = re.compile(rf"(?:{_SENT})", re.I)
#: What a person who lists a journey or a meeting in such lines does not write.
OF_A_PROGRAM: Final = re.compile(r"@|\b\d{1,2}[:.]\d\d\b(?!\.\d)")

#: What a signature says it was sent from, where more follows; of a desk a sentence is written.
_DEVICE: Final = r"\b(?:iPhone|iPad|phone|mobile|Android|Galaxy|smartphone|tablet|Outlook|BlackBerry)\b"
#: Programs and telephones that sign in languages of which the words are not all known.
_PRODUCT: Final = r"(?:iPhone|iPad|Android|Galaxy|Samsung|Huawei|Xiaomi|Outlook|BlackBerry|Yahoo|Windows|Mail\.ru|GMX)"
_GET: Final = (
    "Get|Download|Вземете|Изтегляне на|Изтеглете|Holen Sie sich|Télécharger|Obtenir|Obtener|Obter|Obtenha|Ottieni|"
    "Scarica|Hent|Skaff deg|Hämta|Hanki|Pobierz|Uzyskaj|Získejte|Stáhnout|Descărcați|Αποκτήστε|Λήψη|Скачать|Получить|"
    "Загрузить|Отримати|Завантажити|Preuzmite|获取|下载"
)
#: What telephones sign with.
SENT_FROM: Final = re.compile(
    r"^\W{0,2}(?:"
    rf"Sent (?:from|via|with|using) (?:[^,;?!]{{2,70}}|[^,;?!]{{0,40}}{_DEVICE}.{{0,60}})|"
    r"(?:Get|Download) \w[\w ]{1,20} for (?:iOS|Android|Windows|Mac)\b.{0,20}|"
    r"Изпратено (?:от|чрез|със?|през) (?=.{0,50}(?:[A-Za-z]|мо[яи]\b|моето|мобилн|поща)).{2,60}|"
    r"Sendt fra (?:min )?.{2,60}|"
    r"Skickat från (?:min )?.{2,60}|(?:Verzonden|Verstuurd) (?:vanaf|met|via|vanuit) .{2,60}|"
    r"Inviato da(?:l mio)? .{2,60}|"
    r"Enviado (?:do|a partir do|desde) .{2,60}|Wysłan[eo] (?:z|ze) .{2,60}|Odesláno z .{2,60}|Odoslané z .{2,60}|"
    r"Lähetetty .{2,60}|Trimis (?:de pe|din) .{2,60}|"
    r"Envoyé (?:de(?:puis)?|à partir d(?:[eu]|['’])) ?.{2,60}|Von meinem .{2,60} gesendet\.?|"
    r"Gesendet (?:von|mit) (?:meinem |der )?.{2,60}|Diese Nachricht wurde von meinem .{2,60} gesendet\.?|"
    r"Отправлено (?:с|из) .{2,60}|Надіслано (?:з|із|через) .{2,60}|Послато са .{2,60}|"
    r"Posl?a[nt]o (?:z|s|iz|sa) .{2,60}|Στάλθηκε από .{2,60}|.{2,30} (?:gönderildi|küldve)|"
    r"Elküldve .{2,40}-\w{0,4}r[óő]l|Provenance : .{2,60}|Yahoo Mail: Search, Organize, Conquer|"
    rf"(?:Enviat des de|Saadetud|Išsiųsta iš|Nosūtīts no|Dikirim dari|Đã gửi từ|发自|從|从|נשלח מ|تم الإرسال من)"
    rf".{{0,20}}{_PRODUCT}.{{0,30}}|{_PRODUCT}\s?から送信|.{{0,10}}{_PRODUCT}에서 보냄|"
    r"\w[\w ]{1,30} Outlook (?:for|für|pour|para|per|для|за|voor|för|til|pro|dla|pentru|για|za) "
    r"(?:iOS|Android|Mac|Windows)|"
    rf"(?:{_GET}) .{{0,30}}Outlook.{{0,24}}(?:iOS|Android|Mac|Windows)|"
    r".{0,30}Outlook.{0,20}(?:letöltése|downloaden|edinin|indirin|を入手|herunterladen)"
    r")\W{0,2}\s*$",
    re.I,
)
ADDRESS_OF_A_PAGE: Final = re.compile(r"\s?[<(\[]https?://[^\s<\[]{1,2000}[>)\]]")
#: The line that by itself begins a signature (RFC 3676, section 4.3), with or without its space.
DELIMITER: Final = re.compile(r"^--\s?$")
#: Other lines of signs alone that people put above theirs.
RULE: Final = re.compile(r"^(?:—|– ?–|[-—–_]{3,}|[=+*]{3,}|(?:[-_*] ){3,}[-_*]?)\s*$")
#: What lawyers and scanners have every letter end with, by its first paragraph.
DISCLAIMER: Final = re.compile(
    r"^\W{0,40}(?:(?:important|please note|внимание|важно)(?: notice)?\W{1,3})?(?:(?:confidentiality|privacy|"
    r"legal) (?:notice|note|statement)\b|disclaimer\b|"
    r"(?:this|the (?:information|contents?)\b.{0,20}\bthis) (?:e-?mail|message|communication)\b.{0,300}"
    r"(?:confidential|privileged|intended (?:only|solely)|in error)|"
    r"(?:това|настоящото) (?:електронно )?(?:съобщение|писмо)\b.{0,300}(?:поверител|конфиденциал|предназначен)|"
    r"(?:это|данное|настоящее) (?:электронное )?(?:сообщение|письмо)\b.{0,300}конфиденциал|"
    r"diese (?:e-?mail|nachricht)\b.{0,300}vertraulich|"
    r"(?:ce message|ce courriel|cet e-?mail)\b.{0,300}confidentiel|"
    r"este (?:mensaje|correo|e-?mail)\b.{0,300}confidencial|esta mensagem\b.{0,300}confidencial|"
    r"(?:questo messaggio|la presente e-?mail)\b.{0,300}(?:riservat|confidenzial)|"
    r"dit (?:bericht|e-?mailbericht)\b.{0,300}vertrouwelijk|niniejsza wiadomość\b.{0,300}poufn|"
    r"(?:please )?(?:consider|think (?:of|about)) (?:the|our) environment before print|"
    r"(?:моля,? )?(?:помислете за|погрижете се за|пазете) (?:околната среда|природата)\b.{0,20}"
    r"\bпреди да .{0,30}отпечат|"
    r"[\w\s-]{2,40}\.?\s?www\.(?:avast|avg)\.com\b|"
    r"this e-?mail has been (?:checked|scanned) for viruses)",
    re.I | re.S,
)
