from __future__ import annotations

from outreach.audience.names import WORD_BREAK, sort_key


def test_names_sort_in_bulgarian_order() -> None:
    names = ["Zoe", "Яна", "Ана", "Йордан", "Иван", "ѝва", "adam", "Щерю", "Борис", "7 септември", "Ани"]

    assert sorted(names, key=sort_key) == [
        "7 септември", "Ана", "Ани", "Борис", "ѝва", "Иван", "Йордан", "Щерю", "Яна", "adam", "Zoe",
    ]  # fmt: skip


def test_sort_key_ignores_case_accents_and_punctuation() -> None:
    assert sort_key("  Élise  O'Neil-Брайт ") == sort_key("elise oneil брайт")


def test_sort_key_of_a_beginning_is_the_beginning_of_the_key() -> None:
    assert sort_key("Мария Иванова").startswith(sort_key("мар"))
    assert WORD_BREAK + sort_key("Ив") in sort_key("Мария Иванова")


def test_sort_key_fits_its_column() -> None:
    assert len(sort_key("щ" * 200)) == 250
