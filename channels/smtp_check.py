"""Whether an account's mail server, sender and signatures will do; asks the server and DNS, and sends nothing."""

from __future__ import annotations

from contextlib import suppress

from channels.base import Account, AccountProblem, ChannelError, Problem, Record, TemporaryFailure, UnsupportedContent
from channels.dkim import Signer
from channels.mailboxes import address_of, envelope_form
from channels.smtp_wire import Server, connect


def check_sender(account: Account) -> list[Problem]:
    sender = str(account.settings.get("sender") or "")
    with suppress(UnsupportedContent):
        if not sender or envelope_form(address_of(sender)):
            return []
    return [
        Problem(
            severity="error",
            code="invalid_sender",
            message="The sender is not an e-mail address.",
            remedy="Write an address, or a name and an address such as News <news@example.org>.",
            field="sender",
        )
    ]


def check_signing(account: Account) -> tuple[Signer | None, list[Problem]]:
    """What signs, and the DNS records to publish; whether they are there is not asked here."""
    try:
        signer = Signer.of(account.settings)
    except AccountProblem as err:
        message, remedy = "E-mails cannot be signed (DKIM)", "Correct the keys and the domain on the account's page."
        said = err.detail.partition(": ")[2]
        return None, [Problem(severity="error", code="dkim", message=f"{message}: {said}", remedy=remedy)]
    message, remedy = (
        "Publish this TXT record in DNS",
        "Receivers verify our signatures by it. Until it is published they take the messages for unsigned.",
    )
    return signer, [
        Problem(
            severity="note",
            code="dkim_record",
            message=f'{message}: {key.host} TXT "{key.record}"',
            remedy=remedy,
            record=Record(name=key.host, kind="TXT", value=key.record),
        )
        for key in (signer.keys if signer else ())
    ]


def check_server(account: Account) -> list[Problem]:
    try:
        server = Server.of(account)
        connect(server).close(politely=True)
    except ChannelError as err:
        return [_explain(err, account)]
    return _check_protection(server, account)


def _explain(error: ChannelError, account: Account) -> Problem:
    password = str(account.settings.get("password") or "")
    detail = error.detail.replace(password, "…") if password else error.detail
    if isinstance(error, TemporaryFailure):
        message, remedy = (
            "The mail server cannot be used just now",
            "Look at the server and the port, or try again later.",
        )
    elif error.status in (530, 534, 535, 538):
        message, remedy = "The mail server refused the log-in", "Correct the user name and the password."
    else:
        message, remedy = (
            "The mail server will not work with these settings",
            "Correct the settings named in the answer.",
        )
    return Problem(severity="error", code="server", message=f"{message}: {detail.rstrip('.')}.", remedy=remedy)


def _check_protection(server: Server, account: Account) -> list[Problem]:
    if account.resolver and server.is_verified:
        message = "The mail server takes us in, and the connection to it is encrypted."
        return [Problem(severity="good", code="server", message=message)]
    if server.security == "none" and not server.allow_private:
        message = "E-mails and the password travel to the mail server unencrypted."
    elif server.security == "opportunistic" and not server.allow_private:
        message = "E-mails are encrypted only where the mail server offers it, and its certificate is not verified."
    elif server.security in ("starttls", "tls") and not server.verify:
        message = "The certificate of the mail server is not verified."
    else:
        return []
    remedy = "Use STARTTLS or TLS with a certificate that can be verified, unless the network is your own."
    return [Problem(severity="warning", code="unprotected", message=message, remedy=remedy, field="security")]
