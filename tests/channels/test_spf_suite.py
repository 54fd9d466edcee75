"""The published test suite of RFC 7208 (rfc7208/, from pyspf's source package), each zone on a real DNS server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.name
import dns.rcode
import pytest
import yaml

from channels.dns_records import Resolver, ResolverSilent
from channels.spf import judge_address
from tests.channels.dns_peer import DnsPeer

SUITE = Path(__file__).parent / "rfc7208" / "rfc7208-tests.yml"
#: BaseLoader: each value as it is written.
SCENARIOS = [found for found in yaml.load_all(SUITE.read_text(), Loader=yaml.BaseLoader) if found]


class SuitePeer(DnsPeer):
    """Answers for the whole tree of names, follows aliases, and is silent of names where the suite says so."""

    def __init__(self, zonedata: Mapping[str, Any]) -> None:
        super().__init__({".": "".join(line for name, found in zonedata.items() for line in records(name, found))})
        self.silent = {as_name(name) for name, found in zonedata.items() if "TIMEOUT" in found}

    def _fill(self, answer: Any, question: Any) -> None:
        (zone,) = self.zones.values()
        name = question.name
        for _step in range(8):
            if not (alias := zone.get_rrset(name, "CNAME")):
                break
            answer.answer.append(alias)
            name = alias[0].target
        if found := zone.get_rrset(name, question.rdtype):
            answer.answer.append(found)
        elif name in self.silent:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif not any(known.is_subdomain(name) for known in zone.nodes):
            answer.set_rcode(dns.rcode.NXDOMAIN)


def as_name(text: str) -> dns.name.Name:
    return dns.name.Name([*(label.encode() for label in text.rstrip(".").lower().split(".")), b""])


def records(name: str, found: list[Any]) -> Iterator[str]:
    """Lines of a zone file. A name without TXT records has those of the old type SPF as such."""
    pairs = [pair for entry in found if isinstance(entry, Mapping) for pair in entry.items()]
    has_texts = any(kind == "TXT" for kind, _value in pairs)
    for kind, value in pairs:
        if value == "NONE" or (kind == "SPF" and has_texts):
            continue
        yield f"{as_name(name).to_text()} 60 IN {'TXT' if kind == 'SPF' else kind} {written(kind, value)}\n"


def written(kind: str, value: Any) -> str:
    if kind in ("SPF", "TXT"):
        strings = value if isinstance(value, list) else [value]
        return " ".join(
            f'"{escaped(text[at : at + 200])}"' for text in strings or [""] for at in range(0, len(text) or 1, 200)
        )
    if kind == "MX":
        return f"{value[0]} {as_name(value[1]).to_text() if value[1] else '.'}"
    return as_name(value).to_text() if kind in ("PTR", "CNAME") else str(value)


def escaped(text: str) -> str:
    return "".join(chr(code) if 32 <= code < 127 and code not in b'"\\' else f"\\{code:03}" for code in text.encode())


def result_of(case: Mapping[str, Any], resolver: Resolver) -> str:
    """Without an envelope sender it is the postmaster of HELO's name (2.4)."""
    sender = case["mailfrom"] or f"postmaster@{case['helo']}"
    try:
        domain = sender.rpartition("@")[2]
        return judge_address(domain, case["host"], resolver, sender=sender, greeting=case["helo"]).result.value
    except ResolverSilent:
        return "temperror"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[found["description"] for found in SCENARIOS])
def test_the_published_cases(scenario: Mapping[str, Any]) -> None:
    cases = scenario["tests"]
    with SuitePeer(scenario["zonedata"]) as peer:
        results = {name: result_of(case, Resolver(peer.address)) for name, case in cases.items()}

    allowed = {name: case["result"] for name, case in cases.items()}
    assert results == {
        name: results[name] if isinstance(expected, list) and results[name] in expected else expected
        for name, expected in allowed.items()
    }


def test_the_suite_is_whole() -> None:
    assert sum(len(scenario["tests"]) for scenario in SCENARIOS) == 203
