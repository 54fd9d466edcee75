"""E-mail by SMTP: the adapter's head.

The sending stands in `smtp_session`, what a reply means in `smtp_replies`, the handshake in `smtp_wire`, the order of
commands in `smtp_conversation`, what may be wrong in the settings in `smtp_faults`, the check in `smtp_check`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, ClassVar

from channels import smtp_wire
from channels.base import Account, Capabilities, Field, ForgedHook, Hook, Problem, ProviderEvent
from channels.exchange import find_missing
from channels.sender_domain import check_sender_domain
from channels.smtp_check import check_sender, check_server, check_signing
from channels.smtp_faults import find_faults
from channels.smtp_login import MECHANISMS
from channels.smtp_session import SmtpSession
from channels.smtp_wire import TLS_VERSIONS


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
        return find_faults(settings, kept)

    def check(self, account: Account) -> list[Problem]:
        problems = [*find_missing(account, self.account_fields), *check_sender(account)]
        signer, signing = check_signing(account)
        if any(problem.field in ("host", "sender") for problem in problems):
            return [*problems, *signing]
        published = check_sender_domain(account, signer)
        if any(problem.code.startswith("dkim") for problem in published):
            signing = [problem for problem in signing if problem.code != "dkim_record"]
        if any(problem.severity == "error" for problem in signing):
            published = [problem for problem in published if problem.code != "dkim_unsigned"]
        return [*problems, *signing, *check_server(account), *published]
