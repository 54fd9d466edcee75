"""A campaign manager's whole job, done in the browser: from New campaign to a reader who leaves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Desk

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NAME = "Здравна карта онлайн"
BODY = """# Здравната Ви карта вече е онлайн

Здравейте, {{ subscriber.name }}!

[Вижте картата си]({{ service.url }})
"""


def test_campaign_from_aim_to_unsubscribe(desk: Desk) -> None:
    from outreach.management.demonstration_catalogue import ELENA, MARIA

    desk.take_troubles()
    author = desk.log_in(MARIA)
    address = _write(author)
    promised = _ask_for_approval(author, address)

    approver = desk.log_in(ELENA)
    approver.goto("/")
    assert approver.locator("main").get_by_text(NAME).count() > 0, "it waits on the approver's home page"
    _approve(approver, address)

    author.goto(f"{address}/review")
    author.click("form[action$='/start'] button")
    _watch_until_finished(author, address)
    _read_report(author, address, promised)
    reader = desk.open()
    _leave(reader, _link_to_leave(author))

    assert desk.take_troubles() == []


def _write(page: Page) -> str:
    """The first three steps; the campaign's address."""
    page.goto("/")
    page.get_by_role("link", name="Нова кампания").click()
    page.fill("#id_name", NAME)
    page.check("input[name=goal][value=uses]")
    with page.expect_response(re.compile("/campaigns/count")):
        page.check("input[name=topics][value=e-services-citizens]")
    page.wait_for_function("Number(document.querySelector('#count .o-big').textContent) > 0")
    page.locator("input[name=services]").first.check()
    page.click("main form .btn-primary")

    page.wait_for_url(re.compile(r"/campaigns/\d+/message$"))
    address = page.url.removesuffix("/message")
    page.fill("#id_subject", "Здравна карта")
    page.fill("#id_body", BODY)
    page.frame_locator("#preview .o-phone iframe").get_by_role("heading", name="Здравната Ви карта").wait_for()
    page.fill("#id_body", BODY.replace("subscriber.name", "subscriber.nmae"))
    page.wait_for_selector("#preview .o-note--bad")
    page.fill("#id_body", BODY)
    page.wait_for_selector("#preview .o-note--bad", state="detached")
    page.click("#editor .btn-primary")
    page.wait_for_selector(".o-said--success")

    page.goto(f"{address}/when")
    page.click("main form .btn-primary")
    page.wait_for_url(f"{address}/review")
    return address


def _ask_for_approval(page: Page, address: str) -> int:
    """How many e-mails the review promises."""
    sentence = page.inner_text(".o-sentence")
    promised = re.search(r"(\d+) имейл\S* до (\d+) (човек|души)", sentence)
    assert promised, sentence
    page.click("form[action$='/submit'] button")
    page.wait_for_url(f"{address}/review")
    assert page.locator("form[action$='/approve']").count() == 0, "four eyes: not its own author"
    return int(promised[1])


def _approve(page: Page, address: str) -> None:
    page.goto(f"{address}/review")
    page.click("form[action$='/approve'] button")
    page.wait_for_selector(".o-people .o-state--good")


def _watch_until_finished(page: Page, address: str) -> None:
    """The page is not loaded again: htmx asks until the run has ended."""
    page.wait_for_url(f"{address}/running")
    page.wait_for_selector("#live:not([hx-get])", timeout=60_000)
    assert page.locator("#live .o-meta .o-state--good").count() == 1
    assert page.locator(".o-sum .o-state--good").count() == 1, "the ledger adds up"


def _read_report(page: Page, address: str, promised: int) -> None:
    page.click("#live .btn-primary")
    page.wait_for_url(f"{address}/report")
    figures = page.locator("tbody tr", has_text="Имейл").first.locator("td").all_inner_texts()
    assert int(figures[1]) == promised > 0, "as many were accepted as the review promised"


def _link_to_leave(page: Page) -> str:
    """The newest mail in the sandbox is of this campaign; its link to unsubscribe stands in its headers."""
    page.goto("/sandbox?channel=email")
    assert page.inner_text(".o-threads li:first-child p") == "Здравна карта"
    page.frame_locator("iframe.o-frame").get_by_role("link", name="Вижте картата си").wait_for()
    match = re.search(r"/u/[\w-]{20,}", page.content())
    assert match
    return match.group()


def _leave(page: Page, link: str) -> None:
    page.goto(link)
    page.check("input[name=scope][value=all]")
    page.click("main button[type=submit]")
    page.wait_for_selector("main .sign")
    assert page.locator("main input").count() == 0, "it is done, nothing more is asked"
