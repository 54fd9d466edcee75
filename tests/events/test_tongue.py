"""The language that somebody wrote in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.events.tongue import language_of

WRITTEN = (
    ("bg", "Кога е срокът за плащане?"),
    ("bg", "Да"),
    ("bg", "Kontakt: Благодаря ви много за информацията"),
    ("ru", "Где это? Мы не знаем, что делать"),
    ("uk", "Дякую, коли це буде?"),
    ("sr", "Хвала, када је рок за плаћање?"),
    ("mk", "Благодарам, кога е рокот? Сакам да дојдам"),
    ("en", "Thanks, when is the deadline?"),
    ("de", "Guten Tag, wann ist die Frist? Danke"),
    ("fr", "Bonjour, quand puis-je payer? Merci"),
    ("es", "Hola, ¿cuándo puedo pagar? Gracias"),
    ("it", "Buongiorno, quando posso pagare? Grazie"),
    ("pt", "Olá, quando posso pagar? Obrigado"),
    ("ro", "Bună ziua, când pot plăti? Mulțumesc"),
    ("tr", "Merhaba, ne zaman ödeyebilirim? Teşekkürler"),
    ("pl", "Dzień dobry, kiedy mogę zapłacić? Dziękuję"),
    ("cs", "Dobrý den, kdy mohu zaplatit? Děkuji"),
    ("hu", "Jó napot, mikor lehet fizetni? Köszönöm"),
    ("nl", "Hallo, wanneer kan ik betalen? Bedankt"),
    ("sv", "Hej, när kan jag betala? Tack"),
    ("da", "Hej, hvornår kan jeg betale? Tak"),
    ("hr", "Pozdrav, kada mogu platiti? Hvala"),
    ("el", "Πότε είναι η προθεσμία;"),
    ("ar", "متى الموعد؟"),
    ("ja", "いつですか"),
    ("zh", "什么时候?"),
    ("", "OK 12345"),
    ("", "👍"),
    ("", ""),
)


@pytest.mark.parametrize(("language", "text"), WRITTEN)
def test_the_language_is_told(language: str, text: str) -> None:
    assert language_of(text) == language


@given(st.text())
def test_whatever_is_written_something_is_said(text: str) -> None:
    assert len(language_of(text)) in (0, 2)
