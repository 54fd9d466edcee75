"""What went wrong is said in words, in the reader's language, and never as a traceback."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.web.console.conftest import Person


def test_crash_shows_a_page_and_no_traceback(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_organisation: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("outreach.web.console.home.overview", break_down)
    client = Client(raise_request_exception=False)
    client.force_login(alice.user)

    response = client.get("/")

    page = response.content.decode()
    assert response.status_code == 500
    assert "Something went wrong here" in page
    assert ("Traceback" in page, "a secret of ours" in page) == (False, False)
