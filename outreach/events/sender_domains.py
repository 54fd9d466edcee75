"""The domains that an organisation sends e-mail from, as its accounts name them, and where reports to them go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import idna

from channels.mailboxes import address_of
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import Channel


def domains_of(organisation: Organisation) -> dict[str, str]:
    """Each domain that the organisation, or one below it, sends from, and the mailbox that we read for it, or ''."""
    accounts = Account.objects.for_organisation(organisation).filter(channel=Channel.EMAIL).order_by("pk")
    found: dict[str, str] = {}
    for settings in accounts.values_list("settings", flat=True):
        for domain in _named(settings):
            found[domain] = found.get(domain) or mailbox_of(settings)
    return found


def mailbox_of(settings: Mapping[str, Any]) -> str:
    """The address of the mailbox that the account reads, where it reads one."""
    if not settings.get("imap_host"):
        return ""
    names = (str(settings.get(name) or "") for name in ("reply_address", "imap_username"))
    return next((name for name in names if "@" in name), "")


def is_related(domain: str, own: Iterable[str]) -> bool:
    """Whether it is one of them, or lies above or below one."""
    return any(domain == one or domain.endswith(f".{one}") or one.endswith(f".{domain}") for one in own)


def _named(settings: Mapping[str, Any]) -> set[str]:
    written = (
        str(settings.get("dkim_domain") or ""),
        address_of(str(settings.get("sender") or "")).rpartition("@")[2],
    )
    return {name for text in written if (name := _ascii(text))}


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode() if domain else ""
    except idna.IDNAError:
        return ""
