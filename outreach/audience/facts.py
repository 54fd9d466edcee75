"""What a segment's rule may ask of a person: each fact with its arguments, its SQL and its words.

Facts of people stand in `audience.people_facts`. What only higher stages know (what was sent, opened, used) they
register here at start-up, as SQL, so that this stage imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from django.db.models import TextChoices

from outreach.core.models import Organisation


class Takes(StrEnum):
    """What an argument holds."""

    #: One word, or a list of words, of `Argument.words`.
    WORD = "word"
    WORDS = "words"
    TEXT = "text"
    #: Text, a number, or true and false; one or a list of them.
    VALUE = "value"
    VALUES = "values"
    #: A number or text, to compare by order.
    BOUND = "bound"
    FLAG = "flag"
    #: How many days back.
    DAYS = "days"
    #: A whole number, how many of something.
    COUNT = "count"
    #: What `Argument.refers` names, by its public name; one or a list of them.
    REFERENCE = "reference"
    REFERENCES = "references"


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One thing that a fact is told."""

    name: str
    #: On the builder's screen.
    label: Any
    takes: Takes
    words: type[TextChoices] | None = None
    #: The noun of REFERENCES that it names; of a TEXT, what may have a name on screen, beside all else: `attribute`.
    refers: str = ""
    is_required: bool = False


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Something that a rule names: a topic, a service, a campaign."""

    id: int
    #: In each language, or {'': name} where it has one name.
    name: Mapping[str, str]


class Asked(Protocol):
    """How a fact's SQL is put together: everything that was given goes in as a parameter."""

    as_of: datetime

    def __call__(self, value: Any) -> str:
        """The placeholder of a value that the statement will be run with."""

    def ids(self, noun: str, given: Any) -> list[int]:
        """Ids of what was named."""

    def since(self, days: int) -> datetime: ...


class Told(Protocol):
    """How a fact's words name what it refers to, in the active language."""

    def named(self, noun: str, given: Any) -> str:
        """In quotes; of a list `“one”, “two” or “three”`."""

    def labelled(self, noun: str, name: str) -> str:
        """What it is called on screen, where it has a name there."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One kind of clause."""

    name: str
    label: Any
    arguments: tuple[Argument, ...]
    #: SQL that is true or false, never NULL, of the person `s`; made of constants and placeholders only.
    sql: Callable[[Mapping[str, Any], Asked], str]
    #: Words that go on after "people who", and those of the contrary.
    words: Callable[[Mapping[str, Any], Told], tuple[str, str]]
    #: Of which arguments at least one must be given.
    any_of: frozenset[str] = field(default_factory=frozenset)


#: SQL: each id `p.id` of the person `s`: their own, and those of records that became part of it (`audience.merging`),
#: by which the ledger and the consents go on naming them. Nearly nobody has another: an index of the few says so.
ALL_IDS: Final = "(SELECT s.id UNION ALL SELECT g.id FROM outreach_subscriber g WHERE g.merged_into_id = s.id) AS p"


def of_each_record(exists: str) -> str:
    """SQL: what `exists` says of the record `{id}` is so of the person `s`, or of one that became part of it.

    The others are few, and the index of them alone says so: where many people are asked they are gone through once.
    That costs less than a look at all ids of each person (`ALL_IDS`), which is for what has to be counted.
    """
    mine, others = (exists.replace("{id}", one) for one in ("s.id", "g.id"))
    joined = "g.merged_into_id = s.id AND g.merged_into_id IS NOT NULL"  # said twice: an index holds those alone
    return f"({mine} OR EXISTS (SELECT FROM outreach_subscriber g WHERE {joined} AND {others}))"


#: Finds what an organisation's rule may name: (organisation, names) -> those that there are.
Finder = Callable[[Organisation, Collection[str]], Mapping[str, Reference]]

FACTS: Final[dict[str, Fact]] = {}
FINDERS: Final[dict[str, Finder]] = {}


def register_facts(*facts: Fact) -> None:
    FACTS.update({fact.name: fact for fact in facts})


def register_finder(noun: str, finder: Finder) -> None:
    FINDERS[noun] = finder


def days_before(as_of: datetime, days: int) -> datetime:
    return as_of - timedelta(days=days)
