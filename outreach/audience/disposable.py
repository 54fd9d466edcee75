"""Mail domains that give anybody an address for minutes: a list kept by others, and what organisations add to it.

The file names its source and date. Domains below one of the list count, too.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("disposable_domains.txt")


@cache
def known_domains() -> frozenset[str]:
    """The domains of the file; what begins with # says where they come from."""
    lines = _LIST.read_text("ascii").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def is_disposable(normalised: str, refused: Collection[str] = ()) -> bool:
    """Whether the e-mail address is at one of the domains, or of those `refused` besides, or below one."""
    parts = normalised.rpartition("@")[2].split(".")
    domains = [".".join(parts[place:]) for place in range(len(parts) - 1)]
    return any(domain in known_domains() or domain in refused for domain in domains)
