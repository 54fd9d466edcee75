"""On what terms a file is taken in: its columns, the consent behind it, and what it may do to people known already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from outreach.audience.csv_reader import FileFormat
from outreach.audience.import_columns import check_mapping, may_say
from outreach.audience.import_reasons import ROW_REASONS
from outreach.audience.import_rows import LONGEST_SOURCE, LONGEST_VERSION, parse_time
from outreach.audience.models import Import
from outreach.core import clock
from outreach.core.errors import Invalid
from outreach.core.vocabulary import KnownPeople

#: Field -> what is asked for where an opt-in import has neither a value for all rows nor a column of it.
EVIDENCE: Final[dict[str, Any]] = {
    "consent_source": _("Say where they gave their consent, or which column says it."),
    "consent_at": _("Say when they gave their consent, or which column says it."),
    "consent_text_version": _("Say which text they were shown, or which column says it."),
}
_LONGEST: Final = {"consent_source": LONGEST_SOURCE, "consent_text_version": LONGEST_VERSION}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What whoever hands a file in says of it."""

    #: Column -> what it is taken for; of columns that are not named, their names say it.
    mapping: Mapping[str, str] | None = None
    #: Whether the people opted in: then there has to be evidence of each consent.
    is_opt_in: bool = False
    #: Evidence of all rows that do not say it themselves; '' where nothing is known.
    consent_source: str = ""
    consent_at: str = ""
    consent_text_version: str = ""
    known: str = KnownPeople.OVERWRITE

    def evidence(self) -> dict[str, str]:
        """What holds for all rows, by the field that a column would fill."""
        return {field: value for field in EVIDENCE if (value := str(getattr(self, field)).strip())}


def check_terms(form: FileFormat, terms: Terms, *, zone: str) -> None:
    """Refuse terms that make no sense for this file, or lack the evidence that an opt-in needs.

    Raises:
        Invalid: names the field of each fault.
    """
    problems: dict[str, list[Any]] = {}
    try:
        check_mapping(form, terms.mapping or {})
    except Invalid as invalid:
        problems |= invalid.fields
    given = terms.evidence()
    for field, longest in _LONGEST.items():
        if len(given.get(field, "")) > longest:
            problems[field] = [ROW_REASONS["too_long_value"]]
    if "consent_at" in given:
        problems |= _fault_of_time(given["consent_at"], zone)
    if terms.known not in KnownPeople.values:
        problems["known"] = [_("This is none of overwrite, fill and skip.")]
    if terms.is_opt_in:
        told = said_by_columns(form, terms.mapping or {})
        problems |= {field: [ask] for field, ask in EVIDENCE.items() if field not in given and field not in told}
    if problems:
        raise Invalid(problems)


def said_by_columns(form: FileFormat, mapping: Mapping[str, str]) -> set[str]:
    """Which evidence columns may hold."""
    return {word for word in EVIDENCE if may_say(form, mapping, word)}


def needs_of(job: Import) -> frozenset[str]:
    """The evidence that each row has to bring itself."""
    return frozenset(EVIDENCE) - job.evidence.keys() if job.is_opt_in else frozenset()


def given_at(job: Import) -> datetime:
    """The time of consents whose rows do not say."""
    said = job.evidence.get("consent_at")
    return (said and parse_time(said, zone=ZoneInfo(job.organisation.timezone))) or job.created_at


def _fault_of_time(text: str, zone: str) -> dict[str, list[Any]]:
    moment = parse_time(text, zone=ZoneInfo(zone))
    if moment is None:
        return {"consent_at": [ROW_REASONS["bad_time"]]}
    return {"consent_at": [ROW_REASONS["future_time"]]} if moment > clock.now() else {}
