"""Who asks: the one place where a visitor's network address is read, for sign-up's limits as for tracking's verdicts.

Behind a proxy every request comes from the proxy, and `X-Forwarded-For` says for whom. Anybody can write that header:
each proxy adds at its end whom it heard from, so only the end is believed, as far as trusted proxies wrote it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest


class _Hop(NamedTuple):
    #: '' for what is no address.
    address: str
    is_trusted: bool


def visitor_of(request: HttpRequest) -> str:
    """The address of whoever made a request of Django's; '' for nobody known."""
    return visitor_address(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def visitor_address(peer: str, forwarded: str) -> str:
    """The nearest address, from us outward, that is not a trusted proxy's; the farthest where all are. '' for nobody.

    `peer` is whom the connection is with ('': a socket of this machine), `forwarded` all lines of the header, joined by
    commas.
    """
    hop = _read_hop(peer)
    if not forwarded or (peer and not hop.is_trusted):
        return hop.address or peer
    known = hop.address
    for written in reversed(forwarded.split(",")):
        hop = _read_hop(written)
        known = hop.address or known
        if not hop.is_trusted:
            break
    return known


@lru_cache(maxsize=4096)
def _read_hop(written: str) -> _Hop:
    try:
        address = ip_address(_without_port(written.strip()))
    except ValueError:
        return _Hop("", is_trusted=False)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return _Hop(str(address), is_trusted=any(address in network for network in settings.TRUSTED_PROXIES))


def _without_port(written: str) -> str:
    """Some proxies add the port that a request came from: `[2001:db8::1]:443`, `192.0.2.1:443`."""
    if written.startswith("["):
        return written[1:].partition("]")[0]
    return written.partition(":")[0] if written.count(":") == 1 else written
