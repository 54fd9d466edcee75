"""The channel `feed`: an entry is its row of the ledger, and feeds are rendered from there, so nothing leaves here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import ClassVar, Self

from channels.base import (
    Account,
    Capabilities,
    Field,
    ForgedHook,
    Hook,
    Message,
    Outcome,
    OutcomeKind,
    Problem,
    ProviderEvent,
)


class Feed:
    """Publishes an entry by accepting it."""

    name: ClassVar[str] = "feed"
    kind: ClassVar[str] = "feed"
    label: ClassVar[str] = "Feed (RSS, Atom, JSON)"
    can: ClassVar[Capabilities] = Capabilities(window=1, unknown_policy="hold", subject=True, html=True, public=True)
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="title",
            label="Title",
            required=False,
            help="The name that readers of the feed see; the organisation's name when left empty.",
        ),
        Field(
            name="site",
            label="Site",
            required=False,
            kind="url",
            help="The page that the feed belongs to.",
        ),
    )

    def open(self, account: Account) -> FeedSession:
        return FeedSession()

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook(f"Nobody reports to the feed {account.name!r}; a call of {hook.kind!r} is not genuine.")

    def check(self, account: Account) -> list[Problem]:
        site = str(account.settings.get("site", ""))
        if not site or site.startswith(("https://", "http://")):
            return []
        return [
            Problem(
                severity="error",
                code="invalid_url",
                message="The address of the site is not a web address.",
                remedy="Write it with https:// in front, such as https://example.org/.",
                field="site",
            )
        ]


class FeedSession:
    """Holds no connection: the commit that follows is the publication."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        for message in messages:
            yield Outcome(id=message.id, kind=OutcomeKind.ACCEPTED, provider_id=message.id)
