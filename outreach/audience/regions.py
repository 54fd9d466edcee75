"""Where people live: parts of a country by their ISO 3166-2 codes. Those of Bulgaria are named in both languages."""

from __future__ import annotations

import re
from typing import Final

#: ISO 3166-2:BG: code -> (Bulgarian, English).
BULGARIAN: Final[dict[str, tuple[str, str]]] = {
    "BG-01": ("Благоевград", "Blagoevgrad"),
    "BG-02": ("Бургас", "Burgas"),
    "BG-03": ("Варна", "Varna"),
    "BG-04": ("Велико Търново", "Veliko Tarnovo"),
    "BG-05": ("Видин", "Vidin"),
    "BG-06": ("Враца", "Vratsa"),
    "BG-07": ("Габрово", "Gabrovo"),
    "BG-08": ("Добрич", "Dobrich"),
    "BG-09": ("Кърджали", "Kardzhali"),
    "BG-10": ("Кюстендил", "Kyustendil"),
    "BG-11": ("Ловеч", "Lovech"),
    "BG-12": ("Монтана", "Montana"),
    "BG-13": ("Пазарджик", "Pazardzhik"),
    "BG-14": ("Перник", "Pernik"),
    "BG-15": ("Плевен", "Pleven"),
    "BG-16": ("Пловдив", "Plovdiv"),
    "BG-17": ("Разград", "Razgrad"),
    "BG-18": ("Русе", "Ruse"),
    "BG-19": ("Силистра", "Silistra"),
    "BG-20": ("Сливен", "Sliven"),
    "BG-21": ("Смолян", "Smolyan"),
    "BG-22": ("София (столица)", "Sofia (capital)"),
    "BG-23": ("Софийска област", "Sofia (province)"),
    "BG-24": ("Стара Загора", "Stara Zagora"),
    "BG-25": ("Търговище", "Targovishte"),
    "BG-26": ("Хасково", "Haskovo"),
    "BG-27": ("Шумен", "Shumen"),
    "BG-28": ("Ямбол", "Yambol"),
}
#: What offices also write.
_OTHER_NAMES: Final = {
    "софия": "BG-22",
    "софия-град": "BG-22",
    "софия град": "BG-22",
    "столична": "BG-22",
    "sofia": "BG-22",
    "sofia city": "BG-22",
    "софийска": "BG-23",
    "софия-област": "BG-23",
    "софия област": "BG-23",
    "sofia province": "BG-23",
}
_BY_NAME: Final = {name.casefold(): code for code, names in BULGARIAN.items() for name in names} | _OTHER_NAMES
_CODE: Final = re.compile("[A-Z]{2}-[A-Z0-9]{1,3}")


def find_region(text: str) -> str | None:
    """The code that a code or a Bulgarian region's name stands for; None where it is neither.

    A code of another country is taken by its form alone.
    """
    code = text.strip().upper()
    if _CODE.fullmatch(code):
        return code if code in BULGARIAN or not code.startswith("BG-") else None
    name = " ".join(text.casefold().split()).removeprefix("област ").removesuffix(" област")
    return _BY_NAME.get(name) or _BY_NAME.get(f"{name} област")


def region_name(code: str, language: str) -> str:
    """The region's name; the code itself where we have no name, '' where there is no region."""
    names = BULGARIAN.get(code)
    return code if names is None else names[0 if language == "bg" else 1]
