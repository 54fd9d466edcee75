"""Everything that people read is there in Bulgarian, whole, with its values in place; make messages keeps it so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from django.utils import translation

from outreach.cli import _speak_as_the_terminal
from outreach.core.vocabulary import CampaignState, DeliveryState
from outreach.locale.extract import adapter_texts

ROOT = Path(__file__).parent.parent
LOCALE = ROOT / "outreach" / "locale"
TEXTS = LOCALE / "bg" / "LC_MESSAGES" / "django.po"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "translate": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
#: Names, formats and words of a file or a provider: they are the same in Bulgarian.
LATIN = frozenset(
    re.findall(
        r"\w+",
        """
    AC Account API Atom Auth Bearer BEGIN CSV DKIM DMARC DNS Ed END Event Excel GIF Gmail GSM HTML IMAP IP JPEG JSON
    Keys Mail Markdown MB MG MJML MX NDJSON NTP NUL OpenAPI Outreach PEM PNG PostgreSQL Postmark PTR RPT RSA RSS S
    SendGrid Settings SID SMPP SMS SMTP SPF STARTTLS STOP TLS Token Tokens Twilio TXT UTC VPN Webhook X Yahoo _ all
    alt at bg business citizen doctor e email en even hold https mailto name none not_after official out outreach p
    partner pass phone quarantine reject resend rua services spf system_id T tel DANE DNSSEC From MTA SCRAM SHA STS
    TLSA UTM OAuth Google Microsoft AA WCAG kB segment message OAUTHBEARER XOAUTH BG EUR xlsx
    POST Standard Webhooks
    """,
    )
)
#: Addresses, examples of values, variables, tags and placeholders: not words.
NO_WORDS = re.compile(
    r"%\(\w+\)s|[A-Z]+_[A-Z_]+|\{\{.*?\}\}|\{%.*?%\}|\{[^}]*\}|</?[\w-]+>|https?://\S*|[\w.+-]+@[\w.]+|/feeds/\S+|`[^`]*`|\b[\w.-]+\.(?:com|org)\b"
    r"|Europe/Sofia|X-Outreach-Delivery|tax-return|YYYY-MM-DDTHH:MM|\d{4}-\d\d-\d\dT[\d:+]+"
)
Key = tuple[str | None, str | tuple[str, ...]]


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with TEXTS.open("rb") as file:
        return read_po(file, locale="bg")


def key_of(message: Message) -> Key:
    return message.context, message.id if isinstance(message.id, str) else tuple(message.id or ())


def messages_of(catalogue: Catalog) -> dict[Key, tuple[str, ...]]:
    """Each text with its Bulgarian: one, or two where it counts something."""
    return {
        key_of(message): (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        for message in catalogue
        if message.id and not message.fuzzy
    }


def found_in_code() -> Iterator[Key]:
    with (LOCALE / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel's has none
    for folder in ("channels", "outreach", "templates"):
        mapping = [(pattern.removeprefix(f"{folder}/"), how) for pattern, how in methods if pattern.startswith(folder)]
        rules = {pattern.removeprefix(f"{folder}/"): chosen for pattern, chosen in options.items()}
        for _file, _line, text, _comments, context in extract_from_dir(ROOT / folder, mapping, rules, KEYWORDS):
            if text:
                yield context, text if isinstance(text, str) else tuple(text)


def values_in(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)\w|%%", text)) | set(re.findall(r"\{\{ \w+[_.].*?\}\}|\{% \w+|<\w+>", text))


def test_every_text_is_translated(catalogue: Catalog) -> None:
    translated = {key for key, texts in messages_of(catalogue).items() if all(texts)}

    assert set(found_in_code()) - translated == set(), "run `make messages`, then translate"


def test_the_compiled_catalogue_is_of_these_texts(catalogue: Catalog) -> None:
    fresh = BytesIO()
    write_mo(fresh, catalogue)
    fresh.seek(0)
    with TEXTS.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)

    assert messages_of(compiled) == messages_of(read_mo(fresh)), "run `make messages`"


def test_values_stand_in_both_languages(catalogue: Catalog) -> None:
    wrong = {}
    for (_context, source), texts in messages_of(catalogue).items():
        sources = (source,) if isinstance(source, str) else source
        if values_in(sources[-1]) != values_in(texts[-1]) or not values_in(texts[0]) <= values_in(sources[-1]):
            wrong[source] = texts

    assert wrong == {}


def test_bulgarian_has_no_stray_latin_words(catalogue: Catalog) -> None:
    words = {
        word: text
        for texts in messages_of(catalogue).values()
        for text in texts
        for word in re.findall(r"[A-Za-z_]+", NO_WORDS.sub(" ", text))
        if word not in LATIN
    }

    assert words == {}


def test_bulgarian_has_its_own_quotation_marks(catalogue: Catalog) -> None:
    texts = [NO_WORDS.sub(" ", text) for texts in messages_of(catalogue).values() for text in texts]

    assert [text for text in texts if set(text) & set("“”\"'’") - set("“") or text.count("„") != text.count("“")] == []


def test_one_word_is_two_where_bulgarian_has_two() -> None:
    with translation.override("bg"):
        words = str(CampaignState.CANCELLED.label), str(DeliveryState.CANCELLED.label)

    assert words == ("Прекратена", "Прекратено")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "bg_BG.UTF-8"}, "bg"),
        ({"LANG": "bg_BG.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_a_command_speaks_as_its_terminal(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, environment.get(name, ""))

    with translation.override("en"):
        _speak_as_the_terminal()
        spoken = translation.get_language()

    assert spoken == language


def test_texts_of_adapters_are_found() -> None:
    source = BytesIO(
        b'FIELD = Field(name="port", label="Port", help="Usually 587.", default="587")\n'
        b'message, remedy = ("It is closed", "Open it.")\n'
        b'_REMEDIES: Final = {Problem: "Call them."}\n'
        b'PROBLEM = Problem(message=f"{host} is closed.", code="closed")\n'
    )

    found = [(line, text) for line, _name, text, _comments in adapter_texts(source, (), (), {})]

    assert sorted(found) == [(1, "Port"), (1, "Usually 587."), (2, "It is closed"), (2, "Open it."), (3, "Call them.")]
