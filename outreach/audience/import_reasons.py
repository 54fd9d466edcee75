"""Why a file or a row is not taken: a code that is kept, and the sentence that people read."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import MESSAGES
from outreach.core.errors import OutreachError

FILE_REASONS: Final[dict[str, Any]] = {
    "empty_file": _("The file is empty."),
    "too_large": _("The file is larger than this installation takes."),
    "archive": _("This is an Excel workbook or an archive. Save it as CSV first."),
    "macros": _("This workbook has macros. Save it as .xlsx, or as CSV."),
    "workbook_too_large": _("This workbook is too large. Save it as CSV first."),
    "broken_workbook": _("This workbook cannot be read. Save it as CSV first."),
    "binary": _("This is not a text file. Save it as CSV first."),
    "no_header": _("The first line has to name the columns, such as email;phone;name."),
    "long_header": _("The first line is too long to name columns."),
    "no_address_column": _("The file has neither a column email nor a column phone."),
    "no_listed_column": _("The file names no column email, phone, address or hash, nor does its first line hold one."),
    "too_many_columns": _("The file has more than 200 columns."),
    "repeated_column": _("Two columns have the same name."),
    "repeated_meaning": _("Two columns hold the same thing. Leave one of them out, or give it another name."),
    "long_column_name": _("A column's name is longer than 100 characters."),
    "missing": _("The uploaded file is not there any more. Upload it again."),
}

ROW_REASONS: Final[dict[str, Any]] = MESSAGES | {
    "line_too_long": _("The line is too long to be a row."),
    "unclosed_quote": _("A quotation mark is opened here and never closed."),
    "bad_quotes": _("A quotation mark inside quotation marks has to be doubled."),
    "too_few_cells": _("The row has fewer cells than the header has columns."),
    "too_many_cells": _("The row has more cells than the header has columns."),
    "bad_json": _("The line is not a JSON object."),
    "too_many_values": _("The object has more than 200 fields."),
    "bad_value": _("The value is neither a text nor a number."),
    "repeated_value": _("Two fields of the object hold the same thing, and do not say the same."),
    "undecodable": _("The row has characters that are not in the file's encoding."),
    "control_character": _("The row has control characters."),
    "no_address": _("The row has neither an e-mail address nor a phone number."),
    "bad_hash": _("A hash has 64 hexadecimal digits."),
    "two_people": _("The e-mail address and the phone number belong to different people."),
    "unknown_kind": _("The kind is not citizen, business, official or partner."),
    "unknown_language": _("The language is not bg or en."),
    "unknown_consent_language": _("The language of the consent's text is not bg or en."),
    "unknown_timezone": _("This is not a time zone such as Europe/Sofia."),
    "unknown_preferred_channel": _("The preferred channel is not email or sms."),
    "unknown_region": _("This is no region such as BG-16 or Plovdiv."),
    "unknown_frequency": _("This is none of immediate, daily and weekly."),
    "bad_time": _("This is not a time such as 2026-05-01 14:30 or 01.05.2026."),
    "no_evidence": _("There is no evidence of the consent here."),
    "future_time": _("The consent lies in the future."),
    "too_long_value": _("The value is too long."),
}


class UnreadableFile(OutreachError):
    """The file as a whole cannot be imported; `reason` is a code of FILE_REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(FILE_REASONS[reason], reason=reason)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


class BadRow(Exception):
    """One row cannot be imported; the others can."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason, column)
        self.reason = reason
        self.column = column
