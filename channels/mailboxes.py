"""E-mail addresses as they go into headers and envelopes: names encoded, international domains in their ASCII form."""

from __future__ import annotations

import re
from email.header import Header
from email.utils import formataddr, getaddresses, parseaddr
from functools import lru_cache
from typing import Final

import idna

from channels.base import UnsupportedContent

#: An address that needs no encoding, no quoting and no second look.
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f<>]")


def envelope_form(address: str) -> str:
    """The address for MAIL FROM and RCPT TO; non-ASCII only where its local part is, which needs SMTPUTF8.

    Raises:
        UnsupportedContent: it is no address, or would break out of the command it goes into.
    """
    return address if _PLAIN.fullmatch(address) else _encode_address(address)


def header_form(text: str) -> str:
    """`Name <address>` or a list of such, ready for a header; non-ASCII only where a local part is.

    Raises:
        UnsupportedContent: some part of it is no address.
    """
    return text if _PLAIN.fullmatch(text) else _encode_mailboxes(text)


def address_of(text: str) -> str:
    """The bare address in `Name <address>`; '' where there is none."""
    try:
        return parseaddr(text)[1]
    except RecursionError:  # signs within signs, until the standard library gives up
        return ""


@lru_cache(maxsize=1024)
def _encode_mailboxes(text: str) -> str:
    pairs = getaddresses([text])
    if "\r" in text or "\n" in text or not pairs:
        raise UnsupportedContent(f"{text[:80]!r} is not an e-mail address.", reason="unsupported")
    return ", ".join(_format_mailbox(name, envelope_form(address)) for name, address in pairs)


def _format_mailbox(name: str, address: str) -> str:
    if name.isascii() and "=?" not in name:
        return formataddr((name, address)) if address.isascii() else _with_utf8_address(name, address)
    encoded = Header(name, "utf-8", header_name="Reply-To").encode(linesep="\r\n")
    return f"{encoded} <{address}>"


def _with_utf8_address(name: str, address: str) -> str:
    quoted = formataddr((name, "x@x")).removesuffix("x@x").removesuffix("<x@x>") if name else ""
    return f"{quoted.strip()} <{address}>" if quoted else address


@lru_cache(maxsize=1024)
def _encode_address(address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or _FORBIDDEN.search(address):
        raise UnsupportedContent(f"{address[:80]!r} is not an e-mail address.", reason="unsupported")
    if domain.startswith("["):
        return address
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except idna.IDNAError as err:
        raise UnsupportedContent(f"{domain[:80]!r} is not a domain of e-mail.", reason="unsupported") from err
