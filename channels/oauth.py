"""Access tokens for mail servers that take no passwords (OAuth 2.0, RFC 6749): fetched through the one HTTP door, kept.

By the refresh token of a mailbox's owner, as Google has it, else by the application's credentials, as Microsoft has it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

import requests

from channels.base import AccountProblem, AccountWideFailure, ChannelError
from channels.client import Answer, GuardedTransport, as_answer, guard

#: Seconds before its end at which a token is no longer used, and how long one lives that does not say.
_MARGIN: Final = 60.0
_USUAL_LIFE: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a token is asked for with."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    #: Of the mailbox's owner; '' for the application's own right.
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    allow_private: tuple[str, ...] = ()

    def form(self) -> dict[str, str]:
        """The request's body."""
        kind = {"grant_type": "client_credentials"}
        if self.refresh_token:
            kind = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        named = {"client_id": self.client_id, "client_secret": self.client_secret, "scope": self.scope}
        return {**kind, **{name: value for name, value in named.items() if value}}


_kept: Final[dict[Grant, tuple[str, float]]] = {}
_lock: Final = threading.Lock()


def access_token(grant: Grant) -> str:
    """A token that is still good; asks for one where there is none.

    Raises:
        AccountProblem: the credentials are refused.
        AccountWideFailure: the server of tokens is away.
    """
    with _lock:
        token, until = _kept.get(grant, ("", 0.0))
        if time.monotonic() >= until:
            token, life = _ask(grant)
            _kept[grant] = token, time.monotonic() + life - _MARGIN
        return token


def forget_token(grant: Grant) -> None:
    """The mail server refused it: ask for another one next time."""
    with _lock:
        _kept.pop(grant, None)


def _ask(grant: Grant) -> tuple[str, float]:
    try:
        with guard(requests.Session(), GuardedTransport(allow_private=grant.allow_private)) as session:
            answer = as_answer(session.post(grant.token_url, data=grant.form()))
    except AccountProblem:
        raise
    except (ChannelError, requests.RequestException) as err:
        raise AccountWideFailure(f"No access token from {grant.token_url}: {err}", reason="temporary") from err
    return _read(grant, answer)


def _read(grant: Grant, answer: Answer) -> tuple[str, float]:
    told = answer.json()
    told = told if isinstance(told, dict) else {}
    token, life = told.get("access_token"), told.get("expires_in")
    if answer.status == 200 and isinstance(token, str) and token.isascii() and token.isprintable():
        return token, float(life) if isinstance(life, int | float | str) and _is_number(life) else _USUAL_LIFE
    said = " ".join(str(told.get(name) or "") for name in ("error", "error_description")).strip()[:200]
    detail = f"No access token from {grant.token_url}: {answer.status} {said}".strip()
    if answer.status in (408, 429) or answer.status >= 500:
        raise AccountWideFailure(detail, reason="temporary")
    raise AccountProblem(detail, reason="account_problem")


def _is_number(life: float | str) -> bool:
    return str(life).replace(".", "", 1).isdigit()
