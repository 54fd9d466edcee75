"""Provider call-backs over HTTP: forged 400, repeated 200, unknown delivery 202 and kept."""

from __future__ import annotations

import logging
from typing import Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from outreach.core.models import Account
from outreach.events.hooks import Forged, accept_hook

logger = logging.getLogger(__name__)

KINDS: Final = frozenset({"events", "inbound", "status"})


@csrf_exempt
@require_POST
def receive(request: HttpRequest, hook_key: str, kind: str) -> HttpResponse:
    """Take one call-back; it is stored when this answers."""
    account = Account.objects.select_related("organisation").filter(hook_key=hook_key).first()
    if account is None or kind not in KINDS:
        return _say(404, "There is no such hook.")
    try:
        result = accept_hook(
            account,
            kind=kind,
            url=f"{settings.BASE_URL}{request.get_full_path()}",
            body=request.body,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=request.GET.dict(),
        )
    except RequestDataTooBig:
        return _say(413, "The call is too large.")
    except Forged:
        logger.warning("a forged call-back", extra={"action": "hook.forged", "account": account.pk})
        return _say(400, "The signature is not the provider's.")
    if result.waiting:
        return _say(202, "Kept until the message is known.")
    # Whatever is wrong with it lies with us: it is kept, and need not be sent again.
    return _say(202, "Kept; it cannot be applied yet.") if result.failed else _say(200, "")


def _say(status: int, words: str) -> HttpResponse:
    """Plain text; Twilio takes an empty answer for 'do nothing', and would say any other in an SMS."""
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
