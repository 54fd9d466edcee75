"""The only door to `channels` for the rest of the product: which adapters there are, their forms, their sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, partial
from typing import Any, Final, TypeAlias

from django.conf import settings as django_settings
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

import channels
from channels import UnknownAdapter
from channels.base import Account as PlainAccount
from channels.base import Adapter, Capabilities, Field, Problem, ProviderEvent, Receiving, Session, Strict
from channels.dns_records import SYSTEM
from outreach.core.errors import NotFound
from outreach.core.models import Account
from outreach.core.secrets import unseal
from outreach.core.vocabulary import Channel
from outreach.delivery.mail_fields import (
    MAIL_FIELDS,
    MAILBOXES,
    NO_MAILBOX,
    faults_of_mailboxes,
    flatten_imap,
    mailboxes_in,
    written_at,
)

#: The sandbox's peers listen here; an account that speaks to them needs no setting for it.
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")

#: Of findings, the worst first.
SEVERITIES: Final = ("error", "warning", "note", "good")

#: `OUTREACH_RESOLVER` that keeps checks from asking DNS.
NOBODY: Final = "none"


@dataclass(frozen=True, kw_only=True)
class AdapterDescription:
    """What people see of an adapter: its name, its channel, its account's form, what it can carry."""

    name: str
    label: str
    channel: str
    fields: tuple[Field, ...]
    capabilities: Capabilities
    #: Whether its provider calls us: then there are addresses to enter there.
    is_called: bool = True


def adapter_names() -> tuple[str, ...]:
    """Adapters that an account can be made for, sorted."""
    return channels.names()


@cache
def describe(name: str) -> AdapterDescription:
    """An adapter as people see it.

    Raises:
        NotFound: there is none of this name; the message says what was perhaps meant.
    """
    try:
        adapter = channels.get(name)
    except UnknownAdapter as err:
        raise NotFound(_unknown(name, err.known)) from err
    return _description(adapter)


def describe_kept(name: str) -> AdapterDescription:
    """As `describe`, for an account that there is already: also where its adapter is not installed any more."""
    return _description(channels.find(name))


def _description(adapter: Adapter) -> AdapterDescription:
    own = {field.name for field in adapter.account_fields}
    extra = tuple(field for field in MAIL_FIELDS if field.name not in own) if adapter.kind == Channel.EMAIL else ()
    return AdapterDescription(
        name=adapter.name,
        label=adapter.label,
        channel=adapter.kind,
        fields=(*adapter.account_fields, *extra),
        capabilities=adapter.can,
        is_called=not isinstance(adapter, Receiving),
    )


def capabilities(adapter: str) -> Capabilities:
    """What the adapter can carry."""
    return channels.find(adapter).can


def plain_account(account: Account) -> PlainAccount:
    """The account as plain data with its secrets, for an adapter and nobody else."""
    values = {**account.settings, **unseal(account.sealed)}
    values |= mailboxes_in(values)
    allowed = (*django_settings.ALLOW_PRIVATE, *(LOOPBACK if account.is_sandbox else ()))
    return PlainAccount(
        id=str(account.pk),
        adapter=account.adapter,
        name=account.name,
        settings=values,
        allow_private=tuple(allowed),
        resolver="" if account.is_sandbox else _resolver(),
    )


def _resolver() -> str:
    """The DNS servers that checks may ask; '' where the operator wants none asked."""
    named: str = django_settings.RESOLVER
    return "" if named == NOBODY else named or SYSTEM


def session_for(account_id: int) -> Session:
    """An open session of the account's adapter; a context manager.

    Raises:
        NotFound: there is no such account.
    """
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise NotFound
    adapter, plain = channels.find(account.adapter), plain_account(account)
    if _inbox and isinstance(adapter, Receiving):
        return adapter.open_listening(plain, partial(_inbox[-1], account.pk))
    return adapter.open(plain)


#: Keeps what comes in over a session that sends; of a higher stage, which registers it.
Inbox: TypeAlias = Callable[[int, Sequence[ProviderEvent]], bool]
_inbox: list[Inbox] = []


def register_inbox(keep: Inbox) -> None:
    """Say who keeps what adapters hear while they send: it takes the account's id and answers whether all is kept."""
    _inbox[:] = [keep]


def check_account(account: Account) -> list[Problem]:
    """What would stop the account from sending, the worst first, and what was found to be in order (`good`).

    Its form first, then the adapter's check, which may ask the provider and DNS.
    """
    missing = missing_settings(account)
    if missing:
        return missing
    plain = plain_account(account)
    problems = channels.find(account.adapter).check(plain)
    if plain.resolver and account.channel == Channel.EMAIL:
        problems = [*problems, judge_one_click(django_settings.BASE_URL)]
    return sorted(
        (_translated(problem) for problem in problems), key=lambda problem: SEVERITIES.index(problem.severity)
    )


