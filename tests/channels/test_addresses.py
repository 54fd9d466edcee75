from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from channels.addresses import check_host, connect_to, is_public
from channels.base import AccountProblem, AccountWideFailure


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("2a00:1450:4017::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("fec0::1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2001:0:7f00:1::", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("168.63.129.15", True),
        ("168.63.129.16", False),
        ("::ffff:168.63.129.16", False),
        ("64:ff9b::a83f:8110", False),
        ("192.0.0.9", False),
        ("192.0.0.192", False),
        ("192.88.99.1", False),
        ("100.100.100.200", False),
        ("fd00:ec2::254", False),
    ],
)
def test_is_public_looks_through_wrapped_addresses(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is public


@pytest.mark.parametrize(
    ("allow", "port"),
    [
        (("127.0.0.0/8",), 2525),
        (("127.0.0.1:2525",), 2525),
        (("10.0.0.0/8", "127.0.0.1/32:2525"), 2525),
    ],
)
def test_check_host_gives_private_addresses_that_are_allowed(allow: tuple[str, ...], port: int) -> None:
    assert check_host("127.0.0.1", port, allow) == ["127.0.0.1"]


@pytest.mark.parametrize("allow", [(), ("10.0.0.0/8",), ("127.0.0.1:2526",), ("[::1]:2525",)])
def test_check_host_refuses_private_addresses_otherwise(allow: tuple[str, ...]) -> None:
    with pytest.raises(AccountProblem) as caught:
        check_host("127.0.0.1", 2525, allow)
    assert str(caught.value) == "127.0.0.1 is an address of a private network (127.0.0.1), which is not allowed here."


def test_check_host_allows_one_port_of_an_ipv6_address() -> None:
    assert check_host("::1", 25, ("[::1]:25",)) == ["::1"]


def test_check_host_keeps_only_the_allowed_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*_: object, **__: object) -> list[Any]:
        return [(0, 0, 0, "", (ip, 25)) for ip in ("10.0.0.9", "93.184.215.14", "93.184.215.14")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    assert check_host("mixed.example", 25) == ["93.184.215.14"]


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "::ffff:7f00:1"])
def test_check_host_refuses_loopback_however_it_is_written(host: str) -> None:
    with pytest.raises(AccountProblem, match="private network"):
        check_host(host, 25)


@pytest.mark.parametrize(
    ("errno", "error"), [(socket.EAI_AGAIN, AccountWideFailure), (socket.EAI_NONAME, AccountProblem)]
)
def test_check_host_tells_a_missing_name_from_a_silent_resolver(
    monkeypatch: pytest.MonkeyPatch, errno: int, error: type[Exception]
) -> None:
    def fails(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(errno, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(error):
        check_host("mail.example", 25)


@pytest.mark.parametrize("entry", ["nonsense", "127.0.0.1:smtp"])
def test_check_host_names_a_network_it_cannot_read(entry: str) -> None:
    with pytest.raises(AccountProblem, match="is not a network such as"):
        check_host("127.0.0.1", 25, (entry,))


@pytest.mark.parametrize("host", ["", "a..b", "x" * 80 + ".example"])
def test_check_host_refuses_what_is_no_host_name(host: str) -> None:
    with pytest.raises(AccountProblem):
        check_host(host, 25)


def test_connect_to_goes_on_to_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        monkeypatch.setattr("channels.addresses._resolve", lambda *_: ["127.0.0.2", "127.0.0.1"])
        with connect_to("two.example", port, ("127.0.0.0/8",), seconds=5) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_connect_to_asks_once_and_leaves_private_addresses_of_a_mixed_name_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, look_up = [], socket.getaddrinfo

    def answers(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "mixed.example":
            return look_up(host, port, *rest, **more)
        asked.append(host)
        found = ("127.0.0.2", "127.0.0.1") if len(asked) == 1 else ("127.0.0.2",)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        with socket.create_server(("127.0.0.2", port)) as private:
            with connect_to("mixed.example", port, ("127.0.0.1",), seconds=5) as sock:
                assert sock.getpeername() == ("127.0.0.1", port)
            private.setblocking(False)
            with pytest.raises(BlockingIOError):
                private.accept()
    assert asked == ["mixed.example"]


def test_connect_to_blames_silence_on_no_single_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AccountWideFailure, match=f"127.0.0.1:{port} cannot be reached: "):
        connect_to("127.0.0.1", port, ("127.0.0.0/8",), seconds=5)
