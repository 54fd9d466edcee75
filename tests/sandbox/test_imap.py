from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from imap_tools import AND, MailBoxUnencrypted

from outreach.sandbox.imap import ImapPeer, expand_set, find_uids, split_command
from outreach.sandbox.store import Arrival, MessageStore


@pytest.fixture
def port(store: MessageStore) -> Iterator[int]:
    with ImapPeer(0, store) as peer:
        yield peer.port


def keep(store: MessageStore, *recipients: str) -> None:
    for recipient in recipients:
        raw = f"From: ana@example.org\r\nTo: {recipient}\r\nSubject: Отговор\r\n\r\nБлагодаря!\r\n".encode()
        store.keep(Arrival(channel="email", recipient=recipient, raw=raw)).result(timeout=5)


def read(port: int, *, user: str = "replies@example.org", unseen: bool = True) -> list[tuple[str, str]]:
    with MailBoxUnencrypted("127.0.0.1", port).login(user, "any") as box:
        return [(mail.to[0], mail.text.strip()) for mail in box.fetch(AND(seen=False) if unseen else "ALL")]


def test_replies_are_read_once(store: MessageStore, port: int) -> None:
    keep(store, "replies@example.org", "Replies+dlv7@Example.org", "somebody@example.org", "replies@example.com")
    first, second, everything = read(port), read(port), read(port, unseen=False)
    assert first == [("replies@example.org", "Благодаря!"), ("Replies+dlv7@Example.org", "Благодаря!")]
    assert second == []
    assert everything == first
    keep(store, "replies+dlv8@example.org")
    assert read(port) == [("replies+dlv8@example.org", "Благодаря!")]


def test_peeking_leaves_mail_unseen_and_flags_can_be_set(store: MessageStore, port: int) -> None:
    keep(store, "replies@example.org")
    with MailBoxUnencrypted("127.0.0.1", port).login("replies@example.org", "any") as box:
        (mail,) = box.fetch(mark_seen=False)
        assert [again.uid for again in box.fetch(AND(seen=False), mark_seen=False)] == [mail.uid]
        box.flag([str(mail.uid)], ["\\Seen"], True)
        assert list(box.fetch(AND(seen=False))) == []
        box.flag([str(mail.uid)], ["\\Seen"], False)
        assert [again.subject for again in box.fetch(AND(uid=f"{mail.uid}:*"))] == ["Отговор"]


def test_login_is_no_pattern(store: MessageStore, port: int) -> None:
    keep(store, "replies@example.org", "a+b@example.org")
    assert read(port, user="%@example.org") == []
    assert read(port, user="_@example.org") == []


def test_stranger_and_nonsense_are_refused(port: int) -> None:
    commands = (
        b"a SELECT INBOX",
        b"b DELETE INBOX",
        b'c LOGIN "replies@example.org" any',
        b"d SELECT Other",
        b"e UID SEARCH SMALLER than-a-breadbox",
        b"f UID FETCH ninety BODY[]",
        b"g UID",
        b"\xff\xfe",
        b"h LOGOUT",
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, connection.makefile("rb") as lines:
        connection.sendall(b"\r\n".join((*commands, b"")))
        answers = [line.decode().split(" ")[:2] for line in lines if not line.startswith(b"*")]
    expected = [["a", "BAD"], ["b", "BAD"], ["c", "OK"], ["d", "NO"], ["e", "BAD"], ["f", "BAD"], ["g", "BAD"]]
    assert answers == [*expected, ["h", "OK"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a LOGIN "an \\"a\\"" pw', ["a", "LOGIN", 'an "a"', "pw"]),
        ("a UID SEARCH (UID 4:*)", ["a", "UID", "SEARCH", "(", "UID", "4:*", ")"]),
        ("", []),
    ],
)
def test_command_is_split(line: str, words: list[str]) -> None:
    assert split_command(line) == words


@pytest.mark.parametrize(
    ("text", "expected"), [("4", [4]), ("4,9", [4, 9]), ("5:*", [7, 9]), ("*", [9]), ("20:*", [9]), ("9:7", [7, 9])]
)
def test_set_is_expanded(text: str, expected: list[int]) -> None:
    assert expand_set(text, [4, 7, 9]) == expected


def test_criteria_are_met_together() -> None:
    assert find_uids(["(", "UNSEEN", "UID", "5:*", ")"], [4, 7, 9], {9}) == [7]
    assert find_uids(["CHARSET", "UTF-8", "ALL"], [4], set()) == [4]