def judge_one_click(base_url: str) -> Problem:
    """Whether receivers take our one-click unsubscribe (RFC 8058) for one: it has to be https."""
    if base_url.startswith("https://"):
        message = gettext_noop("One-click unsubscribe: every e-mail of a campaign carries it, as Gmail and Yahoo ask.")
        return Problem(severity="good", code="one_click", message=message)
    return Problem(
        severity="warning",
        code="one_click_insecure",
        message=gettext_noop(
            "Gmail and Yahoo take one-click unsubscribe by https alone, but links begin with %(url)s."
        ),
        remedy=gettext_noop("Put the product behind https and set OUTREACH_BASE_URL to that address."),
        values={"url": base_url},
    )


def _translated(problem: Problem) -> Problem:
    """The problem in the reader's language, its values filled in; what the provider said, after a colon, stays."""
    remedy = gettext(problem.remedy) if problem.remedy else ""
    if problem.values:
        message = gettext(problem.message) % problem.values
        return replace(problem, message=message, remedy=remedy % problem.values, values={})
    words, colon, said = problem.message.partition(": ")
    whole = gettext(problem.message)
    message = whole if whole != problem.message else f"{gettext(words)}{colon}{said}"
    return replace(problem, message=message, remedy=remedy)


def missing_settings(account: Account) -> list[Problem]:
    """Required settings that the account does not have; asks nobody."""
    values = plain_account(account).settings
    return [
        Problem(
            severity="error",
            code="missing_setting",
            message=str(_("“%(label)s” is missing.") % {"label": _(field.label)}),
            remedy=str(_("Fill it in on the account's page.")),
            field=field.name,
        )
        for field in describe_kept(account.adapter).fields
        if field.required and not field.default and values.get(field.name) in {None, ""}
    ]


def read_settings(
    description: AdapterDescription, given: Mapping[str, Any], *, kept: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Check a form: the values that count, and what is wrong by path (`settings/port`).

    `kept` names secrets that are there already: they may be left out.
    """
    flat = flatten_imap(given)
    fields = {field.name: field for field in description.fields}
    values: dict[str, Any] = {}
    wrong: dict[str, list[Any]] = {}
    nested = frozenset(name for name in MAILBOXES if isinstance(given.get(name), Mapping))
    for name in MAILBOXES:
        if given.get(name) and name not in nested:
            wrong[f"settings/{name}"] = [NO_MAILBOX]
    for name in flat:
        if name not in fields:
            wrong[written_at(name, nested=nested)] = [_unknown(name, tuple(fields))]
    for name, field in fields.items():
        value = flat.get(name)
        if value is None or value == "":
            if field.required and name not in kept and not field.default:
                wrong[written_at(name, nested=nested)] = [_("This must not be empty.")]
            elif field.default and not field.secret:
                values[name] = _read(field, field.default)[0]
            continue
        values[name], complaint = _read(field, value)
        if complaint:
            wrong[written_at(name, nested=nested)] = [complaint]
    found = wrong or faults_of_mailboxes(values, nested=nested) or _faults(description.name, values, kept)
    return values, found


def _faults(adapter: str, values: Mapping[str, Any], kept: frozenset[str]) -> dict[str, list[Any]]:
    """What the adapter itself finds wrong, by path, in the reader's language."""
    chosen = channels.find(adapter)
    wrong: dict[str, list[Any]] = {}
    for fault in chosen.find_faults(values, kept) if isinstance(chosen, Strict) else ():
        wrong.setdefault(f"settings/{fault.field}", []).append(gettext(fault.message))
    return wrong


#: Numbers that are ports, which end here.
_LAST_PORT: Final = 65_535


def _read(field: Field, value: Any) -> tuple[Any, Any]:
    """One value as it is kept, and what is wrong with it."""
    if not isinstance(value, str | int | float | bool):
        return "", _("This must be a text or a number.")
    text = str(value).strip() if not isinstance(value, bool) else str(value).lower()
    if field.kind == "pem":
        return "\n".join(text.splitlines()), None
    if any(ord(letter) < 32 for letter in text):
        return text, _("This must be one line.")
    if field.kind == "number":
        return _read_number(field, text)
    if field.kind == "choice" and text not in field.choices:
        return text, _("Choose one of: %(choices)s.") % {"choices": ", ".join(field.choices)}
    if field.kind == "url" and not text.startswith(("https://", "http://")):
        return text, _("This is not a web address. Write it with https:// in front.")
    if field.kind == "email" and "@" not in text:
        return text, _("This is not an e-mail address.")
    return text, None


def _read_number(field: Field, text: str) -> tuple[Any, Any]:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return text, _("This must be a whole number.")
    if field.name.endswith("port") and not 0 < int(text) <= _LAST_PORT:
        return text, _("A port is a number from 1 to %(last)s.") % {"last": _LAST_PORT}
    return int(text), None


def _unknown(name: str, known: tuple[str, ...]) -> Any:
    close = get_close_matches(name, known, n=1)
    if close:
        return _("There is no “%(word)s”. Did you mean “%(close)s”?") % {"word": name[:60], "close": close[0]}
    return _("There is no “%(word)s”. There are: %(known)s.") % {"word": name[:60], "known": ", ".join(known)}


def split_secrets(description: AdapterDescription, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values that may be seen, and those that may not."""
    secret = {field.name for field in description.fields if field.secret}
    return (
        {name: value for name, value in values.items() if name not in secret},
        {name: value for name, value in values.items() if name in secret},
    )
