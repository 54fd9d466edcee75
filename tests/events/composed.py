"""Replies put together of what people write, how they sign, what their programs quote, and how it travels.

`letters/programs.txt` and `letters/programs_html.txt` hold what programs put beneath an answer, or around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import charset as charsets
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "letters"

#: A short answer in each language, as people write it.
SHORT: Final = {
    "ar": "نعم، سأحضر.",
    "bg": "Да, ще дойда.",
    "ca": "Sí, hi aniré.",
    "cs": "Ano, přijdu.",
    "da": "Ja, jeg kommer.",
    "de": "Ja, ich komme.",
    "el": "Ναι, θα έρθω.",
    "en": "Yes, I shall come.",
    "es": "Sí, voy a ir.",
    "et": "Jah, ma tulen.",
    "fi": "Kyllä, tulen.",
    "fr": "Oui, je viendrai.",
    "he": "כן, אבוא.",
    "hr": "Da, doći ću.",
    "hu": "Igen, eljövök.",
    "id": "Ya, saya akan datang.",
    "it": "Sì, verrò.",
    "ja": "はい、行きます。",
    "ko": "네, 가겠습니다.",
    "lt": "Taip, ateisiu.",
    "lv": "Jā, es nākšu.",
    "nl": "Ja, ik kom.",
    "no": "Ja, jeg kommer.",
    "pl": "Tak, przyjdę.",
    "pt": "Sim, vou.",
    "ro": "Da, voi veni.",
    "ru": "Да, приду.",
    "sk": "Áno, prídem.",
    "sl": "Da, pridem.",
    "sr": "Да, доћи ћу.",
    "sv": "Ja, jag kommer.",
    "tr": "Evet, geleceğim.",
    "uk": "Так, прийду.",
    "vi": "Vâng, tôi sẽ đến.",
    "zh": "好的，我会来。",
}
#: Longer ones, with what is easily taken for a quotation or a signature.
LONG: Final = (
    "Hello,\n\nI have two questions:\n- where is it\n- when does it begin\n\n"
    "On the other hand, I may be late - the bus comes at 10:15 on 2 November.\n\nThanks,\nAlex",
    "Здравейте,\n\nимам два въпроса:\n1. От колко часа е?\n2. До кога трае?\n\n"
    "На 2 ноември съм на работа до 17:00. Моля, пишете ми.\n\nПоздрави,\nИван Петров",
)
#: What telephones sign with.
DEVICES: Final = {
    "ar": ("تم الإرسال من الـ iPhone الخاص بي",),
    "bg": ("Изпратено от моя iPhone", "Изпратено от Outlook за iOS", "Вземете Outlook за Android"),
    "ca": ("Enviat des del meu iPhone",),
    "cs": ("Odesláno z iPhonu", "Získejte Outlook pro Android", "Odesláno z mobilu"),
    "da": ("Sendt fra min iPhone", "Hent Outlook til Android", "Sendt fra Outlook til iOS"),
    "de": (
        "Von meinem iPhone gesendet",
        "Gesendet mit der GMX Mail App",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        "Gesendet von Outlook für iOS",
        "Von meinem Samsung Galaxy Smartphone gesendet.",
    ),
    "el": ("Στάλθηκε από το iPhone μου", "Αποκτήστε το Outlook για Android"),
    "en": (
        "Sent from my iPad",
        "Sent from my Galaxy",
        "Sent from Yahoo Mail for iPhone",
        "Sent from Outlook for iOS",
        "Sent via BlackBerry from T-Mobile",
        "Sent from Gmail Mobile",
        "Sent from myMail for Android",
        "Sent from Proton Mail for iOS",
        "Sent from my phone. Please excuse brevity and typos.",
        "Sent with Spark",
        "Get Outlook for iOS",
        "Sent from Mail for Windows 10",
        "Sent from Nine",
        "Yahoo Mail: Search, Organize, Conquer",
        "[Sent from my mobile]",
    ),
    "es": ("Enviado desde mi iPhone", "Obtener Outlook para iOS", "Enviado desde Yahoo Mail con Android"),
    "et": ("Saadetud minu iPhone'ist",),
    "fi": ("Lähetetty iPhonesta", "Hanki Outlook for Android"),
    "fr": (
        "Envoyé de mon iPhone",
        "Envoyé depuis mon mobile",
        "Envoyé à partir d’Outlook pour iOS",
        "Obtenir Outlook pour iOS",
        "Provenance : Courrier pour Windows",
    ),
    "he": ("נשלח מה-iPhone שלי",),
    "hr": ("Poslano s mog iPhonea",),
    "hu": ("Elküldve az iPhone-omról", "Az Outlook Android-alkalmazás letöltése"),
    "id": ("Dikirim dari iPhone saya",),
    "it": ("Inviato da iPhone", "Inviato dal mio iPhone", "Ottieni Outlook per Android", "Inviato da Libero Mail"),
    "ja": ("iPhoneから送信", "Outlook for iOS を入手"),
    "ko": ("나의 iPhone에서 보냄",),
    "lt": ("Išsiųsta iš mano iPhone",),
    "lv": ("Nosūtīts no mana iPhone",),
    "nl": ("Verstuurd vanaf mijn iPhone", "Outlook voor iOS downloaden", "Verzonden met Outlook voor Android"),
    "no": ("Sendt fra min iPhone", "Skaff deg Outlook for Android"),
    "pl": ("Wysłane z iPhone'a", "Wysłano z iPhone'a", "Pobierz aplikację Outlook dla systemu Android"),
    "pt": ("Enviado do meu iPhone", "Obter o Outlook para iOS", "Enviado a partir do Outlook para Android"),
    "ro": ("Trimis de pe iPhone-ul meu", "Descărcați Outlook pentru Android"),
    "ru": ("Отправлено с iPhone", "Отправлено из Mail.ru для Android", "Скачать Outlook для iOS"),
    "sk": ("Odoslané z iPhonu",),
    "sl": ("Poslano iz mojega iPhona",),
    "sr": ("Послато са iPhone-a",),
    "sv": ("Skickat från min iPhone", "Hämta Outlook för Android"),
    "tr": ("iPhone'umdan gönderildi", "Android için Outlook'u edinin"),
    "uk": ("Надіслано з iPhone", "Отримати Outlook для Android"),
    "vi": ("Đã gửi từ iPhone của tôi",),
    "zh": ("发自我的iPhone", "从我的 iPhone 发送", "從我的 iPhone 傳送"),
}
#: Signatures of people.
SIGNATURES: Final = (
    "-- \nIvan Petrov\nFirma Ltd\ntel. +359 888 123 456\nwww.firma.bg",
    "--\nИван Петров",
    "________________\nIvan Petrov | Sales\nFirma Ltd",
)
#: Charset and encoding of one reply after the other; a charset that lacks a letter of it gives way to UTF-8.
_TRAVELS: Final = (
    ("utf-8", charsets.BASE64),
    ("utf-8", charsets.QP),
    ("windows-1251", None),
    ("utf-8", None),
    ("iso-8859-1", charsets.QP),
)


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A reply, and what of it its author wrote."""

    name: str
    own: str
    content: bytes


