"""The API under `/api/v1/`, with its OpenAPI document, and a page to read it at `/api/docs`."""

from __future__ import annotations

from django.urls import path
from ninja import NinjaAPI

from outreach.web.api import catalogue, docs, people, problems, sending
from outreach.web.api.access import Bearer

api = NinjaAPI(
    title="Outreach",
    version="1",
    description="Campaigns by e-mail, SMS, social media and feeds. Times are RFC 3339 with an offset; errors are RFC 9457"
    " problem documents; lists page by cursor; unsafe calls take an Idempotency-Key.",
    auth=Bearer(),
    docs_url=None,
    urls_namespace="api",
)
problems.install(api)
for router in (catalogue.router, people.router, sending.router):
    api.add_router("", router)

urlpatterns = [
    path("v1/", api.urls),
    path("docs", docs.show, {"api": api}, name="api_docs"),
]
