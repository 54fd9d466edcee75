"""The demonstration's people: files as offices really have them, the same at every run, taken in by the real import."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

SEED: Final = 20260414
#: One row in a hundred is bad, as in real lists.
BAD_EVERY: Final = 100


def _words(text: str, *, apart: str = " ") -> tuple[str, ...]:
    return tuple(text.split(apart))


_MEN: Final = _words("Иван Георги Димитър Петър Николай Стоян Христо Красимир Пламен Борис Йордан Васил Атанас Мартин")
_WOMEN: Final = _words("Мария Елена Иванка Десислава Гергана Радка Цветелина Надежда Йорданка Силвия Ани Таня Вера")
_FAMILIES: Final = _words(
    "Иванов Петров Димитров Георгиев Николов Стоянов Христов Тодоров Илиев Колев Ангелов Попов Василев Маринов Щерев"
    " Янков Жеков Чолаков"
)
_ENGLISH: Final = _words("Anna Smith,Peter Novak,Maria Rossi,John Carter,Lena Fischer,Tomas Garcia", apart=",")
_CITIES: Final = _words("София,Пловдив,Варна,Бургас,Русе,Габрово,Плевен,Сливен,Стара Загора,Велико Търново", apart=",")
_TRADES: Final = _words("Строй Транс Агро Текстил Софт Консулт Мебел Фарма Турс Електро")
_OWNERS: Final = _words("Алфа Балкан Тракия Родопи Дунав Марица Рила Пирин Вихрен Искър Янтра Юг")
_OFFICES: Final = _words(
    "Деловодство,Местни данъци и такси,Административно обслужване,Информационни технологии", apart=","
)
_LATIN: Final = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъьюя",
        _words("a b v g d e zh z i y k l m n o p r s t u f h ts ch sh sht a y yu ya"),
        strict=True,
    )
)
#: Mailboxes that do not exist: the local peer refuses them, as the world would.
_DEAD_EVERY: Final = 211


@dataclass(frozen=True, kw_only=True)
class PeopleFile:
    """A file to be imported, and where."""

    name: str
    topic: str
    content: bytes
    #: Whose people they become.
    owner: str = "council"


def make_files(subscribers: int) -> list[PeopleFile]:
    """Make the lists of `subscribers` people together: citizens, businesses and officials."""
    officials = max(1, subscribers // 12)
    businesses = max(1, subscribers // 3)
    citizens = max(1, subscribers - officials - businesses)
    everybody = list(_citizens(citizens))
    return [
        PeopleFile(
            name="grazhdani.csv",
            topic="e-services-citizens",
            content=_write(_CITIZEN_COLUMNS, everybody, delimiter=";", encoding="cp1251"),
        ),
        PeopleFile(
            name="firmi.csv",
            topic="e-services-business",
            content=_write(_BUSINESS_COLUMNS, _businesses(businesses), delimiter=";", encoding="utf-8-sig"),
        ),
        PeopleFile(
            name="officials.csv",
            topic="training-officials",
            content=_write(_OFFICIAL_COLUMNS, _officials(officials), delimiter=",", encoding="utf-8"),
            owner="coordination",
        ),
        PeopleFile(
            name="danaci-plovdiv.csv",
            topic="local-taxes",
            content=_write(
                _CITIZEN_COLUMNS, [row for row in everybody if row[5] == "Пловдив"], delimiter="\t", encoding="utf-8"
            ),
        ),
    ]


_CITIZEN_COLUMNS: Final = (
    "Имейл", "Телефон", "Име", "Вид", "Език", "city", "consent_source", "consent_at", "consent_text_version",
)  # fmt: skip
_BUSINESS_COLUMNS: Final = ("email", "phone", "name", "kind", "language", "address", "eik", "consent_source")
_OFFICIAL_COLUMNS: Final = ("email", "name", "kind", "language", "office")


def _citizens(count: int) -> Iterator[list[str]]:
    draw = Random(SEED)  # noqa: S311 -- the same people at every run
    for number in range(count):
        name, language = _person(draw, number)
        reach = draw.random()
        email = _mailbox(name, number, "poshta.example") if reach < 0.88 else ""
        phone = _mobile(number) if reach > 0.65 else ""
        given = f"{1 + number % 28:02}.{1 + number % 12:02}.2025 {8 + number % 10:02}:{number % 60:02}"
        yield [email, phone, name, "гражданин", language, draw.choice(_CITIES), "formulyar", given, "2025-01"]
        if number % BAD_EVERY == BAD_EVERY - 1:
            yield draw.choice(
                (
                    ["няма", "", name, "гражданин", "bg", "София", "", "", ""],
                    ["", "", name, "", "bg", "", "", "", ""],
                    [f"lipsva.{number}@", "", name, "", "", "", "", "", ""],
                    [f"data{number}@poshta.example", "", name, "", "", "", "", "31.02.2025", ""],
                )
            )


def _person(draw: Random, number: int) -> tuple[str, str]:
    if number % 16 == 7:
        return draw.choice(_ENGLISH), "en"
    family = draw.choice(_FAMILIES)
    if draw.random() < 0.5:
        return f"{draw.choice(_MEN)} {family}", "bg"
    return f"{draw.choice(_WOMEN)} {family}а", "bg"


def _businesses(count: int) -> Iterator[list[str]]:
    draw = Random(SEED + 1)  # noqa: S311 -- the same people at every run
    for number in range(count):
        name = f'"{draw.choice(_OWNERS)} {draw.choice(_TRADES)}" {draw.choice(("ООД", "ЕООД", "АД"))}'
        reach = draw.random()
        email = _mailbox(f"ofis {name}", number, "firma.example") if reach < 0.95 else ""
        phone = _mobile(500_000 + number) if reach > 0.75 else ""
        address = f"гр. {draw.choice(_CITIES)}\nул. „Христо Ботев“ {1 + number % 120}"
        language = "en" if number % 10 == 3 else "bg"
        yield [email, phone, name, "business", language, address, f"{200000000 + number}", "trade register"]
        if number % BAD_EVERY == BAD_EVERY - 1:
            yield [f"office at firma{number}", "", name, "business", "bg", address, "", ""]


def _officials(count: int) -> Iterator[list[str]]:
    draw = Random(SEED + 2)  # noqa: S311 -- the same people at every run
    for number in range(count):
        name, _language = _person(draw, 0)
        yield [_mailbox(name, number, "gov.example"), name, "служител", "bg", draw.choice(_OFFICES)]
        if number % BAD_EVERY == BAD_EVERY - 1:
            yield [_mailbox(name, number, "gov.example"), name, "извънземен", "bg", ""]


def _mailbox(name: str, number: int, domain: str) -> str:
    latin = "".join(_LATIN.get(char, char) for char in name.lower())
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in latin).split()
    dead = "bounce." if number % _DEAD_EVERY == _DEAD_EVERY - 1 else ""
    return f"{dead}{'.'.join(words)}{number}@{domain}"


def _mobile(number: int) -> str:
    """A Bulgarian mobile number as people write it; the last digit never is one that the local phone refuses."""
    digits = f"{number:06}0"
    return f"08{8 + number % 2}{digits[:1]} {digits[1:4]} {digits[4:]}"


def _write(columns: tuple[str, ...], rows: Iterable[list[str]], *, delimiter: str, encoding: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode(encoding)
