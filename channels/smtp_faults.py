"""What may be wrong in the settings of a mail server, told before anything is asked of it."""

from __future__ import annotations

import ssl
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import Any

from channels.base import Problem, UnsupportedContent
from channels.certificates import trust_besides
from channels.dkim import KEY_SETTINGS, BadKey, is_selector, load_key
from channels.mailboxes import envelope_form
from channels.sender_domain import read_addresses
from channels.smtp_login import WITH_TOKENS


def find_faults(settings: Mapping[str, Any], kept: Container[str]) -> list[Problem]:
    """What is wrong in the settings, told by themselves; `kept` names the secrets that are stored already."""
    keys = [fault for names in KEY_SETTINGS for fault in _faults_of_key(*names, settings=settings, kept=kept)]
    addresses = [*_faults_of_addresses(settings), *_faults_of_bounce_address(settings)]
    return [*addresses, *_faults_of_tls(settings), *_faults_of_tokens(settings, kept), *keys]


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
