"""Declared attributes: which of people's attributes have a type, and how a value is read as one of that type.

A declaration holds for the organisation and all below it; the nearest one of a name counts. What nobody declared stays
free: a text, a number, true or false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from math import isfinite
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import AttributeField
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import AttributeType, Language, Permission

LONGEST_NAME: Final = 100
LONGEST_LABEL: Final = 200
LONGEST_CHOICE: Final = 100
MOST_CHOICES: Final = 100
#: Of one organisation.
MOST_FIELDS: Final = 200

PROBLEMS: Final[dict[str, Any]] = {
    AttributeType.TEXT: _("This is not a text."),
    AttributeType.NUMBER: _("This is not a number such as 12 or 3.5."),
    AttributeType.DATE: _("This is not a date such as 2026-05-01 or 01.05.2026."),
    AttributeType.YES_NO: _("Write yes or no."),
    AttributeType.CHOICE: _("This is none of the words that may be chosen."),
}
_YES: Final = frozenset({"yes", "true", "1", "да", "y", "д"})
_NO: Final = frozenset({"no", "false", "0", "не", "n", "н"})
_DATES: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%d.%m.%Y г.")


class BadValue(Exception):
    """The value is not one of the attribute's type."""


def fields_of(organisation: Organisation) -> dict[str, AttributeField]:
    """The declarations that hold for the organisation's people, by name: its own before those from above."""
    found = AttributeField.objects.filter(organisation__in=organisation.ancestor_ids()).select_related("organisation")
    return {field.name: field for field in sorted(found, key=lambda field: len(field.organisation.path))}


def attributes_open_to(organisation: Organisation) -> QuerySet[AttributeField]:
    """What one may know at the organisation: its own declarations, those below, and those of the nodes above."""
    return AttributeField.objects.filter(
        Q(organisation__path__startswith=organisation.path) | Q(organisation__in=organisation.ancestor_ids())
    ).select_related("organisation")


def read_value(field: AttributeField, value: Any) -> Any:
    """The value as it is kept: a text, a number, true or false; a date is a text `2026-05-01`.

    Raises:
        BadValue: it cannot be read as the field's type.
    """
    return _READERS[AttributeType(field.type)](field, value)


def read_attributes(
    fields: Mapping[str, AttributeField], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The attributes as they are kept, and sentences about those that are not of their type, by the field's path.

    None takes an attribute away, whatever its type.
    """
    kept, problems = dict(given), {}
    for name, value in given.items():
        if value is None or name not in fields:
            continue
        try:
            kept[name] = read_value(fields[name], value)
        except BadValue:
            problems[f"attributes/{name}"] = [PROBLEMS[fields[name].type]]
    return kept, problems


@transaction.atomic
def declare_attribute(
    actor: Actor, *, name: str, type: str, label: Mapping[str, str], choices: Sequence[str] = ()
) -> AttributeField:
    """Declare an attribute at the actor's organisation. What people have already stays as it is.

    Raises:
        Invalid: a field is not acceptable, or the organisation has declared the name.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    words, name = _tidied(choices), name.strip()
    problems = _problems(type=type, label=label, choices=words)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        problems["name"] = [_("An attribute's name has 1 to 100 characters.")]
    if AttributeField.objects.filter(organisation=actor.organisation).count() >= MOST_FIELDS:
        problems[""] = [_("An organisation declares at most 200 attributes.")]
    if problems:
        raise Invalid(problems)
    try:
        with transaction.atomic():
            field: AttributeField = AttributeField.objects.create(
                organisation=actor.organisation, name=name, type=type, label=dict(label), choices=words
            )
    except IntegrityError as err:
        raise Invalid({"name": [_("This attribute is declared already.")]}) from err
    audit.record(actor, "attribute.declared", field, name=name, type=type)
    return field


@transaction.atomic
def change_attribute(
    actor: Actor,
    field: AttributeField,
    *,
    label: Mapping[str, str] | None = None,
    choices: Sequence[str] | None = None,
) -> AttributeField:
    """Change the labels or the words to choose from. Name and type stay: segments, texts and people rely on them.

    Raises:
        Invalid: a field is not acceptable.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    field.label = field.label if label is None else dict(label)
    field.choices = field.choices if choices is None else _tidied(choices)
    if problems := _problems(type=field.type, label=field.label, choices=field.choices):
        raise Invalid(problems)
    field.save(update_fields=["label", "choices"])
    audit.record(actor, "attribute.changed", field, name=field.name)
    return field


@transaction.atomic
def withdraw_attribute(actor: Actor, field: AttributeField) -> None:
    """Take a declaration back: what people have stays, and takes values of any type again."""
    actor.require(Permission.EDIT_AUDIENCE)
    audit.record(actor, "attribute.withdrawn", field, name=field.name)
    field.delete()


def _tidied(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(word.split()) for word in words if word.strip()))


def _problems(*, type: str, label: Mapping[str, str], choices: Sequence[str]) -> dict[str, list[Any]]:
    problems: dict[str, list[Any]] = {}
    if type not in AttributeType.values:
        problems["type"] = [_("There is no such type of attribute.")]
    if not any(text.strip() for text in label.values()):
        problems["label"] = [_("Give a name in at least one language.")]
    for language, text in label.items():
        if language not in Language.values:
            problems[f"label/{language}"] = [_("There is no such language here.")]
        elif len(text) > LONGEST_LABEL:
            problems[f"label/{language}"] = [_("Use at most 200 characters.")]
    if type == AttributeType.CHOICE and not choices:
        problems["choices"] = [_("Name the words that may be chosen.")]
    elif type != AttributeType.CHOICE and choices:
        problems["choices"] = [_("Only a choice has words to choose from.")]
    elif len(choices) > MOST_CHOICES or any(len(word) > LONGEST_CHOICE for word in choices):
        problems["choices"] = [_("Use at most 100 words of at most 100 characters.")]
    return problems


def _text(_field: AttributeField, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue
    return value


def _number(_field: AttributeField, value: Any) -> int | float:
    """People write `1 200,50`."""
    if isinstance(value, str):
        value = _parsed_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise BadValue
    return value


def _parsed_number(text: str) -> int | float:
    plain = "".join(text.split()).replace(",", ".")
    if not plain.isascii() or "_" in plain or len(plain) > 30:
        raise BadValue
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        return float(plain)
    except ValueError as err:
        raise BadValue from err


def _date(_field: AttributeField, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue
    for form in _DATES:
        try:
            found: date = datetime.strptime(value.strip(), form).date()  # noqa: DTZ007 -- a day has no zone
        except ValueError:
            continue
        return found.isoformat()
    raise BadValue


def _yes_no(_field: AttributeField, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word not in _YES | _NO:
        raise BadValue
    return word in _YES


def _choice(field: AttributeField, value: Any) -> str:
    word = " ".join(str(value).split()).casefold()
    found = next((choice for choice in field.choices if choice.casefold() == word), None)
    if found is None or isinstance(value, bool):
        raise BadValue
    return str(found)


_READERS: Final[dict[AttributeType, Callable[[AttributeField, Any], Any]]] = {
    AttributeType.TEXT: _text,
    AttributeType.NUMBER: _number,
    AttributeType.DATE: _date,
    AttributeType.YES_NO: _yes_no,
    AttributeType.CHOICE: _choice,
}
