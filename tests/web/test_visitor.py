"""Who asks: only what trusted proxies wrote into `X-Forwarded-For` is believed."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from outreach.web import visitor
from outreach.web.tracking.wire import address_of
from outreach.web.visitor import visitor_address


@pytest.fixture
def proxies(settings: Any) -> Iterator[None]:
    """Those of a provider, with public addresses."""
    settings.TRUSTED_PROXIES = (ip_network("203.0.113.0/24"), ip_network("2001:db8:7::/48"))
    visitor._read_hop.cache_clear()
    yield
    visitor._read_hop.cache_clear()


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("78.90.12.34", "3.120.5.6", "78.90.12.34"),  # a stranger says what he likes
        ("127.0.0.1", "3.120.5.6, 78.90.12.34", "78.90.12.34"),
        ("172.20.0.3", "2a01:5a8::7", "2a01:5a8::7"),
        ("172.200.0.3", "78.90.12.34", "172.200.0.3"),
        ("127.0.0.1", None, "127.0.0.1"),
        (None, "78.90.12.34", "78.90.12.34"),
        (None, None, ""),
    ],
)
def test_only_a_proxy_of_ours_names_another(peer: str | None, forwarded: str | None, address: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert address_of({"client": peer and (peer, 4711), "headers": headers}) == address


def test_lines_of_the_header_are_read_as_one() -> None:
    headers = [(b"x-forwarded-for", b"3.120.5.6"), (b"x-forwarded-for", b"78.90.12.34, 10.0.0.2")]
    assert address_of({"client": ("127.0.0.1", 4711), "headers": headers}) == "78.90.12.34"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.5", "1.2.3.4, 78.90.12.34", "78.90.12.34"),
        ("203.0.113.5", "78.90.12.34, 203.0.113.9", "78.90.12.34"),
        ("203.0.113.5", "78.90.12.34:4711, [2001:db8:7::1]:443", "78.90.12.34"),
        ("::ffff:203.0.113.5", "::ffff:78.90.12.34", "78.90.12.34"),
        ("203.0.113.5", "203.0.113.8, 203.0.113.9", "203.0.113.8"),  # somebody among the proxies themselves
        ("203.0.113.5", "78.90.12.34, unknown", "203.0.113.5"),
        ("203.0.113.5", "", "203.0.113.5"),
        ("127.0.0.1", "78.90.12.34", "127.0.0.1"),  # not named, so not believed
        ("::ffff:78.90.12.34", "", "78.90.12.34"),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_s_counts(
    proxies: None, peer: str, forwarded: str, address: str
) -> None:
    assert visitor_address(peer, forwarded) == address


@given(
    claimed=st.lists(st.ip_addresses().map(str) | st.text(max_size=20), max_size=5),
    stranger=st.ip_addresses(network="198.51.100.0/24").map(str),
    passed=st.lists(st.ip_addresses(network="203.0.113.0/24").map(str), max_size=3),
)
@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nobody_can_claim_to_be_another(proxies: None, claimed: list[str], stranger: str, passed: list[str]) -> None:
    assert visitor_address("203.0.113.5", ", ".join([*claimed, stranger, *passed])) == stranger
