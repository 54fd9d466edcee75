"""The engine's real door to the world: adapters by account, the renderer, and people who look after accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from outreach.core.models import Account
from outreach.core.queue import is_stopping
from outreach.delivery.accounts import pause_account
from outreach.delivery.adapters import capabilities, session_for
from outreach.delivery.engine import Door
from outreach.delivery.handover import Renderer
from outreach.delivery.render import Outgoing, compile_run


def real_door() -> Door:
    """What a worker process uses."""
    return Door(
        open_session=session_for,
        capabilities=capabilities,
        compile_run=_compile,
        pause_account=_pause,
        is_stopping=is_stopping,
    )


def _compile(frozen: Mapping[str, Any], run: int) -> Renderer:
    return Outgoing(compile_run(frozen, run_id=run, base_url=settings.BASE_URL))


def _pause(account_id: int, trouble: str) -> None:
    pause_account(Account.objects.select_related("organisation").get(pk=account_id), trouble)
