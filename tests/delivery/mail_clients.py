"""What an e-mail's HTML asks of mail programs, and what caniemail knows of their support."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

#: The families that our e-mails are held to, and those of their programs that are still there: Windows Mail was
#: replaced by Outlook, and Outlook before 2013 is not supported by its maker.
CLIENTS = {
    "gmail": ("desktop-webmail", "ios", "android", "mobile-webmail"),
    "outlook": ("windows", "macos", "outlook-com", "ios", "android"),
    "apple-mail": ("macos", "ios"),
}
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_MEDIA = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}")


@dataclass(frozen=True, order=True)
class Use:
    """One thing that a document uses: an element, an attribute, a CSS property, an at-rule, a selector or a value."""

    kind: str
    name: str
    value: str = ""


class _Document(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.uses: set[Use] = set()
        self.styles: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.uses.add(Use("element", tag))
        for name, value in attrs:
            self.uses.add(Use("attribute", name, value or ""))
            if name == "style":
                self.uses |= set(_declared(value or ""))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles.append(data)


def uses_of(html: str) -> set[Use]:
    """All that the document asks of a program; what stands in comments is for Outlook alone."""
    document = _Document()
    document.feed(_COMMENT.sub("", html))
    for style in document.styles:
        document.uses |= set(_of_style(style))
    return document.uses


def _of_style(style: str) -> Iterator[Use]:
    for rule in re.findall(r"@([\w-]+)", style):
        yield Use("at-rule", rule)
    for feature in re.findall(r"\(\s*([\w-]+)\s*[:)]", " ".join(re.findall(r"@media[^{]*", style))):
        yield Use("media", feature)
    for selector, declarations in _RULE.findall(_without_media(style)):
        for pseudo in re.findall(r"::?([a-z-]+)", selector):
            yield Use("selector", pseudo)
        yield from _declared(declarations)


def _without_media(style: str) -> str:
    """Rules within `@media` stand as others do: what knows the at-rule reads them."""
    return re.sub(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", style)


def _declared(text: str) -> Iterator[Use]:
    for declaration in text.split(";"):
        name, colon, value = declaration.partition(":")
        if colon and not name.strip().startswith(("-webkit-", "-ms-", "mso-")):
            yield Use("property", name.strip().lower(), value.replace("!important", "").strip().lower())


def features_of(use: Use) -> list[str]:
    """Slugs of caniemail's features that a use may fall under."""
    if use.kind == "property":
        value = use.value.split("(")[0]
        return [f"css-{use.name}", f"css-{use.name}-{value}", *_units(use.value)]
    if use.kind == "element":
        return [f"html-{use.name}", *_GROUPS.get(use.name, ())]
    if use.kind == "attribute":
        return [f"html-{use.name}", f"html-{use.name}-attribute", f"html-{use.name}-{use.value}"]
    if use.kind == "at-rule":
        return [f"css-at-{use.name}"]
    if use.kind == "media":
        return [f"css-at-media-{use.name}"]
    return [f"css-pseudo-class-{use.name}", f"css-pseudo-element-{use.name}"]


_GROUPS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), ("html-h1-h6",)),
    **dict.fromkeys(("ul", "ol", "li"), ("html-lists",)),
}


def _units(value: str) -> list[str]:
    return [f"css-unit-{unit}" for unit in re.findall(r"\d(px|em|rem|vw|vh|%)", value) if unit != "%"]


def unsupported(html: str, data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Feature -> the programs that do not support it in their newest version (caniemail's `n`)."""
    features = {feature["slug"]: feature for feature in data["data"]}
    found: dict[str, list[str]] = {}
    for use in uses_of(html):
        for slug in features_of(use):
            if slug in features:
                lacking = sorted(_lacking(features[slug]["stats"]))
                if lacking:
                    found[slug] = lacking
    return dict(sorted(found.items()))


def _lacking(stats: Mapping[str, Any]) -> Iterator[str]:
    for family, programs in CLIENTS.items():
        for program in programs:
            versions = stats.get(family, {}).get(program, {})
            if versions and str(list(versions.values())[-1]).startswith("n"):
                yield f"{family} {program}"


def read_data(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "caniemail" / "caniemail.json").read_text())
    return data
