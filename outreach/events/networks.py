"""Networks where nobody reads mail: data centres and the firms that check mail for others. The file says its date.

A person may still sit there, behind a firm's proxy or a VPN: so an address alone makes a request uncertain, never a
machine's.
"""

from __future__ import annotations

import socket
from bisect import bisect_right
from functools import cache, lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Final, NamedTuple

from django.conf import settings

_LIST: Final = Path(__file__).with_name("hosting_networks.txt")


class _Ranges(NamedTuple):
    """First and last addresses of networks that do not touch one another, in order."""

    first: list[bytes]
    last: list[bytes]


@lru_cache(maxsize=4096)
def is_hosted(address: str) -> bool:
    """Whether the address (IPv4 or IPv6 in text; anything else is nobody's) lies in one of the networks."""
    plain = address.removeprefix("::ffff:") if "." in address else address
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in plain else socket.AF_INET, plain)
    except (OSError, ValueError):
        return False
    ranges = _ranges()[len(packed)]
    place = bisect_right(ranges.first, packed) - 1
    return place >= 0 and packed <= ranges.last[place]


@cache
def _ranges() -> dict[int, _Ranges]:
    """By the length of an address in bytes."""
    lines = (settings.HOSTING_NETWORKS or _LIST).read_text("utf-8").splitlines()
    networks = [ip_network(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    pairs = sorted({(each.network_address.packed, each.broadcast_address.packed) for each in networks})
    return {length: _joined([pair for pair in pairs if len(pair[0]) == length]) for length in (4, 16)}


def _joined(pairs: list[tuple[bytes, bytes]]) -> _Ranges:
    """Networks lie apart or one within the other: of those, the outer one is enough."""
    ranges = _Ranges([], [])
    for first, last in pairs:
        if ranges.last and first <= ranges.last[-1]:
            ranges.last[-1] = max(ranges.last[-1], last)
        else:
            ranges.first.append(first)
            ranges.last.append(last)
    return ranges
