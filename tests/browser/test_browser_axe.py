"""Every page that readers open, judged by axe-core as it stands without JavaScript, in both languages and looks.

A reader signs up, confirms, reads why, changes, leaves, downloads and deletes themselves: each page on the road, and
each that says that something went wrong, is judged where it is met. The scripts of a page never run: axe-core's own is
let in once the page has loaded.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import get_resolver, resolve

from tests.browser.conftest import Desk
from tests.road.installation import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

#: No page is drawn at these: a picture, and what machines ask.
NO_PAGES = frozenset({"public-picture"})
_RUN = """async () => (await axe.run({resultTypes: ["violations"]})).violations
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`)"""


@dataclass
class Judge:
    """Opens pages in which no script runs, and keeps what axe-core finds on them."""

    page: Page
    debugger: CDPSession
    language: str
    axe: str
    #: Page -> what is wrong with it.
    found: dict[str, list[str]] = field(default_factory=dict)
    #: Names of the paths that were judged.
    judged: set[str] = field(default_factory=set)

    def go(self, path: str) -> None:
        self._let_scripts_run(allowed=False)
        self.page.goto(f"{path}{'&' if '?' in path else '?'}language={self.language}")
        self._judge()

    def press(self, selector: str) -> None:
        """Press a button, and judge the page that comes."""
        self._let_scripts_run(allowed=False)
        with self.page.expect_navigation():
            self.page.click(selector)
        self._judge()

    def _let_scripts_run(self, *, allowed: bool) -> None:
        self.debugger.send("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    def _judge(self) -> None:
        self._let_scripts_run(allowed=True)
        self.page.evaluate(self.axe)
        name = f"{self.page.title()} {self.page.url}"
        if wrong := self.page.evaluate(_RUN):
            self.found[name] = wrong
        self.judged.add(resolve(re.sub(r"^https?://[^/]+|\?.*", "", self.page.url)).url_name or "")


@pytest.fixture(params=(("en", "light", 1440), ("bg", "dark", 390)), ids=("en", "bg"))
def judge(request: pytest.FixtureRequest, desk: Desk) -> Iterator[Judge]:
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    language, theme, width = request.param
    page = desk.open(language=language, theme=theme, width=width)
    axe = Path(package.__path__[0], "axe.min.js").read_text()
    yield Judge(page, page.context.new_cdp_session(page), language, axe)
    page.context.close()
    desk.take_troubles()


def test_no_page_of_readers_has_a_barrier(judge: Judge, desk: Desk) -> None:
    _sign_up(judge, desk)
    reader, letters = _reader(desk, judge.language)
    _look_around(judge, letters)
    _take_and_delete(judge, desk, letters["p"], reader)
    _read_archive(judge)
    judge.go("/confirm/forged")
    judge.go("/join/nobody")

    assert judge.found == {}
    paths = {str(name) for name in get_resolver("outreach.web.public.urls").reverse_dict if isinstance(name, str)}
    assert {name for name in paths if name.startswith("public-")} - judge.judged == NO_PAGES


def _sign_up(judge: Judge, desk: Desk) -> None:
    judge.go("/join/council/topics")
    judge.go("/join/council")
    judge.press("main form button[type=submit]:not([aria-hidden])")
    judge.page.locator("input[name=topic]").first.check()
    judge.page.fill("#email", address := f"axe-{judge.language}@reader.example")
    judge.press("main form button[type=submit]:not([aria-hidden])")
    judge.go(_links(_mails(desk, address)[0])["confirm"])
    judge.press("main form button")


def _look_around(judge: Judge, letters: dict[str, str]) -> None:
    judge.go(f"{letters['p']}/why")
    judge.go(f"{letters['p']}/keep")
    judge.go(letters["p"])
    judge.press("main form button[type=submit]:not([aria-hidden])")
    judge.go(f"{letters['f']}?recommends=9")
    judge.press("main form button[type=submit]:not([aria-hidden])")
    judge.go(letters["f"].replace("/f/", "/q/"))
    judge.page.locator("input[name=q0]").first.check()
    judge.press("main form button[type=submit]:not([aria-hidden])")
    judge.go(letters["u"])
    judge.press("main form button[type=submit]:not([aria-hidden])")


def _take_and_delete(judge: Judge, desk: Desk, page: str, reader: str) -> None:
    known = len(_mails(desk, reader))
    judge.go(f"{page}/data")
    judge.press("button[value=export]")
    judge.go(_links(_mails(desk, reader, at_least=known + 1)[0])["d"])
    judge.page.goto(f"{page}/data")
    judge.page.click("button[value=erase]")
    link = _links(_mails(desk, reader, at_least=known + 2)[0])["d"]
    judge.go(link)
    judge.press("main form button")
    judge.go(link)
    judge.go(page)


def _read_archive(judge: Judge) -> None:
    """Also an article; a message of e-mail as a page is its author's, and lets no script in that could judge it."""
    judge.go("/archive/")
    judge.go("/archive/consent-ledger")
    judge.go("/archive/e-services-citizens")
    judge.go(str(judge.page.locator("a.entry").first.get_attribute("href")).partition("?")[0])


def _reader(desk: Desk, language: str) -> tuple[str, dict[str, str]]:
    """Somebody whom another test does not look for, and the links of their message by first letter."""
    oldest = sorted(desk.installation.sandbox("email"), key=lambda mail: mail["at"])
    whole = [mail for mail in oldest if {"f", "p", "u"} <= _links(_text(mail)).keys()]
    people = list(dict.fromkeys(mail["to"] for mail in whole))
    reader = people[0 if language == "en" else 1]
    return reader, next(_links(_text(mail)) for mail in whole if mail["to"] == reader)


def _mails(desk: Desk, to: str, *, at_least: int = 1) -> list[str]:
    """What came to somebody, newest first, as soon as it is so much."""

    def come() -> list[str]:
        return [_text(mail) for mail in desk.installation.sandbox("email") if mail["to"] == to]

    return wait_until(lambda: came if len(came := come()) >= at_least else [], what=f"{at_least} mails to {to}")


def _text(mail: dict[str, Any]) -> str:
    parts = email.message_from_string(mail["raw"], policy=email.policy.default).walk()
    return " ".join(part.get_content() for part in parts if part.get_content_maintype() == "text")


def _links(text: str) -> dict[str, str]:
    """Paths of our own pages in a mail, by their first word."""
    return {found[1]: found[0] for found in re.finditer(r"/(confirm|d|f|p|u)/[\w.:-]{20,}", text)}
