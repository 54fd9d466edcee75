from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.gsm import is_gsm
from outreach.delivery.latin import is_latin_already, template_to_latin, to_latin
from outreach.delivery.templating import HTML, TEXT, check_template


@pytest.mark.parametrize(
    ("cyrillic", "latin"),
    [
        # The examples of the Act itself.
        ("Стара планина", "Stara planina"),
        ("Ямбол", "Yambol"),
        ("Щъркелово", "Shtarkelovo"),
        ("Гьоврен", "Gyovren"),
        ("Цар Самуил", "Tsar Samuil"),
        ("Чавдар", "Chavdar"),
        ("Жеравна", "Zheravna"),
        ("София", "Sofia"),
        ("Мария", "Maria"),
        ("България", "Bulgaria"),
        ("БЪЛГАРИЯ", "BULGARIA"),
        ("СОФИЯ", "SOFIA"),
        ("ЩЕ", "SHTE"),
        ("Ще", "Shte"),
        ("Я", "Ya"),
        ("ия", "iya"),
        ("Юлия", "Yulia"),
        ("„Данък“ – 5 € № 3…", '"Danak" - 5 € No 3...'),
        ("ѝ", "i"),
        ("ы", "ы"),
        ("Service works", "Service works"),
    ],
)
def test_letters_are_those_of_the_law(cyrillic: str, latin: str) -> None:
    assert to_latin(cyrillic) == latin


def test_template_keeps_its_code_and_addresses() -> None:
    body = (
        "Здравейте, {{ subscriber.name }}! {% if subscriber.kind == 'business' %}Фирма{% endif %} "
        "https://example.bg/път {{ service.url }} {{ unsubscribe_url }}"
    )
    latin = (
        "Zdraveyte, {{ (subscriber.name)|latin }}! {% if subscriber.kind == 'business' %}Firma{% endif %} "
        "https://example.bg/път {{ service.url }} {{ unsubscribe_url }}"
    )
    assert template_to_latin(body) == latin
    assert template_to_latin(latin) == latin
    assert (is_latin_already(body), is_latin_already(latin)) == (False, True)


@given(st.text(alphabet="абвгдежзийклмнопрстуфхцчшщъьюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЬЮЯ .,!?„“–…№", max_size=200))
def test_bulgarian_always_fits_the_gsm_alphabet(text: str) -> None:
    latin = to_latin(text)
    assert is_gsm(latin)
    assert to_latin(latin) == latin


def test_filter_writes_values_in_latin_letters() -> None:
    source = template_to_latin("{{ subscriber.name }} от {{ subscriber.attributes.city|default('града') }}")
    values = {"subscriber": {"name": "Мария <М>", "attributes": {}}}
    assert check_template(source).problems == []
    assert TEXT.from_string(source).render(values) == "Maria <M> ot grada"
    assert HTML.from_string(source).render(values) == "Maria &lt;M&gt; ot grada"
