"""One demonstration, started as an operator starts it, and one real Chromium that looks at it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.migrated import put_migrated_cluster
from tests.road.installation import Installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, ViewportSize

SUBSCRIBERS = 60
#: Chromium talks to nobody but the product.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine")


@pytest.fixture(scope="session")
def demonstration(chromium: str) -> Iterator[Installation]:
    """`outreach run --demonstration`, and a token of its administrator."""
    folder = Path(tempfile.mkdtemp(prefix="outreach-browser-"))
    put_migrated_cluster(folder)
    running = Installation(folder)
    try:
        running.start("--demonstration", "--subscribers", str(SUBSCRIBERS))
        made = running.run("token", "--organisation", "council", "--role", "administrator")
        running.token = made.stdout.strip().splitlines()[-1]
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A module's own browser: while Playwright is on, Django refuses its database to the same thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield launched
        launched.close()


@dataclass
class Desk:
    """Opens pages as somebody, and keeps what goes wrong on them."""

    browser: Browser
    installation: Installation
    troubles: list[str] = field(default_factory=list)

    def open(self, *, language: str = "bg", width: int = 1440, theme: str = "light", javascript: bool = True) -> Page:
        """A page of a browser that nobody used before."""
        context = self.browser.new_context(
            base_url=self.installation.base,
            viewport=_size(width),
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            java_script_enabled=javascript,
        )
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": "outreach_language", "value": language, "url": self.installation.base}])
        page = context.new_page()
        page.on("console", lambda said: self._note(f"console: {said.text}") if said.type in _BAD else None)
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("response", lambda seen: self._note(f"{seen.status} {seen.url}") if seen.status >= 400 else None)
        page.on("requestfailed", lambda lost: self._note(f"{lost.failure} {lost.url}") if is_lost(lost) else None)
        return page

    def log_in(self, user: str, *, language: str = "bg", width: int = 1440, theme: str = "light") -> Page:
        """A page of a browser where `user` has logged in."""
        from outreach.management.demonstration import PASSWORD

        page = self.open(language=language, theme=theme)
        page.goto("/login")
        page.fill("#id_username", user)
        page.fill("#id_password", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url("**/")
        if page.evaluate("document.documentElement.lang") != language:
            page.evaluate("document.querySelector('.o-me details').open = true")
            page.click(f".o-me button[name=language][value={language}]")
            page.wait_for_function("lang => document.documentElement.lang === lang", arg=language)
        page.set_viewport_size(_size(width))
        return page

    def _note(self, trouble: str) -> None:
        self.troubles.append(trouble)

    def take_troubles(self) -> list[str]:
        """What went wrong since the last call."""
        taken, self.troubles = self.troubles, []
        return taken


_BAD = frozenset({"error", "warning"})


def _size(width: int) -> ViewportSize:
    return {"width": width, "height": 900 if width > 500 else 844}


def is_lost(request: Request) -> bool:
    """Whether a request failed that should not: a poll under way when the page is left is aborted, as it should be."""
    return request.failure != "net::ERR_ABORTED"


@pytest.fixture(scope="module")
def desk(browser: Browser, demonstration: Installation) -> Desk:
    return Desk(browser, demonstration)