def letters(name: str) -> list[list[str]]:
    """Name, what stands beside it, and the letter itself, of each letter in a file."""
    pieces = re.split(r"^=== ", (FOLDER / name).read_text(), flags=re.M)[1:]
    found = [piece.partition("\n") for piece in pieces]
    return [[*(word.strip() for word in head.split("|")), letter] for head, _, letter in found]


def plain_replies() -> Iterator[Composed]:
    """Each program's way to quote, below each answer, with and without a signature."""
    travels = cycle(_TRAVELS)
    for name, language, tail in letters("programs.txt"):
        signed = ((SHORT[language], signature) for signature in (*DEVICES[language][:1], SIGNATURES[0]))
        for own, signature in (*((own, "") for own in (SHORT[language], *LONG)), *signed):
            whole = "\n\n".join(filter(None, (own, signature, tail)))
            yield Composed(name=name, own=own, content=_mail(whole, "plain", next(travels)))


def signed_replies() -> Iterator[Composed]:
    """Each signature, below an answer and above a quotation."""
    travels = cycle(_TRAVELS)
    tail = "On Mon, Nov 2, 2026 at 10:00 AM Plovdiv <news@plovdiv.bg> wrote:\n\n> Come"
    for language, devices in DEVICES.items():
        for signature in (*devices, *SIGNATURES):
            for whole in (f"{SHORT[language]}\n\n{signature}\n", f"{SHORT[language]}\n\n{signature}\n\n{tail}\n"):
                yield Composed(name=signature, own=SHORT[language], content=_mail(whole, "plain", next(travels)))


def html_replies() -> Iterator[Composed]:
    """Each program's marks of what is quoted, around each answer."""
    travels = cycle(_TRAVELS)
    for name, language, form, frame in letters("programs_html.txt"):
        for own in (SHORT[language], *LONG):
            whole = frame.replace("{body}", _marked(own, form))
            yield Composed(name=name, own=own, content=_mail(whole, "html", next(travels)))


def replies_in_both() -> Iterator[Composed]:
    """The plain form beside the other, as most programs send them."""
    tails = {name: tail for name, _, tail in letters("programs.txt")}
    for plain, rich in (("gmail-en", "gmail"), ("outlook-en-web", "outlook-web"), ("yahoo-en", "yahoo")):
        frame = next(row[-1] for row in letters("programs_html.txt") if row[0] == rich)
        for own in (SHORT["en"], *LONG):
            message = _headed()
            message.set_content(f"{own}\n\n{tails[plain]}")
            message.add_alternative(frame.replace("{body}", _marked(own, "div")), subtype="html")
            yield Composed(name=plain, own=own, content=message.as_bytes(policy=SMTP))


def _marked(text: str, form: str) -> str:
    """A text as a program marks it up."""
    lines = [escape(line, quote=False) for line in text.split("\n")]
    if form == "br":
        return "<br>".join(lines)
    if form == "p":
        return "".join(f"<p>{part}</p>" for part in "\n".join(lines).replace("\n\n", "\0").split("\0")).replace(
            "\n", "<br>"
        )
    if form == "mso":
        return "".join(f'<p class="MsoNormal">{line or "<o:p>&nbsp;</o:p>"}<o:p></o:p></p>' for line in lines)
    return "".join(f"<div>{line or '<br>'}</div>" for line in lines)


def _headed() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Иван Петров <ivan@firma.bg>"
    message["To"] = "news@plovdiv.bg"
    message["Subject"] = "Re: Новини"
    message["In-Reply-To"] = "<1@plovdiv.bg>"
    return message


def _mail(text: str, subtype: str, travel: tuple[str, int | None]) -> bytes:
    charset, encoding = travel
    try:
        octets = text.encode(charset)
    except UnicodeEncodeError:
        charset, octets = "utf-8", text.encode()
    encoded = {None: "8bit", charsets.BASE64: "base64", charsets.QP: "quoted-printable"}[encoding]
    message = _headed()
    message.set_content(octets.replace(b"\n", b"\r\n"), "text", subtype, cte=encoded)
    message.set_param("charset", charset)
    return message.as_bytes(policy=SMTP)
