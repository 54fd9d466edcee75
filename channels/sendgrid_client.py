"""The SendGrid SDK's own HTTP client, led over our connections and their guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import python_http_client
import requests


class SdkClient(python_http_client.Client):  # type: ignore[misc]  # the SDK has no types
    """The SDK's own client over our connections: it would open a new one, through any proxy, for each call."""

    def __init__(self, connections: requests.Session, **settings: Any) -> None:
        super().__init__(**settings)
        self._connections = connections

    def _build_client(self, name: str | None = None) -> SdkClient:
        path = [*self._url_path, name] if name else self._url_path
        return SdkClient(
            self._connections,
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=path,
        )

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> _Answered:
        response = self._connections.request(
            request.get_method(), request.full_url, data=request.data, headers=dict(request.header_items())
        )
        return _Answered(response)


class _Answered:
    """A `requests` answer with the three methods that the SDK reads from urllib's."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def getcode(self) -> int:
        return self._response.status_code

    def read(self) -> bytes:
        return self._response.content

    def info(self) -> Mapping[str, str]:
        return self._response.headers
