"""The only door to `channels` for the rest of the product: which adapters there are, their forms, their sessions."""

from __future__ import annotations

import ssl
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
from channels.certificates import trust_besides
from channels.dns_records import SYSTEM
from outreach.core.errors import NotFound
from outreach.core.models import Account
from outreach.core.secrets import unseal
from outreach.core.vocabulary import Channel

#: The sandbox's peers listen here; an account that speaks to them needs no setting for it.
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")

#: Of findings, the worst first.
SEVERITIES: Final = ("error", "warning", "note", "good")

#: `OUTREACH_RESOLVER` that keeps checks from asking DNS.
NOBODY: Final = "none"

#: What every e-mail account has beside its adapter's own fields.
MAIL_FIELDS: Final = (
    Field(
        name="reply_address",
        label=gettext_noop("Reply address"),
        kind="email",
        required=False,
        help=gettext_noop("Where answers go; the sender's own address when left empty."),
    ),
    Field(
        name="delivery_header",
        label=gettext_noop("Name the delivery in a header"),
        kind="choice",
        choices=("true", "false"),
        default="true",
        required=False,
        help=gettext_noop("X-Outreach-Delivery lets bounces and answers be matched to the message."),
    ),
    Field(
        name="imap_host",
        label=gettext_noop("Incoming mail: server"),
        required=False,
        help=gettext_noop("The mailbox that answers arrive in."),
    ),
    Field(name="imap_port", label=gettext_noop("Incoming mail: port"), kind="number", default="993", required=False),
    Field(
        name="imap_security",
        label=gettext_noop("Incoming mail: security"),
        kind="choice",
        choices=("tls", "starttls", "none"),
        default="tls",
        required=False,
    ),
    Field(
        name="imap_trusted",
        label=gettext_noop("Incoming mail: certificates that are trusted besides"),
        required=False,
        kind="pem",
        help=gettext_noop("Of an authority of one's own, in PEM form. The system's own are trusted anyway."),
    ),
    Field(name="imap_username", label=gettext_noop("Incoming mail: user name"), required=False),
    Field(name="imap_password", label=gettext_noop("Incoming mail: password"), required=False, secret=True),
    Field(name="imap_folder", label=gettext_noop("Incoming mail: folder"), default="INBOX", required=False),
)
_IMAP: Final = "imap_"
#: Port where TLS begins with the first byte (RFC 8314, section 7.2).
_IMAPS: Final = 993


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
    imap = {name.removeprefix(_IMAP): value for name, value in values.items() if name.startswith(_IMAP)}
    if imap.get("host"):
        values["imap"] = imap
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


def flatten_imap(given: Mapping[str, Any]) -> dict[str, Any]:
    """`{"imap": {"host": ...}}`, as the API writes it, in the form's flat names."""
    flat = {name: value for name, value in given.items() if name != "imap"}
    inner = given.get("imap")
    if isinstance(inner, Mapping):
        flat |= {f"{_IMAP}{name}": value for name, value in inner.items()}
    return flat


def nest_imap(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The form's flat names as the API writes them: `{"imap": {"host": ...}}`."""
    inner = {name.removeprefix(_IMAP): value for name, value in flat.items() if name.startswith(_IMAP)}
    settings = {name: value for name, value in flat.items() if not name.startswith(_IMAP)}
    return settings | {"imap": inner} if inner.get("host") else settings


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
    nested = isinstance(given.get("imap"), Mapping)
    if given.get("imap") and not nested:
        wrong["settings/imap"] = [_("This must be an object such as {host, port, security, username, password}.")]
    for name in flat:
        if name not in fields:
            wrong[_path(name, nested=nested)] = [_unknown(name, tuple(fields))]
    for name, field in fields.items():
        value = flat.get(name)
        if value is None or value == "":
            if field.required and name not in kept and not field.default:
                wrong[_path(name, nested=nested)] = [_("This must not be empty.")]
            elif field.default and not field.secret:
                values[name] = _read(field, field.default)[0]
            continue
        values[name], complaint = _read(field, value)
        if complaint:
            wrong[_path(name, nested=nested)] = [complaint]
    found = wrong or _faults_of_mailbox(values, nested=nested) or _faults(description.name, values, kept)
    return values, found


def _faults_of_mailbox(values: Mapping[str, Any], *, nested: bool) -> dict[str, list[Any]]:
    """What is wrong with the settings of incoming mail, which no adapter knows."""
    if (values.get(f"{_IMAP}security"), values.get(f"{_IMAP}port")) == ("starttls", _IMAPS):
        message = _("On port 993 mail servers speak TLS from the first byte; STARTTLS is usually spoken on port 143.")
        return {_path(f"{_IMAP}port", nested=nested): [message]}
    try:
        trust_besides(ssl.create_default_context(), str(values.get(f"{_IMAP}trusted") or ""))
    except ssl.SSLError:
        message = _("These are no certificates in PEM form, from -----BEGIN to -----END.")
        return {_path(f"{_IMAP}trusted", nested=nested): [message]}
    return {}


def _faults(adapter: str, values: Mapping[str, Any], kept: frozenset[str]) -> dict[str, list[Any]]:
    """What the adapter itself finds wrong, by path, in the reader's language."""
    chosen = channels.find(adapter)
    wrong: dict[str, list[Any]] = {}
    for fault in chosen.find_faults(values, kept) if isinstance(chosen, Strict) else ():
        wrong.setdefault(f"settings/{fault.field}", []).append(gettext(fault.message))
    return wrong


def _path(name: str, *, nested: bool) -> str:
    """Where the caller wrote the value."""
    return f"settings/imap/{name.removeprefix(_IMAP)}" if nested and name.startswith(_IMAP) else f"settings/{name}"


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
