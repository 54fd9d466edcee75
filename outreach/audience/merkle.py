"""Trees of hashes as Certificate Transparency makes them (RFC 6962, section 2.1), with SHA-256. Pure.

Whoever knows a root and a path can tell that a leaf is in the tree, without seeing any other leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

#: Bytes of a hash.
SIZE: Final = hashlib.sha256().digest_size
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"

#: What stands beside a leaf on the way up: the side it stands on, `left` or `right`, and its hash.
Step = tuple[str, bytes]


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over hashes of leaves, of which there is at least one."""
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path_of(leaves: Sequence[bytes], place: int) -> list[Step]:
    """What one needs besides the leaf at `place` to work out the root, from the leaf upwards."""
    level, path = list(leaves), []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(("right" if beside > place else "left", level[beside]))
        level, place = _above(level), place // 2
    return path


def root_by_path(leaf: bytes, path: Iterable[Step]) -> bytes:
    """The root that a leaf and its path lead to."""
    for side, beside in path:
        leaf = node_hash(leaf, beside) if side == "right" else node_hash(beside, leaf)
    return leaf


def _above(level: list[bytes]) -> list[bytes]:
    """Pairs become nodes; who has no partner rises by itself, which is where RFC 6962 splits at a power of two."""
    pairs = [node_hash(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    return pairs + level[len(pairs) * 2 :]
