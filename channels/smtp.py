"""E-mail by SMTP: the adapter's head and its check.

The sending stands in `smtp_session`, what a reply means in `smtp_replies`, the handshake in `smtp_wire`, the order of
commands in `smtp_conversation`.
"""

from __future__ import annotations

import ssl
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from channels import smtp_wire
from channels.base import (
    Account,
    AccountProblem,
    Capabilities,
    ChannelError,
    Field,
    ForgedHook,
    Hook,
    Problem,
    ProviderEvent,
    Record,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.certificates import trust_besides
from channels.dkim import KEY_SETTINGS, BadKey, Signer, is_selector, load_key
from channels.mailboxes import address_of, envelope_form
from channels.sender_domain import check_sender_domain, read_addresses
from channels.smtp_login import MECHANISMS, WITH_TOKENS
from channels.smtp_session import SmtpSession
from channels.smtp_wire import TLS_VERSIONS, Server, connect


class Smtp:
    """Hands e-mails to a mail server."""

    name: ClassVar[str] = "smtp"
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail (SMTP)"
    can: ClassVar[Capabilities] = Capabilities(
        window=500,
        unknown_policy="resend",
        subject=True,
        html=True,
        files=True,
        threads=True,
        timeout=smtp_wire.REPLY_SECONDS,
    )
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(name="host", label="Server", help="The name of the mail server, such as mail.example.org."),
        Field(name="port", label="Port", kind="number", default="587", help="Usually 587, with TLS 465."),
        Field(
            name="security",
            label="Encryption",
            kind="choice",
            choices=("starttls", "tls", "opportunistic", "none"),
            default="starttls",
            help="STARTTLS on port 587, TLS on port 465; the others only within one's own network.",
        ),
        Field(name="username", label="User name", required=False, help="Empty where the server asks for none."),
        Field(name="password", label="Password", required=False, secret=True),
        Field(name="sender", label="Sender", help="Whom the e-mails come from, such as News <news@example.org>."),
        Field(
            name="bounce_address",
            label="Address for returned mail",
            required=False,
            kind="email",
            help="Each message gets one of its own from it, so that what comes back is matched. Empty: the sender's.",
        ),
        Field(
            name="connections",
            label="Connections",
            kind="number",
            required=False,
            default="4",
            help="How many connections one worker keeps open to the server.",
        ),
        Field(
            name="verify",
            label="Verify the certificate",
            kind="choice",
            choices=("yes", "no"),
            required=False,
            default="yes",
            help="Only a server with a certificate of its own making needs no.",
        ),
        Field(
            name="tls_minimum",
            label="Oldest version of TLS",
            kind="choice",
            choices=tuple(TLS_VERSIONS),
            required=False,
            default="1.2",
        ),
        Field(
            name="tls_trusted",
            label="Certificates that are trusted besides",
            required=False,
            kind="pem",
            help="Of an authority of one's own, in PEM form. The system's own are trusted anyway.",
        ),
        Field(
            name="auth",
            label="Way to log in",
            kind="choice",
            choices=MECHANISMS,
            required=False,
            default="auto",
            help="XOAUTH2 and OAUTHBEARER log in by access tokens, as Google and Microsoft ask.",
        ),
        Field(
            name="oauth_url",
            label="Where access tokens come from",
            kind="url",
            required=False,
            help="Such as https://oauth2.googleapis.com/token.",
        ),
        Field(name="oauth_client_id", label="Client id", required=False),
        Field(name="oauth_client_secret", label="Client secret", required=False, secret=True),
        Field(
            name="oauth_refresh_token",
            label="Refresh token",
            required=False,
            secret=True,
            help="Of the mailbox's owner. Empty where the application has a right of its own, as with Microsoft 365.",
        ),
        Field(
            name="oauth_scope",
            label="Scope",
            required=False,
            help="Such as https://outlook.office365.com/.default with Microsoft 365.",
        ),
        Field(
            name="sends_from",
            label="Addresses that e-mails leave from",
            required=False,
            help="IP addresses, where the server hands e-mails on from others than its own. They are looked up in DNS.",
        ),
        Field(
            name="dkim_domain",
            label="Domain that signs",
            required=False,
            help="Empty for the sender's domain. The keys are published there.",
        ),
        Field(
            name="dkim_rsa_selector",
            label="Selector of the RSA key",
            required=False,
            help="The name of the key in DNS, such as out2026. Empty: e-mails are not signed with this key.",
        ),
        Field(
            name="dkim_rsa_key",
            label="RSA private key",
            required=False,
            secret=True,
            kind="pem",
            help="In PEM form, 2048 bits, without a password. Every mail server understands its signatures.",
        ),
        Field(
            name="dkim_ed25519_selector",
            label="Selector of the Ed25519 key",
            required=False,
            help="A name of its own, such as out2026e. Empty: e-mails are not signed with this key.",
        ),
        Field(
            name="dkim_ed25519_key",
            label="Ed25519 private key",
            required=False,
            secret=True,
            kind="pem",
            help="In PEM form, without a password. Beside the RSA key: not every mail server understands it yet.",
        ),
    )

    def open(self, account: Account) -> SmtpSession:
        return SmtpSession(account)

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook(
            f"A mail server reports by e-mail; a call of {hook.kind!r} for {account.name!r} is not genuine."
        )

    def find_faults(self, settings: Mapping[str, Any], kept: Container[str]) -> list[Problem]:
        keys = [fault for names in KEY_SETTINGS for fault in _faults_of_key(*names, settings=settings, kept=kept)]
        addresses = [*_faults_of_addresses(settings), *_faults_of_bounce_address(settings)]
        return [*addresses, *_faults_of_tls(settings), *_faults_of_tokens(settings, kept), *keys]

    def check(self, account: Account) -> list[Problem]:
        problems = [*_missing(account), *_check_sender(account)]
        signer, signing = _check_signing(account)
        if any(problem.field in ("host", "sender") for problem in problems):
            return [*problems, *signing]
        published = check_sender_domain(account, signer)
        if any(problem.code.startswith("dkim") for problem in published):
            signing = [problem for problem in signing if problem.code != "dkim_record"]
        if any(problem.severity == "error" for problem in signing):
            published = [problem for problem in published if problem.code != "dkim_unsigned"]
        return [*problems, *signing, *_check_server(account), *published]


