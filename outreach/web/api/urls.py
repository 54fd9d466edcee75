"""The API under `/api/v1/`, with its OpenAPI document, and a page to read it at `/api/docs`."""

from __future__ import annotations

from typing import Any

from django.urls import path
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from outreach.web.api import (
    attributes,
    bounce_rules,
    catalogue,
    costs,
    digests,
    docs,
    domains,
    feedback,
    frequency,
    inbox,
    look,
    notices,
    people,
    problems,
    segments,
    senders,
    sending,
    sign_up,
    signed,
    sleepy,
    suppressions,
    surveys,
)
from outreach.web.api.access import Bearer
from outreach.web.api.schemas import ProblemDocument


class DocumentedApi(NinjaAPI):
    """The API, whose OpenAPI document also says what every call answers when it fails."""

    def get_openapi_schema(self, **arguments: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**arguments)
        schema["components"]["schemas"]["Problem"] = ProblemDocument.model_json_schema()
        failure = {
            "description": "A problem document (RFC 9457)",
            "content": {problems.PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"]["4XX"] = failure
        return schema


api = DocumentedApi(
    title="Outreach",
    version="1",
    description="Campaigns by e-mail, SMS, social media and feeds. Times are RFC 3339 with an offset; errors are"
    " problem documents (RFC 9457); lists page by cursor; unsafe calls take an Idempotency-Key.",
    auth=Bearer(),
    docs_url=None,
    urls_namespace="api",
)
problems.install(api)
ROUTERS = (
    catalogue.router,
    attributes.router,
    frequency.router,
    look.router,
    people.router,
    suppressions.router,
    bounce_rules.router,
    segments.router,
    sleepy.router,
    sending.router,
    inbox.router,
    feedback.router,
    surveys.router,
    signed.router,
    notices.router,
    digests.router,
    costs.router,
    domains.router,
    senders.router,
    sign_up.router,
)
for router in ROUTERS:
    api.add_router("", router)

urlpatterns = [
    path("v1/", api.urls),
    path("docs", docs.show, {"api": api}, name="api_docs"),
]
