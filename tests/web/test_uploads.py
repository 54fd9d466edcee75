"""Uploads over the limit are refused by their length, in words, before anything of them is read."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

GIGABYTE = 1024**3


class Untouched(io.BytesIO):
    """A body that must not be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def send(path: str, length: object, **headers: Any) -> Any:
    return Client().generic("POST", path, **{"CONTENT_LENGTH": str(length), "wsgi.input": Untouched(), **headers})


def test_the_console_says_how_large_a_file_may_be() -> None:
    response = send("/people/import", GIGABYTE, HTTP_ACCEPT_LANGUAGE="en")

    assert response.status_code == 413
    assert "This file is too large" in response.content.decode()
    assert "at most 512\u00a0MB" in response.content.decode()


def test_the_api_says_it_at_the_file() -> None:
    response = send("/api/v1/imports", GIGABYTE, HTTP_ACCEPT_LANGUAGE="en")

    told = "The file is larger than this installation takes."
    assert (response.status_code, response["Content-Type"], response.json()) == (
        413,
        "application/problem+json",
        {
            "type": "about:blank",
            "title": "Request Entity Too Large",
            "status": 413,
            "detail": told,
            "code": "invalid",
            "errors": [{"pointer": "/file", "detail": told}],
        },
    )


@pytest.mark.parametrize(("over", "status"), [(0, 401), (1, 413)])
def test_the_limit_is_the_settings_and_room_for_a_form(
    over: int, status: int, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(settings, "IMPORT_MAX_BYTES", 1000)

    assert send("/api/v1/imports", 1000 + 1024 * 1024 + over).status_code == status
