"""The adapter against a message centre that others wrote: `smpp34`, SMPP 3.4 in Rust."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import smpp34

from channels.base import Account, EventWord, Message, OutcomeKind, ProviderEvent, Take
from channels.smpp import Smpp

MESSAGE = Message(id="1-7", to="+359881234567", text="Услугата работи. " * 5)

#: ESME_RTHROTTLED and ESME_RINVDSTADR.
THROTTLED, NO_SUCH_NUMBER = 0x58, 0x0B


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.smpp.QUIET", 0.2)


@dataclass(kw_only=True)
class RealCentre:
    """What it got, and what it refuses; a receipt goes back for each message that asks for one of its end."""

    port: int
    refused: dict[str, int] = field(default_factory=dict)
    got: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    inbound: bytes = b""
    confirmed: list[int] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    tasks: set[asyncio.Future[None]] = field(default_factory=set)
    done: asyncio.Event | None = None
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def account(self) -> Account:
        settings = {"host": "127.0.0.1", "port": str(self.port), "system_id": "outreach", "password": "geheim"}
        return Account(
            id="9",
            adapter="smpp",
            name="SMS",
            settings=settings | {"sender": "1620", "security": "none"},
            allow_private=(f"127.0.0.1:{self.port}",),
        )

    async def serve(self) -> None:
        self.loop, self.done = asyncio.get_running_loop(), asyncio.Event()
        server = smpp34.Server(host="127.0.0.1", port=self.port, system_id="CENTRE")
        await server.start()
        self.ready.set()
        waits = asyncio.create_task(self.done.wait())
        sessions: dict[str, smpp34.Esme] = {}
        while not waits.done():
            coming = asyncio.ensure_future(server.next())
            await asyncio.wait([coming, waits], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                break
            await self._take(coming.result(), sessions)
        await server.stop()

    async def _take(self, event: object, sessions: dict[str, smpp34.Esme]) -> None:
        if isinstance(event, smpp34.Esme):
            sessions[event.session_id] = event
            if self.inbound and event.can_receive:
                self._later(event.deliver_sm("1620", self.inbound, source_addr="359881234567", data_coding=8))
        elif isinstance(event, smpp34.SubmitSmEvent):
            self.got.append((event.destination_addr, event.esm_class, event.data_coding, event.short_message))
            if event.destination_addr in self.refused:
                event.reject(self.refused[event.destination_addr])
                return
            event.accept(message_id=f"real-{len(self.got)}")
            if event.registered_delivery == 1:
                text = f"id:real-{len(self.got)} sub:001 dlvrd:001 stat:DELIVRD err:000 text:".encode()
                self._later(
                    sessions[event.session_id].deliver_sm(
                        event.source_addr, text, source_addr=event.destination_addr, source_addr_ton=1, esm_class=4
                    )
                )

    def _later(self, delivering: Coroutine[Any, Any, smpp34.DeliverSmResp]) -> None:
        """Go on meanwhile: who only sends confirms nothing before it sends again."""
        self.tasks.add(asyncio.ensure_future(self._deliver(delivering)))

    async def _deliver(self, delivering: Coroutine[Any, Any, smpp34.DeliverSmResp]) -> None:
        with suppress(smpp34.SmppError):  # who hung up before it confirmed
            self.confirmed.append((await delivering).command_status)


@contextmanager
def real_centre(**facts: object) -> Iterator[RealCentre]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    centre = RealCentre(port=port, **facts)  # type: ignore[arg-type]  # the test's own words
    thread = threading.Thread(target=lambda: asyncio.run(centre.serve()), daemon=True)
    thread.start()
    assert centre.ready.wait(10)
    try:
        yield centre
    finally:
        assert centre.loop is not None
        assert centre.done is not None
        centre.loop.call_soon_threadsafe(centre.done.set)
        thread.join(10)


def keeper(kept: list[ProviderEvent]) -> Take:
    def take(events: Sequence[ProviderEvent]) -> bool:
        kept.extend(events)
        return True

    return take


def test_parts_receipts_and_refusals() -> None:
    kept: list[ProviderEvent] = []
    refused = {"359881000001": THROTTLED, "359881000002": NO_SUCH_NUMBER}
    with real_centre(refused=refused) as centre, Smpp().open_listening(centre.account, keeper(kept)) as session:
        others = [replace(MESSAGE, id=number, to=f"+{number}") for number in refused]
        outcomes = {outcome.id: outcome for outcome in session.send([MESSAGE, *others])}
        texts = [octets[6:].decode("utf-16-be") for to, _, _, octets in centre.got if to == "359881234567"]
        assert "".join(texts) == MESSAGE.text
        assert {key: (outcome.kind, outcome.reason) for key, outcome in outcomes.items()} == {
            "1-7": (OutcomeKind.ACCEPTED, ""),
            "359881000001": (OutcomeKind.TEMPORARY, "rate_limited"),
            "359881000002": (OutcomeKind.PERMANENT, "invalid_address"),
        }
        for number in range(200):
            if kept:
                break
            list(session.send([replace(MESSAGE, id=f"more-{number}", text="a")]))
    first = kept[0]
    assert (first.word, first.provider_id, first.address) == (
        EventWord.DELIVERED,
        outcomes["1-7"].provider_id.split()[-1],
        "+359881234567",
    )


def test_window_of_many_and_what_waits() -> None:
    messages = [replace(MESSAGE, id=str(number), to=f"+3598810{number:05d}", text="Hi") for number in range(100)]
    with real_centre() as centre:
        with Smpp().open(centre.account) as session:
            outcomes = list(session.send(messages))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
        assert sorted(to for to, *_ in centre.got) == [message.to[1:] for message in messages]
        assert len({outcome.provider_id for outcome in outcomes}) == 100


def test_what_a_person_writes_is_received() -> None:
    kept: list[ProviderEvent] = []
    with real_centre(inbound="СТОП".encode("utf-16-be")) as centre:
        assert Smpp().receive(centre.account, keeper(kept), seconds=5) == 1
        assert [(event.word, event.address, event.text) for event in kept] == [
            (EventWord.REPLIED, "+359881234567", "СТОП")
        ]


def test_bind_and_ask() -> None:
    with real_centre() as centre:
        assert Smpp().check(centre.account) == []
