"""Rejected rows of files that hold an address of somebody who is erased: found by the address, however it was written.

A row is text as it came: candidates are asked for by what is cheap, and decided here. Another person's address that has
this one within it is none of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import phonenumbers
from django.db.models import CharField, F, Func, Value

from outreach.audience.models import ImportRejection
from outreach.core.models import Organisation

#: What may be a number: digits with the signs that people put between them.
_NUMBER: Final = re.compile(r"\+?\(?\d[\d ().\-/\u00a0]{4,24}\d")
_DIGITS: Final = Func(
    F("raw"), Value(r"\D"), Value(""), Value("g"), function="regexp_replace", output_field=CharField()
)


def forget_rejected_rows(organisation: Organisation, texts: Iterable[str]) -> None:
    """Empty the organisation's rejected rows that hold one of these addresses."""
    rows = ImportRejection.objects.filter(job__organisation=organisation).exclude(raw="")
    for text in set(texts):
        number = _number(text)
        if number is None:
            alike = [row for form in _forms(text) for row in rows.filter(raw__icontains=form)]
            found = [row.pk for row in alike if _names(row.raw, text)]
        else:
            national = str(number.national_number)
            candidates = rows.annotate(digits=_DIGITS).filter(digits__contains=national)
            found = [row.pk for row in candidates if _has_number(row.raw, number) or _names(row.raw, text)]
        ImportRejection.objects.filter(pk__in=found).update(raw="")


def _number(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text) if text.startswith("+") else None
    except phonenumbers.NumberParseException:
        return None


def _forms(text: str) -> set[str]:
    """The address, and with its domain in letters and in their ASCII form (RFC 5891)."""
    local, sign, domain = text.rpartition("@")
    forms = {text}
    with suppress(UnicodeError):
        forms.add(f"{local}{sign}{domain.encode('idna').decode()}")
    with suppress(UnicodeError):
        forms.add(f"{local}{sign}{domain.encode('ascii').decode('idna')}")
    return forms


def _names(raw: str, text: str) -> bool:
    """Whether one of its forms stands there by itself, not within another address."""
    return any(re.search(rf"(?<![\w.+-]){re.escape(form)}(?![\w-]|\.\w)", raw, re.I) for form in _forms(text))


def _has_number(raw: str, number: phonenumbers.PhoneNumber) -> bool:
    """Whether a number that is written there is this one: with the country's code, or as it is dialled at home."""
    code, national = str(number.country_code), str(number.national_number)
    same = {before + national for before in ("", "0", code, f"{code}0", f"00{code}", f"00{code}0")}
    return any(re.sub(r"\D", "", found) in same for found in _NUMBER.findall(raw))
