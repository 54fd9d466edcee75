"""Asking DNS what a name publishes, within a bound of time. What the answers mean stands in `domain_findings`."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from typing import Final

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename

from channels.base import AccountProblem

#: Seconds for all the questions of one check, and for one of them.
PATIENCE: Final = 10.0
ANSWER_PATIENCE: Final = 3.0
#: The servers of the system's own configuration.
SYSTEM: Final = "system"


class ResolverSilent(Exception):
    """No DNS server answered."""


class Resolver:
    """The questions of one check. Answers are kept: a name is asked once. After a silence nobody is asked again."""

    def __init__(self, servers: str, *, seconds: float = PATIENCE) -> None:
        self._servers = servers
        self._until = time.monotonic() + seconds
        self._resolver: dns.resolver.Resolver | None = None
        self._known: dict[tuple[str, str], tuple[str, ...] | None] = {}
        self._is_silent = False

    def texts(self, name: str) -> tuple[str, ...]:
        """The TXT records, each in one piece.

        Raises:
            ResolverSilent: nobody answered; so for all questions here.
        """
        return self._ask(name, "TXT") or ()

    def addresses(self, name: str, *, version: int | None = None) -> tuple[str, ...]:
        """IPv4 and IPv6 addresses, or those of one version."""
        kinds = [kind for kind, of in (("A", 4), ("AAAA", 6)) if version in (None, of)]
        return tuple(address for kind in kinds for address in self._ask(name, kind) or ())

    def exchanges(self, name: str) -> tuple[str, ...]:
        """Names of the servers that take mail, the preferred first; '' for "no mail here" (RFC 7505)."""
        return self._ask(name, "MX") or ()

    def names_of(self, address: str) -> tuple[str, ...]:
        """What the address is called (PTR)."""
        return self._ask(pointer_name(address), "PTR") or ()

    def exists(self, name: str) -> bool:
        """Whether there is such a name, whatever it publishes."""
        return self._ask(name, "SOA") is not None

    def _ask(self, name: str, kind: str) -> tuple[str, ...] | None:
        """The values; None where there is no such name."""
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            self._known[key] = self._ask_servers(*key)
        return self._known[key]

    def _ask_servers(self, name: str, kind: str) -> tuple[str, ...] | None:
        left = self._until - time.monotonic()
        if self._is_silent or left <= 0:
            raise ResolverSilent
        try:
            answer = self._opened().resolve(
                f"{name}.", kind, raise_on_no_answer=False, lifetime=min(left, ANSWER_PATIENCE), search=False
            )
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.exception.Timeout, dns.resolver.NoResolverConfiguration) as err:
            self._is_silent = True
            raise ResolverSilent from err
        except dns.resolver.NoNameservers as err:  # a server answered that it cannot tell: another name may be better
            raise ResolverSilent from err
        except dns.exception.DNSException:  # no name that DNS could hold
            return None
        return tuple(_values(answer, kind))

    def _opened(self) -> dns.resolver.Resolver:
        if self._resolver is None:
            is_system = self._servers == SYSTEM
            self._resolver = dns.resolver.Resolver(configure=is_system)
            if not is_system:
                self._resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(host, port) for host, port in read_servers(self._servers)
                ]
            self._resolver.timeout = ANSWER_PATIENCE / 2
        return self._resolver


def read_servers(text: str) -> list[tuple[str, int]]:
    """`HOST`, `HOST:PORT` or `[HOST]:PORT`, separated by commas; hosts are IP addresses.

    Raises:
        AccountProblem: one of them is none.
    """
    return [_read_server(part.strip()) for part in text.split(",") if part.strip()]


def _read_server(text: str) -> tuple[str, int]:
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError as err:
        raise AccountProblem(f"{text!r} is not a DNS server such as 9.9.9.9 or 127.0.0.1:5353.") from err


def pointer_name(address: str) -> str:
    """Where the name of an IP address stands: 192.0.2.1 -> 1.2.0.192.in-addr.arpa."""
    return dns.reversename.from_address(address).to_text(omit_final_dot=True)


def _values(answer: dns.resolver.Answer, kind: str) -> Iterator[str]:
    records = list(answer.rrset or ())
    if kind == "TXT":
        yield from (b"".join(record.strings).decode("utf-8", "replace") for record in records)
    elif kind == "MX":
        found = sorted((record.preference, record.exchange.to_text(omit_final_dot=True)) for record in records)
        yield from ("" if name in (".", "@") else name for _preference, name in found)
    else:
        yield from (record.to_text().rstrip(".").lower() for record in records)
