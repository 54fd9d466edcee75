"""The page at `/api/docs`: the OpenAPI document, readable without JavaScript."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI


def show(request: HttpRequest, api: NinjaAPI) -> HttpResponse:
    schema: dict[str, Any] = dict(api.get_openapi_schema())
    return render(
        request, "api/docs.html", {"schema": schema, "groups": _groups(schema), "base_url": settings.BASE_URL}
    )


def _groups(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Tag -> its operations, in the order of the document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            shown = {"path": path, "method": method.upper(), **operation, "fields": _fields(schema, operation)}
            groups.setdefault(operation.get("tags", [""])[0], []).append(shown)
    return groups


def _fields(schema: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The body's fields: name, type in words, whether it must be there."""
    contents: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    body = _resolve(schema, next(iter(contents.values()), {"schema": {}})["schema"])
    required = set(body.get("required", []))
    return [
        {"name": name, "type": _type_in_words(schema, field), "required": name in required}
        for name, field in body.get("properties", {}).items()
    ]


def _resolve(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference; of an alternative with null take the other."""
    for choice in part.get("anyOf", []):
        if choice.get("type") != "null":
            return _resolve(schema, choice)
    name = part.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = schema["components"]["schemas"][name] if name else part
    return found


def _type_in_words(schema: dict[str, Any], field: dict[str, Any]) -> str:
    resolved = _resolve(schema, field)
    if "enum" in resolved:
        return " | ".join(str(value) for value in resolved["enum"])
    if resolved.get("type") == "array":
        return f"[{_type_in_words(schema, resolved.get('items', {}))}]"
    if "properties" in resolved:
        inside = ", ".join(f"{name}: {_type_in_words(schema, part)}" for name, part in resolved["properties"].items())
        return f"{{{inside}}}"
    return str(resolved.get("format") or resolved.get("type") or "any")