def _missing(account: Account) -> list[Problem]:
    return [
        Problem(
            severity="error",
            code="setting_missing",
            message=f"{field.label} is missing.",
            remedy=field.help,
            field=field.name,
        )
        for field in Smtp.account_fields
        if field.required and not field.default and not str(account.settings.get(field.name) or "").strip()
    ]


def _check_sender(account: Account) -> list[Problem]:
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


def _faults_of_key(
    kind: str, selector_name: str, key_name: str, *, settings: Mapping[str, Any], kept: Container[str]
) -> Iterator[Problem]:
    selector, pem = str(settings.get(selector_name) or ""), str(settings.get(key_name) or "")
    if selector and not is_selector(selector):
        yield Problem(
            severity="error",
            code="invalid_selector",
            message="A selector is a word of Latin letters, digits and hyphens, such as out2026.",
            field=selector_name,
        )
    if selector and not pem and key_name not in kept:
        yield Problem(severity="error", code="no_key", message="The selector needs its private key.", field=key_name)
    if pem and not selector:
        yield Problem(
            severity="error", code="no_selector", message="The private key needs its selector.", field=selector_name
        )
    try:
        if pem:
            load_key(kind, pem)
    except BadKey as err:
        yield Problem(severity="error", code="invalid_key", message=str(err), field=key_name)


def _faults_of_bounce_address(settings: Mapping[str, Any]) -> Iterator[Problem]:
    text = str(settings.get("bounce_address") or "").strip()
    with suppress(UnsupportedContent):
        if not text or envelope_form(text):
            return
    yield Problem(
        severity="error",
        code="invalid_bounce_address",
        message="This is not an e-mail address such as bounces@example.org.",
        field="bounce_address",
    )


def _faults_of_addresses(settings: Mapping[str, Any]) -> list[Problem]:
    try:
        read_addresses(str(settings.get("sends_from") or ""))
    except ValueError:
        message = "Write IP addresses such as 203.0.113.5, separated by commas."
        return [Problem(severity="error", code="invalid_addresses", message=message, field="sends_from")]
    return []


def _faults_of_tls(settings: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        trust_besides(ssl.create_default_context(), str(settings.get("tls_trusted") or ""))
    except ssl.SSLError:
        message = "These are no certificates in PEM form, from -----BEGIN to -----END."
        yield Problem(severity="error", code="invalid_certificate", message=message, field="tls_trusted")


def _faults_of_tokens(settings: Mapping[str, Any], kept: Container[str]) -> Iterator[Problem]:
    """What is missing for a log-in by access tokens."""
    if str(settings.get("auth") or "") not in WITH_TOKENS:
        return
    needed = ["username", "oauth_url", "oauth_client_id"]
    if not any(settings.get(name) or name in kept for name in ("oauth_client_secret", "oauth_refresh_token")):
        needed.append("oauth_client_secret")
    for name in needed:
        if not settings.get(name) and name not in kept:
            message = "Access tokens cannot be asked for without it."
            yield Problem(severity="error", code="no_token", message=message, field=name)


def _check_signing(account: Account) -> tuple[Signer | None, list[Problem]]:
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


def _check_server(account: Account) -> list[Problem]:
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
