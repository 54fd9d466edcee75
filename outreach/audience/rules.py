"""The language of segments: a rule is JSON of `and`, `or`, `not` and facts, checked here and never trusted before.

    {"and": [{"language": {"in": ["bg"]}}, {"not": {"clicked": {"within": 90}}}]}

Every bad part becomes a sentence at its own path. What is read is in one form: arguments in the order of their fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, TypeAlias

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

import outreach.audience.people_facts  # noqa: F401 -- registers the facts of this stage
from outreach.audience.facts import FACTS, FINDERS, Argument, Fact, Reference, Takes
from outreach.core.errors import Invalid
from outreach.core.models import Organisation

#: A rule as JSON.
Rule: TypeAlias = Mapping[str, Any]

GROUPS: Final = ("and", "or")
MOST_CLAUSES: Final = 50
DEEPEST: Final = 8
MOST_VALUES: Final = 200
LONGEST_TEXT: Final = 200
#: Ten years.
MOST_DAYS: Final = 3650
MOST_COUNTED: Final = 1000
LARGEST_NUMBER: Final = 10**15


@dataclass(frozen=True, kw_only=True)
class KnownRule:
    """A rule that was checked, and what it names."""

    where: Rule
    #: Noun -> public name -> what it is.
    references: Mapping[str, Mapping[str, Reference]]
    #: The same of what need not be there, and is only called something on screen: the rule is no other by it.
    labels: Mapping[str, Mapping[str, Reference]] = field(default_factory=dict)


def read_rule(where: Any, organisation: Organisation, *, path: str = "where") -> KnownRule:
    """Check a rule for a segment of the organisation.

    Raises:
        Invalid: with every bad part, by path (`where/and/0/topic/in/1`).
    """
    reader = Reader()
    rule = reader.rule(where, path, depth=1)
    references = reader.find(organisation)
    if reader.problems:
        raise Invalid(reader.problems)
    return KnownRule(where=rule, references=references, labels=reader.find_labels(organisation))


def read_rules(wheres: Sequence[Any], organisation: Organisation) -> list[KnownRule]:
    """Read rules that were kept, to show them: what they name is found for all at once, where it is still there."""
    reader = Reader()
    rules = [reader.rule(where, "where", depth=1) for where in wheres]
    references, labels = reader.find(organisation), reader.find_labels(organisation)
    return [KnownRule(where=rule, references=references, labels=labels) for rule in rules]


class Reader:
    """One pass over a rule, collecting what is wrong by path, and what it names."""

    def __init__(self) -> None:
        self.problems: dict[str, list[Any]] = {}
        self.clauses = 0
        #: Noun -> name -> the paths at which it stands.
        self.named: dict[str, dict[str, list[str]]] = {}
        #: Noun -> names that may be called something on screen.
        self.mentioned: dict[str, set[str]] = {}

    def complain(self, path: str, message: Any) -> None:
        self.problems.setdefault(path, []).append(message)

    def rule(self, value: Any, path: str, *, depth: int) -> Rule:
        if not isinstance(value, Mapping) or len(value) != 1:
            self.complain(path, _("This must be an object with one key: and, or, not, or a fact."))
            return {}
        word, given = next(iter(value.items()))
        at = f"{path}/{word}"
        if depth > DEEPEST:
            self.complain(path, _("This is nested too deeply: at most %(most)s levels.") % {"most": DEEPEST})
        elif word in GROUPS:
            return {word: self._group(given, at, depth=depth)}
        elif word == "not":
            return {word: self.rule(given, at, depth=depth + 1)}
        elif word in FACTS:
            return {word: self._fact(FACTS[word], given, at)}
        else:
            self.complain(at, _unknown(str(word), [*GROUPS, "not", *FACTS]))
        return {}

    def _group(self, given: Any, path: str, *, depth: int) -> list[Rule]:
        if not isinstance(given, list) or not given:
            self.complain(path, _("This must be a list of at least one rule."))
            return []
        if len(given) > MOST_CLAUSES:
            self.complain(path, _("These are too many: at most %(most)s.") % {"most": MOST_CLAUSES})
            return []
        return [self.rule(inner, f"{path}/{place}", depth=depth + 1) for place, inner in enumerate(given)]

    def _fact(self, fact: Fact, given: Any, path: str) -> dict[str, Any]:
        self.clauses += 1
        if self.clauses == MOST_CLAUSES + 1:
            self.complain(path, _("A rule has at most %(most)s clauses.") % {"most": MOST_CLAUSES})
        if not isinstance(given, Mapping):
            self.complain(path, _("This must be an object."))
            return {}
        known = {argument.name: argument for argument in fact.arguments}
        for key in given:
            if key not in known:
                self.complain(f"{path}/{key}", _unknown(str(key), list(known)))
        for name, argument in known.items():
            if argument.is_required and name not in given:
                self.complain(f"{path}/{name}", _("This must be there."))
        if fact.any_of and not fact.any_of & set(given):
            self.complain(path, _("Give at least one of: %(known)s.") % {"known": ", ".join(sorted(fact.any_of))})
        return {
            name: READ[argument.takes](self, argument, given[name], f"{path}/{name}")
            for name, argument in known.items()
            if name in given
        }

    def find(self, organisation: Organisation) -> dict[str, dict[str, Reference]]:
        """What the rule names, in the reach of the organisation; who is not there is complained of where it stands."""
        found: dict[str, dict[str, Reference]] = {}
        for noun, names in self.named.items():
            found[noun] = dict(FINDERS[noun](organisation, names.keys()))
            for name in names.keys() - found[noun].keys():
                for path in names[name]:
                    self.complain(path, _("There is no “%(word)s”.") % {"word": name[:60]})
        return found

    def find_labels(self, organisation: Organisation) -> dict[str, Mapping[str, Reference]]:
        return {noun: FINDERS[noun](organisation, names) for noun, names in self.mentioned.items()}

    # --- arguments ---

    def word(self, argument: Argument, value: Any, path: str) -> str:
        words: type[TextChoices] | None = argument.words
        known = words.values if words else []
        if isinstance(value, str) and value in known and value:
            return value
        self.complain(path, _unknown(str(value), [word for word in known if word]))
        return ""

    def text(self, argument: Argument, value: Any, path: str) -> str:
        if not isinstance(value, str) or not value.strip():
            self.complain(path, _("This must be text, and not empty."))
            return ""
        if len(value) > LONGEST_TEXT:
            self.complain(path, _("This is too long: at most %(most)s characters.") % {"most": LONGEST_TEXT})
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
            self.complain(path, _("This holds a character that is not text."))
        elif argument.takes is Takes.TEXT and argument.refers:
            self.mentioned.setdefault(argument.refers, set()).add(value)
        return value

    def bound(self, argument: Argument, value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self.text(argument, value, path)
        if not isfinite(value) or abs(value) > LARGEST_NUMBER:
            self.complain(path, _("This number is too large."))
        return value

    def value(self, argument: Argument, value: Any, path: str) -> Any:
        return value if isinstance(value, bool) else self.bound(argument, value, path)

    def flag(self, argument: Argument, value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            self.complain(path, _("Write true or false."))
        return value is True

    def days(self, argument: Argument, value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_DAYS:
            self.complain(path, _("Write a whole number of days from 1 to %(most)s.") % {"most": MOST_DAYS})
            return 1
        return value

    def count(self, argument: Argument, value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_COUNTED:
            self.complain(path, _("Write a whole number from 1 to %(most)s.") % {"most": MOST_COUNTED})
            return 1
        return value

    def reference(self, argument: Argument, value: Any, path: str) -> str:
        name = self.text(argument, value, path)
        if name:
            self.named.setdefault(argument.refers, {}).setdefault(name, []).append(path)
        return name

    def several(
        self, read: Callable[[Argument, Any, str], Any], argument: Argument, value: Any, path: str
    ) -> list[Any]:
        if not isinstance(value, list) or not value:
            self.complain(path, _("This must be a list, and not empty."))
            return []
        if len(value) > MOST_VALUES:
            self.complain(path, _("These are too many: at most %(most)s.") % {"most": MOST_VALUES})
            return []
        return [read(argument, item, f"{path}/{place}") for place, item in enumerate(value)]


#: How each kind of argument is read.
READ: Final[dict[Takes, Callable[[Reader, Argument, Any, str], Any]]] = {
    Takes.WORD: Reader.word,
    Takes.WORDS: lambda reader, *given: reader.several(reader.word, *given),
    Takes.TEXT: Reader.text,
    Takes.VALUE: Reader.value,
    Takes.VALUES: lambda reader, *given: reader.several(reader.value, *given),
    Takes.BOUND: Reader.bound,
    Takes.FLAG: Reader.flag,
    Takes.DAYS: Reader.days,
    Takes.COUNT: Reader.count,
    Takes.REFERENCE: Reader.reference,
    Takes.REFERENCES: lambda reader, *given: reader.several(reader.reference, *given),
}


def _unknown(word: str, known: list[str]) -> Any:
    close = get_close_matches(word, known, n=1)
    if close:
        return _("There is no “%(word)s”. Did you mean “%(close)s”?") % {"word": word[:60], "close": close[0]}
    return _("There is no “%(word)s”. There are: %(known)s.") % {"word": word[:60], "known": ", ".join(known)}
