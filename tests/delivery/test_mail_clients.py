"""Our own e-mails, and all that the editor makes: shown by the mail programs that people have, not taken for spam.

The table of support is caniemail's (MIT), which the tests read where it is; nothing of it is copied.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from channels.base import Message
from outreach.delivery.markup_check import find_faults
from tests.delivery.mail_clients import read_data, unsupported
from tests.delivery.mails import LOGO_URL, every_kind

#: Bytes of HTML after which Gmail cuts a message.
CLIPPED = 102 * 1024


@pytest.fixture(scope="module")
def kinds() -> dict[str, Message]:
    return every_kind()


def has(*pieces: str) -> Callable[[str], bool]:
    return lambda html: all(piece in html for piece in pieces)


#: What some of the programs do not support, and how one sees that the e-mail does without it.
FALLBACKS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "css-at-media": ("without it the card is as wide as the window", has("width: 100%")),
    "css-at-media-prefers-color-scheme": (
        "without it ground and text have colours of the day, both of them",
        has("background-color: #ffffff", "color: #1a2233"),
    ),
    "css-color-scheme": ("it only announces the rules for the dark", has("prefers-color-scheme")),
    "css-border-radius": ("corners are square", lambda _html: True),
    "css-border-spacing": ("cells are collapsed as well", has("border-collapse: collapse")),
    "css-box-sizing": ("only for the button on a telephone: it is wider by its padding", has("@media (max-width")),
    "css-cursor": ("a pointer on a computer", lambda _html: True),
    "css-outline": ("pictures have no border either", has("border: 0")),
    "css-word-spacing": ("it is the usual one", has("word-spacing: normal")),
    # The preheader is hidden in several ways, of which each program knows one.
    "css-display-none": ("a line of one pixel", has("max-height", "font-size", "overflow")),
    "css-max-height": ("Outlook hides it by its own property", has("mso-hide")),
    "css-opacity": ("display: none, or Outlook's own property", has("mso-hide", "display")),
    "css-overflow": ("display: none, or Outlook's own property", has("mso-hide", "display")),
    "html-body": ("what it says, the table in it says too", lambda _html: True),
    "html-style": ("every style is written to its element", has("style=")),
    "html-target": ("the link opens where links open", lambda _html: True),
}


def test_nothing_is_unsupported_without_a_fallback(kinds: dict[str, Message], contracts: Path) -> None:
    data = read_data(contracts)
    found = {name: unsupported(message.html, data) for name, message in kinds.items()}
    without = {
        name: [feature for feature in features if not FALLBACKS.get(feature, ("", has("no fallback")))[1](html)]
        for name, features in found.items()
        for html in (kinds[name].html,)
    }
    assert without == {name: [] for name in kinds}
    assert "css-border-radius" in found["plain"]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<p style="display:flex">x</p>', {"css-display-flex": ["outlook"]}),
        ('<p style="position: absolute">x</p>', {"css-position": ["gmail", "outlook"]}),
        ("<video src='a'></video>", {"html-video": ["gmail", "outlook"]}),
        ("<style>p:hover { color: red }</style>", {"css-pseudo-class-hover": ["gmail", "outlook"]}),
        ("<svg></svg>", {"html-svg": ["gmail", "outlook"]}),
    ],
)
def test_what_programs_do_not_support_is_seen(html: str, expected: dict[str, list[str]], contracts: Path) -> None:
    found = unsupported(html, read_data(contracts))
    families = {
        feature: sorted({program.split()[0] for program in programs} & {"gmail", "outlook"})
        for feature, programs in found.items()
        if feature not in FALLBACKS
    }
    assert families == expected


def test_every_e_mail_has_a_text_with_its_links_and_stays_below_what_gmail_cuts(kinds: dict[str, Message]) -> None:
    for name, message in kinds.items():
        links = set(re.findall(r'href="(https?://[^"]+)"(?! aria-hidden="true")', message.html))
        missing = {link for link in links if link.replace("&amp;", "&") not in message.text}
        assert {link for link in missing if "/v/" not in link} == set(), name
        assert len(message.html.encode()) < CLIPPED, name
        assert "<" not in message.text, name


def test_every_e_mail_says_its_language_and_direction(kinds: dict[str, Message]) -> None:
    tags = {name: re.search(r"<html[^>]*>", message.html) for name, message in kinds.items()}
    languages = {name: re.findall(r'\b(?:lang|dir)="(\w+)"', tag[0]) if tag else [] for name, tag in tags.items()}
    assert languages == {name: ["en" if name == "english" else "bg", "ltr"] for name in kinds}


def test_every_e_mail_closes_what_it_opens(kinds: dict[str, Message]) -> None:
    assert {name: find_faults(message.html, is_mjml=False) for name, message in kinds.items()} == {
        name: [] for name in kinds
    }


def test_nothing_but_what_the_author_showed_is_fetched(kinds: dict[str, Message]) -> None:
    """No font, style sheet or picture from elsewhere tells who opens a message."""
    fetched = {
        name: set(re.findall(r"""(?:src=["']|url\(["']?|<link[^>]*href=["']|@import\s*["'])([^"')]+)""", message.html))
        for name, message in kinds.items()
    }
    own = {"https://egov.example.bg/desk.png", LOGO_URL, f"cid:{LOGO_URL.rpartition('/')[2]}@outreach"}
    assert {name: {url for url in urls if url not in own and "/o/" not in url} for name, urls in fetched.items()} == {
        name: set() for name in kinds
    }


#: Rules of html-validate that e-mail breaks by its nature: mail programs read styles at their elements, attributes that
#: the web has left behind, and Outlook's comments; and take a <div> with a role for what <article> is elsewhere.
NOT_FOR_MAIL = ("no-inline-style", "no-deprecated-attr", "no-conditional-comment", "prefer-native-element")


def test_every_e_mail_is_valid_html(kinds: dict[str, Message], tmp_path: Path) -> None:
    command = os.environ.get("OUTREACH_HTML_VALIDATE") or shutil.which("html-validate")
    if not command:
        pytest.skip("no html-validate here: npm install --global html-validate, or set OUTREACH_HTML_VALIDATE")
    rules = ", ".join(f'"{rule}": "off"' for rule in NOT_FOR_MAIL)
    config = tmp_path / ".htmlvalidate.json"
    config.write_text(f'{{"root": true, "extends": ["html-validate:recommended"], "rules": {{{rules}}}}}')
    for number, message in enumerate(kinds.values()):
        (tmp_path / f"{number}.html").write_text(message.html)
    checked = subprocess.run(
        [command, "--config", str(config), *(str(path) for path in tmp_path.glob("*.html"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_spamassassin_finds_little_in_any_e_mail(kinds: dict[str, Message], tmp_path: Path) -> None:
    command = shutil.which("spamassassin")
    if not command:
        pytest.skip("no SpamAssassin here: apt-get install spamassassin")
    judged_kinds = {name: kinds[name] for name in ("with everything", "html", "mjml", "notice")}
    letters = [message.raw.replace(b"\r\n", b"\n") for message in judged_kinds.values()]
    box = b"".join(b"From news@example.org Fri Nov 27 08:00:00 2026\n%b\n\n" % letter for letter in letters)
    judged = subprocess.run(
        # Its local rules: nobody is asked, and nothing of this machine's settings counts.
        [command, "--local", "--test-mode", "--mbox", "--prefspath", str(tmp_path / "none"), "--nocreate-prefs"],
        input=box,
        capture_output=True,
        check=True,
        timeout=120,
    )
    points = [float(found) for found in re.findall(rb"Content analysis details:\s+\((-?[\d.]+) points", judged.stdout)]
    assert len(points) == len(judged_kinds)
    assert max(points) < 2.0, dict(zip(judged_kinds, points, strict=True))
