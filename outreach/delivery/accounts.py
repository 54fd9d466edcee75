"""Accounts of channels: made, changed, paused; secrets are sealed on the way in and never come out again."""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.senders import resolve_accounts
from outreach.core import alerts, audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Account, Organisation
from outreach.core.queue import enqueue
from outreach.core.secrets import seal, unseal
from outreach.core.vocabulary import PERSONAL_CHANNELS, AccountState, Lane, Permission, UnknownPolicy
from outreach.delivery.adapters import describe, describe_kept, read_settings, split_secrets
from outreach.delivery.balance import parts, standings
from outreach.delivery.connection import callers_link
from outreach.delivery.limits import read_domain_rates, read_warm_up


@transaction.atomic
def create_account(
    actor: Actor,
    *,
    adapter: str,
    name: str,
    settings: Mapping[str, Any],
    unknown_policy: str | None = None,
    rate_per_minute: int = 0,
    domain_rates: Mapping[str, Any] | None = None,
    warm_up: Mapping[str, Any] | None = None,
    is_default: bool = True,
    is_sandbox: bool = False,
    weight: int = 1,
) -> Account:
    """Add an account to the actor's organisation, usable by everything below it.

    Raises:
        Invalid: with every bad field, by path (`adapter`, `settings/port`, `warm_up/days` ...).
    """
    actor.require(Permission.MANAGE_ACCOUNTS)
    try:
        description = describe(adapter)
    except NotFound as err:
        raise Invalid({"adapter": [err.message]}) from err
    values, wrong = read_settings(description, settings)
    limits, wrong_limits = _read_limits(domain_rates or {}, warm_up or {})
    wrong |= wrong_limits | _wrong_columns(actor.organisation, name=name, unknown_policy=unknown_policy)
    if wrong:
        raise Invalid(wrong)
    visible, hidden = split_secrets(description, values)
    account = Account.objects.create(
        organisation=actor.organisation,
        adapter=adapter,
        channel=description.channel,
        name=name.strip(),
        settings=visible,
        sealed=seal(hidden) if hidden else b"",
        unknown_policy=unknown_policy or description.capabilities.unknown_policy,
        rate_per_minute=rate_per_minute,
        hook_key=random_secrets.token_urlsafe(24),
        is_default=is_default,
        is_sandbox=is_sandbox,
        weight=weight,
        **limits,
    )
    audit.record(actor, "account.created", account, adapter=adapter)
    return account


@transaction.atomic
def change_account(
    actor: Actor,
    account: Account,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    unknown_policy: str | None = None,
    rate_per_minute: int | None = None,
    domain_rates: Mapping[str, Any] | None = None,
    warm_up: Mapping[str, Any] | None = None,
    is_default: bool | None = None,
    weight: int | None = None,
) -> Account:
    """Change what is given. Settings that are left out stay; so does a secret that is left empty.

    Limits hold from the next lease on: what a worker has in its hands goes by the old ones.

    Raises:
        Invalid: with every bad field, by path.
    """
    actor.require(Permission.MANAGE_ACCOUNTS)
    wrong = _wrong_columns(account.organisation, name=name, unknown_policy=unknown_policy, account=account)
    if settings is not None:
        wrong |= _write_settings(account, settings)
    limits, wrong_limits = _read_limits(domain_rates, warm_up)
    wrong |= wrong_limits
    if wrong:
        raise Invalid(wrong)
    columns = {
        "name": name.strip() if name is not None else None,
        "unknown_policy": unknown_policy,
        "rate_per_minute": rate_per_minute,
        "is_default": is_default,
        "weight": weight,
        **limits,
    }
    changed = {column: value for column, value in columns.items() if value is not None}
    for column, value in changed.items():
        setattr(account, column, value)
    account.save()
    audit.record(actor, "account.changed", account, fields=sorted([*changed, *(settings or ())]))
    return account


