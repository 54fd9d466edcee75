"""`Idempotency-Key`: the same key with the same call gives the same answer, also when the first one is lost on the way.

Follows the IETF draft "The Idempotency-Key HTTP Header Field": 409 while the first call is in flight, 422 for another
body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from outreach.core import clock
from outreach.core.models import ApiToken, IdempotencyKey
from outreach.web.api.access import find_token
from outreach.web.api.problems import PROBLEM_TYPE, problem

UNSAFE: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})
#: A call that did not answer in this time died; the key is free again.
ABANDONED: Final = timedelta(minutes=10)

Handler = Callable[[HttpRequest], HttpResponseBase]


class IdempotencyMiddleware:
    """Answers repeated API calls from what the first one answered."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key", "")
        if not key or request.method not in UNSAFE or not request.path.startswith("/api/"):
            return self.get_response(request)
        if len(key) > 200:
            return problem(422, "An Idempotency-Key has at most 200 characters.", code="invalid")
        scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
        token = find_token(text) if scheme.lower() == "bearer" else None
        return self.get_response(request) if token is None else self._once(request, token, key)

    def _once(self, request: HttpRequest, token: ApiToken, key: str) -> HttpResponseBase:
        fingerprint = _fingerprint(request)
        IdempotencyKey.objects.filter(
            token=token, key=key, status=None, created_at__lt=clock.now() - ABANDONED
        ).delete()
        try:
            with transaction.atomic():
                kept = IdempotencyKey.objects.create(token=token, key=key, fingerprint=fingerprint)
        except IntegrityError:
            return _repeated(IdempotencyKey.objects.get(token=token, key=key), fingerprint)
        return _keep(kept, self.get_response(request))


def _fingerprint(request: HttpRequest) -> str:
    """Of method, path and body; an upload is told by its length, for it is too large to be read twice."""
    is_upload = (request.content_type or "").startswith("multipart/")
    body = request.headers.get("Content-Length", "").encode() if is_upload else request.body
    return hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + body).hexdigest()


def _repeated(kept: IdempotencyKey, fingerprint: str) -> HttpResponse:
    if kept.fingerprint != fingerprint:
        return problem(422, "This Idempotency-Key came with another call before.", code="idempotency_mismatch")
    if kept.status is None:
        return problem(409, "The first call with this Idempotency-Key is still in flight.", code="conflict_state")
    kind = PROBLEM_TYPE if kept.status >= 400 else "application/json; charset=utf-8"
    return HttpResponse(kept.answer or "", status=kept.status, content_type=kind)


def _keep(kept: IdempotencyKey, response: HttpResponseBase) -> HttpResponseBase:
    """Keep the answer for repetitions; a failure of ours frees the key, so that the call may be tried again.

    What may not be stored, such as a secret that is shown once, is not kept here either: there a repetition acts anew.
    """
    is_secret = "no-store" in response.get("Cache-Control", "")
    if response.status_code >= 500 or is_secret or not isinstance(response, HttpResponse):
        kept.delete()
    else:
        kept.status = response.status_code
        # As text, not as an object: PostgreSQL would put its members into another order.
        kept.answer = response.content.decode()
        kept.save(update_fields=["status", "answer"])
    return response
