"""Rows that are no member of an audience: posts and feed entries of the public channels, named recipients of a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from outreach.audience.addresses import BadAddress, normalise
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import PUBLIC_CHANNELS, Channel, DeliveryState, Reason


@dataclass(frozen=True, kw_only=True)
class Other:
    """A row that fan-out writes beside the audience's."""

    target: str
    channel: str
    language: str
    account: int | None
    state: str = DeliveryState.PLANNED
    reason: str = ""
    subscriber: int | None = None


@dataclass(frozen=True, kw_only=True)
class Named:
    """Whom a test send names: what its row needs beside the ledger."""

    target: str
    #: The address as the provider gets it; None where it is none.
    value: str | None
    #: The suppression list's key.
    digest: bytes


def public_rows(frozen: Mapping[str, Any]) -> list[Other]:
    """A post or a feed entry for each account and language; a feed entry *is* its row, so it is accepted at once."""
    found = {}
    for content in frozen["contents"]:
        channel, language = content["channel"], content["language"]
        if channel not in PUBLIC_CHANNELS or channel not in frozen["channels"]:
            continue
        account = _account(frozen, content)
        state = DeliveryState.ACCEPTED if channel == Channel.FEED else DeliveryState.PLANNED
        target = f"a:{account or ''}:{language}"
        found[channel, target] = _or_skipped(
            Other(target=target, channel=channel, language=language, account=account, state=state)
        )
    return list(found.values())


def named_rows(frozen: Mapping[str, Any]) -> list[Other]:
    """A row for each recipient of a test send, in the order in which they were named."""
    rows = []
    for number, recipient in enumerate(frozen.get("recipients", ())):
        channel = recipient["channel"]
        content = content_for(frozen, channel, recipient.get("language", ""))
        row = Other(
            target=f"n:{number}",
            channel=channel,
            language=content["language"] if content else recipient.get("language", ""),
            account=_account(frozen, content) if content else None,
            subscriber=recipient.get("subscriber"),
        )
        if content is None:
            row = replace(row, state=DeliveryState.SKIPPED, reason=Reason.NO_CONTENT)
        rows.append(_or_skipped(row))
    return rows


def named(frozen: Mapping[str, Any]) -> list[Named]:
    """Addresses of a test send's recipients."""
    return [_named(number, recipient) for number, recipient in enumerate(frozen.get("recipients", ()))]


def _named(number: int, recipient: Mapping[str, Any]) -> Named:
    target, channel, value = f"n:{number}", recipient["channel"], recipient.get("value") or ""
    if channel in PUBLIC_CHANNELS:
        return Named(target=target, value="", digest=b"")
    try:
        normalised = normalise(channel, value)
    except BadAddress:
        return Named(target=target, value=None, digest=b"")
    return Named(target=target, value=normalised, digest=address_digest(channel, normalised))


def content_for(frozen: Mapping[str, Any], channel: str, language: str) -> Mapping[str, Any] | None:
    """The content in the language, else in the fallback, else any of the channel: what names people should arrive."""
    contents = [content for content in frozen["contents"] if content["channel"] == channel]
    wanted = (language, frozen.get("fallback_language", ""))
    for choice in wanted:
        for content in contents:
            if content["language"] == choice:
                return dict(content)
    return dict(contents[0]) if contents else None


def _account(frozen: Mapping[str, Any], content: Mapping[str, Any]) -> int | None:
    account: int | None = content.get("account") or frozen.get("accounts", {}).get(content["channel"])
    return account


def _or_skipped(row: Other) -> Other:
    if row.account is not None or row.state == DeliveryState.SKIPPED:
        return row
    return replace(row, state=DeliveryState.SKIPPED, reason=Reason.ACCOUNT_PROBLEM)
