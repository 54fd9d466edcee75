"""What taking back an import does to one person: pure. What anybody did since is never taken back with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

#: What is counted, in the order in which people read it.
COUNTS: Final = (
    "people", "removed", "kept", "gone", "ended", "subscribed", "addresses", "restored", "newer",
)  # fmt: skip
#: In words, in the order in which people read them, and whether they are told where there is nobody, too.
WORDS: Final[dict[str, tuple[Any, bool]]] = {
    "removed": (_("People taken out again"), True),
    "kept": (_("New people who stay, since somebody wrote to them or changed them"), False),
    "ended": (_("Subscriptions that end"), True),
    "subscribed": (_("Subscriptions that stay, since the person consented again"), False),
    "restored": (_("Old values put back"), True),
    "newer": (_("Values that stay, since they were changed again"), False),
    "addresses": (_("Addresses taken away"), False),
    "gone": (_("Erased or joined with others meanwhile"), False),
}

#: In place of the frequency of what is not subscribed any more: None would say that each message comes at once.
_ENDED: Final = -1


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one chunk of the import changed of the person; see `import_trace.ImportChange`."""

    at: datetime
    made: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A person whom an import made or changed, as they are now."""

    id: int
    fields: dict[str, Any]
    attributes: dict[str, Any]
    updated_at: datetime
    #: Erased, or part of another record by now.
    is_gone: bool
    #: They, or somebody for them, decided what no import can: a pause, quiet hours, a digest, measurement, a merge.
    is_arranged: bool
    #: Later stages hold something of them: they were written to, wrote, or used a service.
    is_known: bool
    #: When the import had made them; None where they were known before.
    made_at: datetime | None
    changes: list[Change]
    #: (channel, normalised) -> since when.
    addresses: dict[tuple[str, str], datetime]
    #: Channel -> days of its digest, of what they are subscribed to of the import's topic.
    frequencies: dict[str, int | None]
    #: (topic, channel) they are subscribed to.
    subscribed: set[tuple[int, str]]
    #: (topic, channel) of every subscription, withdrawn ones too.
    subscriptions: set[tuple[int, str]]
    #: (topic, channel) whose last consent is this import's.
    ours: set[tuple[int, str]]
    #: Whether each of their consents is this import's.
    only_ours: bool


@dataclass(kw_only=True)
class Step:
    """What becomes of the person."""

    is_removed: bool = False
    #: Channels by which the import's topic ends.
    ended: list[str] = field(default_factory=list)
    addresses: list[tuple[str, str]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    #: None takes an attribute away.
    attributes: dict[str, Any] = field(default_factory=dict)
    #: Channel -> days of its digest.
    frequencies: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))


def in_words(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What is counted, as people read it in the active language."""
    told = ((str(words), counts.get(name, 0), always) for name, (words, always) in WORDS.items())
    return [(words, count) for words, count, always in told if count or always]


def step_of(person: Traced, topic: int) -> Step:
    """Decide: out with whom it made and nobody touched; of everybody else only what still is as the import left it."""
    step = Step()
    step.counts["people"] = 1
    if person.is_gone:
        step.counts["gone"] = 1
    elif person.made_at is not None and is_untouched(person, topic):
        step.is_removed = True
        step.ended = sorted(channel for _topic, channel in person.subscribed)
        step.counts["removed"] = 1
    else:
        step.counts["kept"] = int(person.made_at is not None)
        _end_subscriptions(step, person, topic)
        if person.made_at is None:
            _restore(step, person)
            _take_addresses(step, person, topic)
    step.counts["ended"] = len(step.ended)
    step.counts["addresses"] = len(step.addresses)
    return step


def is_untouched(person: Traced, topic: int) -> bool:
    """Whether nobody but this import ever did anything with the person."""
    assert person.made_at is not None  # noqa: S101 -- the callers' contract
    times = {change.at for change in person.changes}
    came = {tuple(one) for change in person.changes for one in change.made.get("addresses", [])}
    return (
        not (person.is_arranged or person.is_known)
        and person.only_ours
        and (person.updated_at <= person.made_at or person.updated_at in times)
        and all(since <= person.made_at or key in came for key, since in person.addresses.items())
        and person.subscriptions == person.subscribed
        and all(of == topic for of, _channel in person.subscribed)
    )


def _end_subscriptions(step: Step, person: Traced, topic: int) -> None:
    """Whoever was known before was subscribed by the channels that the trace names."""
    if person.made_at is not None:
        made = {channel for of, channel in person.subscriptions if of == topic}
    else:
        made = {channel for change in person.changes for channel in change.made.get("channels", [])}
    for channel in sorted(made):
        if (topic, channel) in person.subscribed:
            is_ours = (topic, channel) in person.ours
            step.ended += [channel] if is_ours else []
            step.counts["subscribed"] += not is_ours


def _restore(step: Step, person: Traced) -> None:
    """Put back what was there before, where what the import wrote still is."""
    places: tuple[tuple[str, dict[str, Any], dict[str, Any], Any], ...] = (
        ("fields", person.fields, step.fields, None),
        ("attributes", person.attributes, step.attributes, None),
        ("frequencies", person.frequencies, step.frequencies, _ENDED),
    )
    for kind, now, target, absent in places:
        spans: dict[str, list[Any]] = {}
        for change in person.changes:
            for name, (before, after) in change.made.get(kind, {}).items():
                # What somebody else wrote between two chunks is what was there before ours.
                known = spans.get(name)
                spans[name] = [known[0], after] if known and known[1] == before else [before, after]
        for name, (before, after) in spans.items():
            if now.get(name, absent) == after:
                target[name] = before
            else:
                step.counts["newer"] += 1
    step.counts["restored"] = len(step.fields) + len(step.attributes) + len(step.frequencies)


def _take_addresses(step: Step, person: Traced, topic: int) -> None:
    """Take away the addresses that the import brought, but by whose channel they are subscribed to something still."""
    stay = person.subscribed - {(topic, channel) for channel in step.ended}
    used = {channel for _topic, channel in stay}
    came = {tuple(one) for change in person.changes for one in change.made.get("addresses", [])}
    step.addresses = sorted(key for key in person.addresses if key in came and key[0] not in used)