@transaction.atomic
def pause_account(account: Account, trouble: str, *, actor: Actor | None = None) -> None:
    """Stop sending through the account and tell people why; nothing is lost, batches wait.

    Without an actor, `trouble` is what the provider says.
    """
    if actor is not None:
        actor.require(Permission.MANAGE_ACCOUNTS)
        audit.record(actor, "account.paused", account)
    account.state, account.trouble = AccountState.PAUSED, trouble
    account.save(update_fields=["state", "trouble"])
    code = "account_paused" if actor is None else "account_stopped"
    alerts.raise_alert(code, account, organisation=account.organisation, name=account.name, trouble=trouble)


@transaction.atomic
def resume_account(actor: Actor, account: Account) -> None:
    """Send through the account again."""
    actor.require(Permission.MANAGE_ACCOUNTS)
    account.state, account.trouble = AccountState.ACTIVE, ""
    account.save(update_fields=["state", "trouble"])
    alerts.resolve_alerts(account, "account_paused", "account_stopped")
    audit.record(actor, "account.resumed", account)
    enqueue("outreach.work", Lane.CAMPAIGNS.value, lane=Lane.CAMPAIGNS)


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """One of the accounts that share a channel, as messages are split now."""

    account: Account
    #: Of all messages, 0 to 1.
    part: float


def pool_now(account: Account) -> list[Sharing]:
    """The accounts that this one shares its channel with, itself among them; nothing where it is alone."""
    beside = Account.objects.filter(
        organisation=account.organisation,
        channel=account.channel,
        is_default=True,
        is_sandbox=account.is_sandbox,
    ).order_by("pk")
    pool = {one.pk: one for one in beside}
    if account.pk not in pool or len(pool) < 2 or account.channel not in PERSONAL_CHANNELS:
        return []
    standing = standings(callers_link(), [[one.pk, one.weight] for one in pool.values()])
    sizes = {part.account: part.upper - part.lower for part in parts(standing)}
    return [Sharing(account=one, part=sizes.get(one.pk, 0.0)) for one in pool.values()]


def account_for(organisation: Organisation, channel: str) -> Account | None:
    """The account that a content of this channel is sent through where it names none."""
    return resolve_accounts(organisation, [channel]).get(channel)


def _read_limits(
    domain_rates: Mapping[str, Any] | None, warm_up: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The columns of the limits that are given, and what is wrong with them."""
    columns: dict[str, Any] = {}
    wrong: dict[str, list[Any]] = {}
    for name, given, read in (
        ("domain_rates", domain_rates, read_domain_rates),
        ("warm_up", warm_up, read_warm_up),
    ):
        if given is not None:
            columns[name], mistakes = read(given)
            wrong |= mistakes
    return columns, wrong


def _write_settings(account: Account, given: Mapping[str, Any]) -> dict[str, list[Any]]:
    description = describe_kept(account.adapter)
    old_hidden = unseal(account.sealed)
    merged = {**account.settings, **{name: value for name, value in given.items() if name not in old_hidden or value}}
    values, wrong = read_settings(description, merged, kept=frozenset(old_hidden))
    if not wrong:
        account.settings, hidden = split_secrets(description, values)
        hidden = {**old_hidden, **hidden}
        account.sealed = seal(hidden) if hidden else b""
    return wrong


def _wrong_columns(
    organisation: Organisation, *, name: str | None, unknown_policy: str | None, account: Account | None = None
) -> dict[str, list[Any]]:
    wrong: dict[str, list[Any]] = {}
    if name is not None and not name.strip():
        wrong["name"] = [_("This must not be empty.")]
    elif name is not None:
        others = Account.objects.filter(organisation=organisation, name=name.strip()).exclude(
            pk=account.pk if account else 0
        )
        if others.exists():
            wrong["name"] = [_("There is already an account of this name.")]
    if unknown_policy is not None and unknown_policy not in UnknownPolicy.values:
        wrong["unknown_policy"] = [_("Write “resend” or “hold”.")]
    return wrong
