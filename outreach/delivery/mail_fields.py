"""The part of an e-mail account's form that no adapter knows: where answers go, and the mailboxes that are read."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from channels.base import Field
from channels.certificates import trust_besides

_REPLY_FIELDS: Final = (
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
)
#: Objects of an e-mail account's settings that each name a mailbox to be read; flat names begin with them and `_`.
MAILBOXES: Final = ("imap", "imap2", "imap3")
_OF_MAILBOXES: Final = re.compile(rf"({'|'.join(MAILBOXES)})_(\w+)")


def _mailbox_fields(mailbox: str, *, has_defaults: bool) -> tuple[Field, ...]:
    """The form of one mailbox; of a further one an empty form is kept as none."""

    def one(name: str, label: str, *, default: str = "", **facts: Any) -> Field:
        shown = default if has_defaults else ""
        return Field(name=f"{mailbox}_{name}", label=label, default=shown, required=False, **facts)

    return (
        one("host", gettext_noop("Incoming mail: server"), help=gettext_noop("The mailbox that answers arrive in.")),
        one("port", gettext_noop("Incoming mail: port"), kind="number", default="993"),
        one(
            "security",
            gettext_noop("Incoming mail: security"),
            kind="choice",
            choices=("tls", "starttls", "none"),
            default="tls",
        ),
        one(
            "trusted",
            gettext_noop("Incoming mail: certificates that are trusted besides"),
            kind="pem",
            help=gettext_noop("Of an authority of one's own, in PEM form. The system's own are trusted anyway."),
        ),
        one("username", gettext_noop("Incoming mail: user name")),
        one("password", gettext_noop("Incoming mail: password"), secret=True),
        one(
            "folder",
            gettext_noop("Incoming mail: folder"),
            default="INBOX",
            help=gettext_noop("Several are separated by commas."),
        ),
    )


#: What every e-mail account has beside its adapter's own fields.
MAIL_FIELDS: Final = (
    *_REPLY_FIELDS,
    *(field for name in MAILBOXES for field in _mailbox_fields(name, has_defaults=name == MAILBOXES[0])),
)
#: Port where TLS begins with the first byte (RFC 8314, section 7.2).
_IMAPS: Final = 993
NO_MAILBOX: Final = _("This must be an object such as {host, port, security, username, password}.")
_NOT_STARTTLS: Final = _(
    "On port 993 mail servers speak TLS from the first byte; STARTTLS is usually spoken on port 143."
)


def flatten_imap(given: Mapping[str, Any]) -> dict[str, Any]:
    """`{"imap": {"host": ...}}`, as the API writes it, in the form's flat names."""
    flat = {name: value for name, value in given.items() if name not in MAILBOXES}
    for mailbox in MAILBOXES:
        inner = given.get(mailbox)
        if isinstance(inner, Mapping):
            flat |= {f"{mailbox}_{name}": value for name, value in inner.items()}
    return flat


def nest_imap(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The form's flat names as the API writes them: `{"imap": {"host": ...}}`."""
    settings = {name: value for name, value in flat.items() if not _OF_MAILBOXES.fullmatch(name)}
    return settings | mailboxes_in(flat)


def mailboxes_in(flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The mailboxes that have a server, by their names in `MAILBOXES`."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        if part := _OF_MAILBOXES.fullmatch(name):
            found.setdefault(part[1], {})[part[2]] = value
    return {name: settings for name, settings in found.items() if settings.get("host")}


def faults_of_mailboxes(values: Mapping[str, Any], *, nested: frozenset[str]) -> dict[str, list[Any]]:
    """What is wrong with the settings of incoming mail, which no adapter knows."""
    for mailbox in MAILBOXES:
        if (values.get(f"{mailbox}_security"), values.get(f"{mailbox}_port")) == ("starttls", _IMAPS):
            return {written_at(f"{mailbox}_port", nested=nested): [_NOT_STARTTLS]}
        try:
            trust_besides(ssl.create_default_context(), str(values.get(f"{mailbox}_trusted") or ""))
        except ssl.SSLError:
            message = _("These are no certificates in PEM form, from -----BEGIN to -----END.")
            return {written_at(f"{mailbox}_trusted", nested=nested): [message]}
    return {}


def written_at(name: str, *, nested: frozenset[str]) -> str:
    """Where the caller wrote the value."""
    part = _OF_MAILBOXES.fullmatch(name)
    return f"settings/{part[1]}/{part[2]}" if part and part[1] in nested else f"settings/{name}"
