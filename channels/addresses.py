"""Where outgoing connections may go: the one check that keeps an account's settings from reaching private networks.

Callers connect to the addresses returned here and to no others: a name resolved twice could answer differently.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from channels.base import AccountProblem, AccountWideFailure

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Prefixes whose last 32 bits are an IPv4 address that a gateway would reach for us (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

#: What answers beside the machine itself though `is_global` takes it for public.
_BESIDE_US = (
    # Azure's metadata and credentials: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    ipaddress.ip_network("168.63.129.16/32"),
    # Protocol assignments (RFC 6890), among them Oracle's metadata at 192.0.0.192 and the nearest gateway (RFC 7723).
    ipaddress.ip_network("192.0.0.0/24"),
    # The nearest relay of 6to4, which is withdrawn (RFC 7526).
    ipaddress.ip_network("192.88.99.0/24"),
)


def check_host(host: str, port: int, allow_private: Iterable[str] = ()) -> list[str]:
    """Resolve `host` and return the IP addresses that may be connected to, in the resolver's order.

    An entry of `allow_private` is a network (`10.0.0.0/8`), or a network on one port (`127.0.0.1:2525`, `[::1]:2525`).

    Raises:
        AccountProblem: the name does not exist, or every address of it is private and not allowed.
        AccountWideFailure: the resolver did not answer.
    """
    exceptions = [_parse_entry(entry) for entry in allow_private]
    found = _resolve(host, port)
    allowed = [text for text in found if _is_allowed(ipaddress.ip_address(text), port, exceptions)]
    if not allowed:
        raise AccountProblem(
            f"{host} is an address of a private network ({', '.join(found)}), which is not allowed here.",
            reason="account_problem",
        )
    return allowed


def connect_to(host: str, port: int, allow_private: Iterable[str], *, seconds: float) -> socket.socket:
    """A TCP connection to the first address that may be had and answers within `seconds`; small writes leave at once.

    Raises:
        AccountProblem: as `check_host` says.
        AccountWideFailure: the resolver or every address is silent.
    """
    failure: OSError | None = None
    for address in check_host(host, port, allow_private):
        try:
            sock = socket.create_connection((address, port), timeout=seconds)
        except OSError as err:
            failure = err
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise AccountWideFailure(f"{host}:{port} cannot be reached: {failure}", reason="temporary") from failure


def is_public(address: IPAddress) -> bool:
    """Whether the address is one of the public Internet, looking through IPv4 addresses wrapped into IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or _nat64(address)
        if wrapped is not None:
            return is_public(wrapped)
        if address.is_site_local:  # fec0::/10, of old private networks, which `is_global` takes for public
            return False
    if any(address in network for network in _BESIDE_US):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _is_allowed(address: IPAddress, port: int, exceptions: Iterable[tuple[IPNetwork, int | None]]) -> bool:
    if is_public(address):
        return True
    return any(address in network and only in (None, port) for network, only in exceptions)


def _parse_entry(entry: str) -> tuple[IPNetwork, int | None]:
    text, port = entry.strip(), ""
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    try:
        return ipaddress.ip_network(text, strict=False), int(port) if port else None
    except ValueError as err:
        raise AccountProblem(f"{entry!r} is not a network such as 10.0.0.0/8 or 127.0.0.1:2525.") from err


def _resolve(host: str, port: int) -> list[str]:
    if not host:
        raise AccountProblem("No host is given.", reason="account_problem")
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as err:
        if err.errno == socket.EAI_AGAIN:
            raise AccountWideFailure(f"The name {host} could not be looked up just now.", reason="temporary") from err
        raise AccountProblem(f"There is no host named {host}.", reason="account_problem") from err
    except UnicodeError as err:
        raise AccountProblem(f"{host!r} is not a host name.", reason="account_problem") from err
    return list(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))
