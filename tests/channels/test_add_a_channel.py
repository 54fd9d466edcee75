"""The guide's example is run as it stands."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from channels.base import Account, Adapter, Message, Outcome, OutcomeKind

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-channel.md"


@pytest.fixture
def pager(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    code = GUIDE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    module = ModuleType("pager_of_the_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, str(GUIDE), "exec"), module.__dict__)  # noqa: S102 -- our own page
    adapter: Adapter = module.Pager()
    return adapter


@contextmanager
def gateway(*answers: str) -> Iterator[tuple[Account, list[str]]]:
    pages: list[str] = []

    def serve() -> None:
        for answer in answers:
            opened, _ = listener.accept()
            with opened:
                pages.append(opened.recv(1000).decode())
                opened.sendall(answer.encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = {"host": "127.0.0.1", "port": str(port)}
        account = Account(id="p", adapter="pager", name="P", settings=settings, allow_private=(f"127.0.0.1:{port}",))
        thread = threading.Thread(target=serve)
        thread.start()
        yield account, pages
        thread.join(10)


def test_example_of_the_guide_sends(pager: Adapter) -> None:
    messages = [Message(id=f"m{n}", to="12", text="Come down") for n in range(3)]
    with gateway("OK", "NO SUCH PAGER", "") as (account, pages), pager.open(account) as session:
        outcomes = list(session.send([*messages, Message(id="two-lines", to="12", text="a\nb")]))
    assert outcomes == [
        Outcome(id="m0", kind=OutcomeKind.ACCEPTED),
        Outcome(id="m1", kind=OutcomeKind.PERMANENT, reason="refused", detail="NO SUCH PAGER"),
        Outcome(
            id="m2",
            kind=OutcomeKind.UNKNOWN,
            reason="no_answer",
            detail="The gateway closed without an answer.",
        ),
        Outcome(id="two-lines", kind=OutcomeKind.UNSUPPORTED, reason="unsupported", detail="A page is one line."),
    ]
    assert pages == ["12 Come down\n"] * 3


def test_example_of_the_guide_checks_its_account(pager: Adapter) -> None:
    (problem,) = pager.check(Account(id="p", adapter="pager", name="P"))
    assert (problem.field, problem.remedy) == ("host", "Write the name of the gateway.")
