"""The language that somebody wrote in, told by letters that few have and small words that all use. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

#: Characters of a message that are looked at.
LONGEST: Final = 4_000
#: Where nothing else is known, so few letters may decide.
_SHORT: Final = 3

#: Letters -> languages, the surest first: one of these letters names the language.
_SCRIPTS: Final = (
    ("[\u0370-\u03ff]", "el"),
    ("[\u0590-\u05ff]", "he"),
    ("[\u0600-\u06ff]", "ar"),
    ("[\u0530-\u058f]", "hy"),
    ("[\u10a0-\u10ff]", "ka"),
    ("[\u3040-\u30ff]", "ja"),
    ("[\uac00-\ud7af]", "ko"),
    ("[\u4e00-\u9fff]", "zh"),
    ("[\u0e00-\u0e7f]", "th"),
)
_CYRILLIC: Final = (("[іїєґ]", "uk"), ("[ыэё]", "ru"), ("[ђћ]", "sr"), ("[ѓќѕ]", "mk"))
#: Letters of the two languages that have these.
_BOTH: Final = ("[јљњџ]", ("sr", "mk"))
#: Letters that tell a language, where a language is written with them and few others are.
_LETTERS: Final[Mapping[str, str]] = {
    "de": "äöüß", "fr": "çèêàùœ", "es": "ñ¿¡", "pt": "ãõç", "ro": "șşțţăâ", "tr": "ğışç", "pl": "ąęłśźż",
    "cs": "ěřůž", "hu": "őű", "sv": "å", "da": "øæ", "nl": "", "it": "", "hr": "đćč", "en": "",
}  # fmt: skip
_WORDS: Final[Mapping[str, str]] = {
    "bg": "да не на за се от ще съм че кога как къде моля благодаря здравейте искам мога имам няма това и по със "
    "или е са добре колко може ли разбрах нямам мерси само също много утре днес "
    "още чакам отговор вие сте",
    "ru": "да не на за что как где когда это спасибо здравствуйте хочу могу пожалуйста у меня нет есть и по или для "
    "я мы хорошо сколько стоит можно понятно завтра сегодня конечно почему очень только если нужно будет буду приду "
    "его она они еще уже тоже мне был была были добрый жду ответ ответа вопрос "
    "письмо пришлите после сейчас здесь отпишите так тогда",
    "mk": "да не на за се од ќе сум дека кога како каде ве молам благодарам здраво сакам можам имам нема ова и по "
    "со или колку чини добро",
    "sr": "да не на за се од ће сам када како где молим хвала здраво желим могу имам нема ово и по са или је су "
    "колико кошта добро долазим чекам",
    "uk": "так не на за що як де коли це дякую вітаю хочу можу будь ласка у мене немає є і або для та добре прийду "
    "скільки коштує",
    "en": "the and to of is you for i in that it we are have not with thanks thank please hello when how where "
    "can my what do want will yes no this on at would like does much cost free there got great good see tomorrow "
    "agree come later has sounds perfect unsubscribe me "
    "why who wrong number still waiting an answer confirm",
    "de": "der die das und ist nicht ich sie wir für mit danke bitte hallo wann wie wo kann ein eine zu den von "
    "auf möchte guten tag ja nein vielen dank viel kostet komme gern",
    "fr": "le la les et est pas je vous nous pour avec merci bonjour quand comment où peux une des que qui dans "
    "mon au ne oui non voudrais combien ça coûte ce c d accord pourquoi confirme",
    "es": "el la los y es no yo usted para con gracias hola cuándo cómo dónde puedo una que en mi por del quiero sí se "
    "cuánto cuesta está iré confirmo",
    "it": "il la gli e è non io lei per con grazie buongiorno quando come dove posso una che di mi sono vorrei sì del "
    "quanto costa verrò dov confermo",
    "pt": "o a os e é não eu você para com obrigado obrigada olá quando como onde posso uma que de em meu sim gostaria "
    "quanto custa vou",
    "ro": "și nu este eu pentru cu mulțumesc bună ziua când cum unde pot un o că de la sunt vreau da în cât costă voi "
    "veni",
    "tr": "ve bir bu için değil ben ile teşekkürler merhaba ne zaman nasıl nerede var yok evet hayır lütfen "
    "istiyorum mi kadar",
    "pl": "i nie jest się ja dla z dziękuję dzień dobry kiedy jak gdzie mogę na do że to proszę mam tak w ile kosztuje",
    "cs": "a ne je se já pro s děkuji dobrý den kdy jak kde mohu na do že to prosím mám ano v kolik stojí přijdu",
    "hu": "és nem egy az a hogy köszönöm jó napot mikor hogyan hol lehet kérem van igen ez meg mennyi",
    "nl": "de het een en is niet ik u voor met dank bedankt hallo wanneer hoe waar kan van op te dat mijn ja nee "
    "hoeveel kost kom",
    "sv": "och är inte jag för med tack hej när hur var kan en ett att det som på ja nej vill kommer",
    "da": "og er ikke jeg for med tak hej hvornår hvordan hvor kan en et at det som på ja nej vil kommer",
    "hr": "i ne je se da za od ću sam kada kako gdje molim hvala pozdrav želim mogu imam nema ovo s ili na su koliko",
}
#: Bulgarian as many type it, without Cyrillic.
_LATIN_BULGARIAN: Final = (
    "da ne na za se ot shte sam sum che koga kak kade kude molya molq blagodarya blagodaria zdraveite zdravejte iskam "
    "moga imam nyama nqma tova i po ili dobre kolko struva li mersi srok srokat mnogo otpishete"
)
_KNOWN: Final = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_OF_CYRILLIC: Final = ("bg", "ru", "mk", "sr", "uk")
_OF_LATIN: Final = {**{language: _KNOWN[language] for language in _LETTERS}, "bg": frozenset(_LATIN_BULGARIAN.split())}
#: Bulgarian writes the one before "о" alone; of the others none writes the other before a consonant.
_NOT_BULGARIAN: Final = re.compile("ь(?!о)")
_BULGARIAN: Final = re.compile("ъ(?![еёюя])")
#: "I confirm" and its like in Russian; Bulgarian has but a few borrowed words that end so.
_I_DO: Final = re.compile(r"\w{2}[аяу]ю\b")
#: What a word weighs, and a letter; two words tell, in a text of few words one.
_WORD: Final = 3
_LETTER: Final = 2
_ENOUGH: Final = 5
_FEW: Final = 5


def language_of(text: str) -> str:
    """ISO 639-1 of the language; '' where the text says too little."""
    lower = text[:LONGEST].lower()
    for letters, language in _SCRIPTS:
        if len(re.findall(letters, lower)) >= min(_SHORT, max(1, len(lower) // 4)):
            return language
    cyrillic, latin = (len(re.findall(letters, lower)) for letters in ("[\u0400-\u04ff]", "[a-z]"))
    return _of_cyrillic(lower) if cyrillic > latin else _of_latin(lower) if latin else ""


def _of_cyrillic(text: str) -> str:
    """Bulgarian has no letter of its own; where neither letters nor words of another are there, it is meant."""
    for letters, language in _CYRILLIC:
        if re.search(letters, text):
            return language
    scores = _scores(_words(text), {language: _KNOWN[language] for language in _OF_CYRILLIC})
    if re.search(_BOTH[0], text):
        return max(_BOTH[1], key=lambda language: scores[language])
    if _BULGARIAN.search(text):
        return "bg"
    if _NOT_BULGARIAN.search(text) or _I_DO.search(text):
        return max(("ru", "uk"), key=lambda language: scores[language])
    return max(_OF_CYRILLIC, key=lambda language: (scores[language], language == "bg"))


def _of_latin(text: str) -> str:
    words = _words(text)
    scores = _scores(words, _OF_LATIN)
    for language, letters in _LETTERS.items():
        scores[language] += _LETTER * any(letter in text for letter in letters)
    (best, most), (_, next_most) = scores.most_common(2)
    enough = _WORD if len(words) <= _FEW else _ENOUGH
    return best if most >= enough and most > next_most else ""


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _scores(words: list[str], known: Mapping[str, frozenset[str]]) -> Counter[str]:
    return Counter({language: _WORD * sum(word in those for word in words) for language, those in known.items()})
