"""A real authoritative DNS server on loopback, over UDP and TCP, for zones that a test writes as text."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zone

#: What stands in every zone.
HEAD = "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n"
#: Octets that fit into one datagram here: a DKIM record does not, and is asked for again over TCP.
DATAGRAM = 300


class DnsPeer:
    """Answers for its zones, and says of any other name that there is none. A context manager."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self.zones = {
            dns.name.from_text(name): dns.zone.from_text(HEAD + text, origin=name, relativize=False)
            for name, text in zones.items()
        }
        #: (name, type, `udp` or `tcp`) of each question.
        self.questions: list[tuple[str, str, str]] = []
        #: Names whose questions are answered with a failure of the server.
        self.failing: set[str] = set()
        peer = self

        class OverUdp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, opened = self.request
                opened.sendto(peer.answer(data, "udp"), self.client_address)

        class OverTcp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                message, _when = dns.query.receive_tcp(self.request, None)
                answer = peer.answer(message.to_wire(), "tcp")
                self.request.sendall(len(answer).to_bytes(2, "big") + answer)

        self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), OverTcp)
        self._tcp.daemon_threads = True
        self._udp = socketserver.UDPServer(self._tcp.server_address[:2], OverUdp)
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            for server in (self._tcp, self._udp)
        ]

    @property
    def address(self) -> str:
        """For `OUTREACH_RESOLVER`."""
        return f"127.0.0.1:{self._tcp.server_address[1]}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()

    def answer(self, data: bytes, how: str) -> bytes:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.questions.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype), how))
        answer = dns.message.make_response(query, recursion_available=True)
        self._fill(answer, question)
        wire = answer.to_wire()
        if how == "udp" and len(wire) > DATAGRAM:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            wire = answer.to_wire()
        return wire

    def _fill(self, answer: Any, question: Any) -> None:
        zone = next((zone for origin, zone in self.zones.items() if question.name.is_subdomain(origin)), None)
        if question.name.to_text().rstrip(".") in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif zone is None or not any(name.is_subdomain(question.name) for name in zone.nodes):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found := zone.get_rrset(question.name, question.rdtype):
            answer.answer.append(found)


@contextmanager
def dns_server(**zones: str) -> Iterator[DnsPeer]:
    """Zones by name, with `_` for each dot: `example_org="@ TXT ..."`."""
    with DnsPeer({name.replace("_", "."): text for name, text in zones.items()}) as peer:
        yield peer


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes questions, and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{opened.getsockname()[1]}"
