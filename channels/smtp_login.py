"""Logging in to a mail server (RFC 4954): which mechanism, and what is said by it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final

from scramp import ScramClient, ScramException

from channels.base import AccountProblem
from channels.oauth import Grant, access_token, forget_token
from channels.smtp_replies import NotSmtp, Reply

#: Says a line and hears the reply.
Ask = Callable[[str], Reply]

AUTOMATIC: Final = "auto"
#: Over a connection that nobody reads, the simple ones: every server can check them, whatever it keeps of passwords.
_PROTECTED: Final = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5")
#: Elsewhere, those that do not tell the password.
_CHALLENGING: Final = ("SCRAM-SHA-256", "CRAM-MD5")
_TELLING: Final = ("PLAIN", "LOGIN")
WITH_TOKENS: Final = ("xoauth2", "oauthbearer")
#: The values of the account's setting.
MECHANISMS: Final = (AUTOMATIC, *(name.lower() for name in _PROTECTED), *WITH_TOKENS)
_GOES_ON: Final = 334


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """As whom, and how."""

    username: str
    password: str = field(repr=False)
    #: One of MECHANISMS.
    mechanism: str = AUTOMATIC
    grant: Grant | None = None
    #: For OAUTHBEARER, which names them.
    host: str = ""
    port: int = 0


def choose(wanted: str, offered: Container[str], *, is_protected: bool, may_tell: bool) -> str:
    """The mechanism to use. `is_protected`: encrypted, to whom it should be; `may_tell`: a password may be told.

    Raises:
        AccountProblem: the server offers none that may be used.
    """
    if wanted != AUTOMATIC:
        name = wanted.upper()
        if not may_tell and name not in _CHALLENGING:
            raise AccountProblem("The connection is not encrypted, so no password is told.", reason="account_problem")
        if name not in offered:
            raise AccountProblem(f"The server does not offer to log in by {name}.", reason="account_problem")
        return name
    order: tuple[str, ...] = _PROTECTED if is_protected else (*_CHALLENGING, *(_TELLING if may_tell else ()))
    for name in order:
        if name in offered:
            return name
    if not may_tell and any(name in offered for name in _TELLING):
        raise AccountProblem("The connection is not encrypted, so no password is told.", reason="account_problem")
    raise AccountProblem("The server offers no way to log in that we know.", reason="account_problem")


def say(mechanism: str, credentials: Credentials, ask: Ask) -> Reply:
    """Go through the mechanism; the server's last reply.

    Raises:
        ChannelError: there is no token to be had.
        NotSmtp: the server does not keep to the mechanism, or does not know the password itself.
    """
    return _WAYS[mechanism](credentials, ask)


def _plain(credentials: Credentials, ask: Ask) -> Reply:
    return ask("AUTH PLAIN " + _base64(f"\0{credentials.username}\0{credentials.password}"))


def _login(credentials: Credentials, ask: Ask) -> Reply:
    reply = ask("AUTH LOGIN")
    for answer in (credentials.username, credentials.password):
        if reply.code != _GOES_ON:
            break
        reply = ask(_base64(answer))
    return reply


def _cram(credentials: Credentials, ask: Ask) -> Reply:
    reply = ask("AUTH CRAM-MD5")
    if reply.code != _GOES_ON:
        return reply
    digest = hmac.new(credentials.password.encode(), _challenge(reply), "md5").hexdigest()
    return ask(_base64(f"{credentials.username} {digest}"))


def _scram(credentials: Credentials, ask: Ask) -> Reply:
    """RFC 5802 and 7677: the server proves as well that it knows the password."""
    try:
        client = ScramClient(["SCRAM-SHA-256"], credentials.username, credentials.password)
        reply = ask("AUTH SCRAM-SHA-256 " + _base64(client.get_client_first()))
        if reply.code != _GOES_ON:
            return reply
        client.set_server_first(_challenge(reply).decode())
        reply = ask(_base64(client.get_client_final()))
        if reply.code != _GOES_ON and not reply.is_positive:
            return reply
        client.set_server_final(_challenge(reply).decode())
    except (ScramException, UnicodeDecodeError) as err:
        raise NotSmtp(f"The server does not prove that it knows the password: {err}") from err
    return ask("") if reply.code == _GOES_ON else reply


def _xoauth2(credentials: Credentials, ask: Ask) -> Reply:
    """https://developers.google.com/workspace/gmail/imap/xoauth2-protocol; Microsoft's is the same."""
    return _with_token("XOAUTH2", "user={user}\x01auth=Bearer {token}\x01\x01", "", credentials, ask)


def _oauthbearer(credentials: Credentials, ask: Ask) -> Reply:
    """RFC 7628; after a refusal the client says one control character (3.2.3)."""
    form = "n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
    return _with_token("OAUTHBEARER", form, _base64("\x01"), credentials, ask)


def _with_token(name: str, form: str, resignation: str, credentials: Credentials, ask: Ask) -> Reply:
    if credentials.grant is None:
        raise AccountProblem("There is nothing to ask for an access token with.", reason="account_problem")
    user = credentials.username
    if name == "OAUTHBEARER":
        user = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801, section 4
    token = access_token(credentials.grant)
    filled = form.format(user=user, token=token, host=credentials.host, port=credentials.port)
    reply = ask(f"AUTH {name} {_base64(filled)}")
    if reply.code == _GOES_ON:  # why it refuses, which the reply that follows says as well
        reply = ask(resignation)
    if not reply.is_positive:
        forget_token(credentials.grant)
    return reply


_WAYS: Final[dict[str, Callable[[Credentials, Ask], Reply]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram,
    "SCRAM-SHA-256": _scram,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}


def _challenge(reply: Reply) -> bytes:
    """What the server said beside its code; some put an enhanced status code in front of it."""
    try:
        return base64.b64decode(reply.text.removeprefix(reply.status).strip(), validate=True)
    except ValueError as err:
        raise NotSmtp("The server's challenge for AUTH cannot be read.") from err


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
