"""SendGrid's own lists of whom it does not write to any more, read and added to (Suppressions API)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from channels.base import EventWord, OutcomeUnknown, ProviderEvent

#: List -> what it means that an address is on it.
_LISTS: Final[Mapping[str, EventWord]] = {
    "bounces": EventWord.BOUNCED,
    "invalid_emails": EventWord.BOUNCED,
    "spam_reports": EventWord.COMPLAINED,
    "unsubscribes": EventWord.UNSUBSCRIBED,
}
#: The most that SendGrid gives on a page, and that we put on its list by one call.
_PAGE: Final = 500
#: More pages than this are a mistake of somebody: half a million addresses.
_MOST_PAGES: Final = 1000


def read_lists(client: Any, since: datetime | None) -> Iterator[ProviderEvent]:
    """The entries made since then, list by list.

    Raises:
        ChannelError: SendGrid did not answer, or refused us.
    """
    for name, word in _LISTS.items():
        for entry in _read_list(client, name, since):
            yield _event(name, word, entry)


def _read_list(client: Any, name: str, since: datetime | None) -> Iterator[Mapping[str, Any]]:
    started = {"start_time": int(since.timestamp())} if since else {}
    for page in range(_MOST_PAGES):
        asked = {**started, "limit": _PAGE, "offset": page * _PAGE}
        entries = client.suppression._(name).get(query_params=asked).to_dict
        if not isinstance(entries, list):
            raise OutcomeUnknown(f"SendGrid's list of {name} is none.", reason="no_answer")
        yield from (entry for entry in entries if isinstance(entry, dict) and entry.get("email"))
        if len(entries) < _PAGE:
            return


def _event(name: str, word: EventWord, entry: Mapping[str, Any]) -> ProviderEvent:
    created = entry.get("created")
    key = sha256(f"{entry['email']}:{created}".encode()).hexdigest()[:32]
    return ProviderEvent(
        word=word,
        event_id=f"{name}:{key}",
        at=datetime.fromtimestamp(created, tz=UTC) if isinstance(created, int) and 0 <= created < 1e11 else None,
        hard=True if word is EventWord.BOUNCED else None,
        reason=str(entry.get("reason") or "")[:500],
        address=str(entry["email"]),
    )


def add_to_list(client: Any, addresses: Sequence[str]) -> None:
    """Put them on the list of global unsubscribes.

    Raises:
        ChannelError: SendGrid did not answer, or refused us.
    """
    for start in range(0, len(addresses), _PAGE):
        client.asm.suppressions._("global").post(
            request_body={"recipient_emails": list(addresses[start : start + _PAGE])}
        )
