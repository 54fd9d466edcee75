"""Without JavaScript: the console's lists and forms work as plain pages."""

from __future__ import annotations

import uuid

import pytest

from tests.browser.conftest import Desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_console_without_javascript_logs_in_lists_and_saves(desk: Desk) -> None:
    from outreach.management.demonstration import PASSWORD
    from outreach.management.demonstration_catalogue import MARIA

    desk.take_troubles()
    page = desk.open(javascript=False)
    page.goto("/campaigns")
    page.fill("#id_username", MARIA)
    page.fill("#id_password", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url("**/campaigns")
    assert page.locator("tbody tr").count() > 1

    page.goto("/services/new")
    page.fill("#id_name_bg", "Проверка на винетка")
    page.fill("#id_slug", f"vignette-{uuid.uuid4().hex[:8]}")
    page.fill("#id_url", "https://egov.example/vignette")
    page.click("main form .btn-primary")
    page.wait_for_url("**/services")
    assert page.locator("main").get_by_text("Проверка на винетка").count() > 0

    page.goto("/campaigns?text=няма-такава")
    assert page.locator(".o-empty").count() == 1
    assert desk.take_troubles() == []
