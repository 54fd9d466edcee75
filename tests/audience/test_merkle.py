from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from outreach.audience.merkle import leaf_hash, path_of, root_by_path, root_of

#: The test vectors of the reference implementation of Certificate Transparency: inputs, and the root over the first n.
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
]


def test_roots_are_those_of_certificate_transparency() -> None:
    leaves = [leaf_hash(data) for data in INPUTS]

    assert [root_of(leaves[:count]).hex() for count in range(1, len(leaves) + 1)] == ROOTS


@given(st.integers(1, 70).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_a_path_leads_each_leaf_to_the_root_and_no_other_leaf(chosen: tuple[int, int]) -> None:
    count, place = chosen
    leaves = [leaf_hash(bytes([number])) for number in range(count)]
    path = path_of(leaves, place)

    assert root_by_path(leaves[place], path) == root_of(leaves)
    assert root_by_path(leaf_hash(b"another"), path) != root_of(leaves)
    assert len(path) <= (count - 1).bit_length()


def test_an_inner_node_is_never_taken_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert leaf_hash(left + right) != root_of([left, right]) != hashlib.sha256(left + right).digest()
