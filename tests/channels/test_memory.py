from __future__ import annotations

import pytest

from channels.base import Account, Message, OutcomeKind, OutcomeUnknown, PermanentFailure, TemporaryFailure
from channels.memory import Memory

ACCOUNT = Account(id="a", adapter="memory", name="A")


def letters(*addresses: str) -> list[Message]:
    return [Message(id=f"d-{to}", to=to, text="x") for to in addresses]


def send(adapter: Memory, messages: list[Message]) -> list[OutcomeKind]:
    with adapter.open(ACCOUNT) as session:
        return [outcome.kind for outcome in session.send(messages)]


def test_messages_are_kept_by_account() -> None:
    adapter, messages = Memory(), letters("ana", "boris")
    assert send(adapter, messages) == [OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED]
    assert adapter.box("a").messages == messages
    assert adapter.box("b").messages == []


def test_answers_are_given_in_order_and_by_recipient() -> None:
    adapter = Memory()
    box = adapter.box("a")
    box.answer(PermanentFailure(), to="boris")
    box.answer(None, OutcomeUnknown())
    assert send(adapter, letters("ana", "boris", "vera", "gana")) == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.PERMANENT,
        OutcomeKind.UNKNOWN,
        OutcomeKind.ACCEPTED,
    ]
    assert [message.to for message in box.messages] == ["ana", "vera", "gana"]
    assert box.attempts == ["ana", "boris", "vera", "gana"]


def test_rule_decides_where_nothing_is_queued() -> None:
    adapter = Memory()
    adapter.box("a").decide = lambda message: TemporaryFailure() if message.to == "ana" else None
    assert send(adapter, letters("ana", "boris")) == [OutcomeKind.TEMPORARY, OutcomeKind.ACCEPTED]


def test_death_in_mid_hand_over_leaves_the_message_with_the_peer() -> None:
    adapter = Memory()
    adapter.box("a").answer(None, SystemExit(9))
    with pytest.raises(SystemExit):
        send(adapter, letters("ana", "boris", "vera"))
    assert [message.to for message in adapter.box("a").messages] == ["ana", "boris"]


def test_forget_empties_every_box() -> None:
    adapter = Memory()
    send(adapter, letters("ana"))
    adapter.forget()
    assert adapter.box("a").messages == []
