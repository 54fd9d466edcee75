from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

import channels
from channels.base import Account, AccountProblem, ForgedHook, Hook, Problem
from channels.feed import Feed


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points of imaginary outside packages."""
    points: list[EntryPoint] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [point for point in points if point.group == group]

    monkeypatch.setattr(channels, "entry_points", entry_points)
    forget()
    yield points
    forget()


def forget() -> None:
    for cached in (channels.get, channels._installed):
        cached.cache_clear()


def entry_point(name: str, value: str, group: str = channels.ENTRY_POINT_GROUP) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=group)


@pytest.mark.parametrize("name", [*channels.BUILT_IN, *channels.DOUBLES])
def test_get_gives_one_instance_under_its_own_name(name: str) -> None:
    assert channels.get(name).name == name
    assert channels.get(name) is channels.get(name)


@pytest.mark.usefixtures("installed")
def test_names_offers_no_doubles() -> None:
    assert channels.names() == ("feed", "postmark", "sendgrid", "smpp", "smtp", "twilio", "x")


def test_outside_package_adds_an_adapter(installed: list[EntryPoint]) -> None:
    installed += [entry_point("press", "channels.feed:Feed"), entry_point("other", "nowhere:Else", "another.group")]
    assert channels.names() == ("feed", "postmark", "press", "sendgrid", "smpp", "smtp", "twilio", "x")
    assert isinstance(channels.get("press"), Feed)


def test_outside_package_cannot_take_over_a_built_in_name(installed: list[EntryPoint]) -> None:
    installed.append(entry_point("smtp", "channels.feed:Feed"))
    assert channels.names() == ("feed", "postmark", "sendgrid", "smpp", "smtp", "twilio", "x")
    assert channels.get("smtp").kind == "email"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smpt", "There is no adapter named 'smpt'. Did you mean 'smtp'?"),
        ("zzz", "There is no adapter named 'zzz'. There are: feed, postmark, sendgrid, smpp, smtp, twilio, x."),
    ],
)
@pytest.mark.usefixtures("installed")
def test_unknown_name_says_what_was_meant(name: str, message: str) -> None:
    with pytest.raises(channels.UnknownAdapter) as caught:
        channels.get(name)
    assert str(caught.value) == message
    copy: Any = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 -- our own bytes
    assert (str(copy), copy.name) == (message, name)


def test_adapter_that_cannot_be_loaded_is_told_in_the_log_and_stops_nothing_else(
    installed: list[EntryPoint], caplog: pytest.LogCaptureFixture
) -> None:
    installed += [
        entry_point("gone", "nowhere:Gone"),
        entry_point("half", "channels.feed:UnsupportedContent"),
        entry_point("press", "channels.feed:Feed"),
    ]
    assert channels.names() == ("feed", "postmark", "press", "sendgrid", "smpp", "smtp", "twilio", "x")
    assert [record.getMessage() for record in caplog.records] == ["An adapter cannot be loaded"] * 2
    with pytest.raises(channels.UnknownAdapter):
        channels.get("gone")


@pytest.mark.usefixtures("installed")
def test_account_of_an_adapter_that_is_gone_sends_nothing_and_says_why() -> None:
    account = Account(id="1", adapter="gone", name="Pagers")
    absent = channels.find("gone")
    with pytest.raises(AccountProblem, match="'gone' is not installed here any more"):
        absent.open(account)
    with pytest.raises(ForgedHook):
        absent.parse_events(Hook(kind="events", url="", body=b"[]", headers={}), account)
    assert absent.check(account) == [
        Problem(
            severity="error",
            code="adapter_absent",
            message="The adapter “%(name)s” is not installed here any more.",
            remedy="Install its package again and restart, or use another account.",
            values={"name": "gone"},
        )
    ]
    assert channels.find("smtp") is channels.get("smtp")
