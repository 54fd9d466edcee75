"""A rule in words, in the active language: what managers read beside the builder, and approvers before they approve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from outreach.audience.facts import FACTS
from outreach.audience.people_facts import listed, quoted
from outreach.audience.rules import GROUPS, KnownRule, Rule
from outreach.core.models import in_language


def in_words(known: KnownRule) -> str:
    """`People whose language is Bulgarian and who did not follow a link in the last 90 days.`"""
    return _("People %(rule)s.") % {"rule": _said(known)}


def _said(known: KnownRule) -> str:
    return _say(known.where, _Names(known), is_so=True)


def meant_in_words(wanted: Sequence[KnownRule], unwanted: Sequence[KnownRule]) -> str:
    """Whom all of the one and none of the other mean, sentence by sentence; '' where there is neither."""
    left_out = [_("Left out: people %(rule)s.") % {"rule": _said(known)} for known in unwanted]
    return " ".join([*map(in_words, wanted), *left_out])


class _Names:
    def __init__(self, known: KnownRule) -> None:
        self._known = {**known.references, **known.labels}

    def named(self, noun: str, given: Any) -> str:
        names = given if isinstance(given, list) else [given]
        return listed([quoted(self.labelled(noun, name)) for name in names])

    def labelled(self, noun: str, name: str) -> str:
        found = self._known.get(noun, {}).get(name)
        return (in_language(dict(found.name)) if found else "") or name


def _say(rule: Rule, names: _Names, *, is_so: bool, outer: bool | None = None) -> str:
    """The rule or its contrary; `not` goes into a group by De Morgan's laws.

    `outer` says whether the group around it is one of `and`: one of the other kind within it stands in brackets.
    """
    ((word, given),) = rule.items()
    if word == "not":
        return _say(given, names, is_so=not is_so, outer=outer)
    if word in GROUPS:
        is_all = (word == "and") == is_so
        inner = is_all if len(given) > 1 else outer
        text = (_(" and ") if is_all else _(" or ")).join(_say(one, names, is_so=is_so, outer=inner) for one in given)
        return text if len(given) == 1 or outer in {None, is_all} else f"({text})"
    positive, negative = FACTS[word].words(given, names)
    return positive if is_so else negative
