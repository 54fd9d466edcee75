"""Whom an SMS says it is from: a number, a short code, or a name, which nobody can answer."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import phonenumbers

from channels.base import Problem

#: What the networks carry of a name (3GPP TS 23.040: 11 septets; the letters are those that every operator takes).
LONGEST_NAME: Final = 11
_NAME: Final = re.compile(r"[A-Za-z0-9 +_&.-]*[A-Za-z][A-Za-z0-9 +_&.-]*")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_PUNCTUATION: Final = str.maketrans("", "", " -()./\u00a0")


class SenderKind(StrEnum):
    NUMBER = "number"
    SHORT_CODE = "short_code"
    NAME = "name"


def kind_of(sender: str) -> SenderKind | None:
    """What a sender is; None where no network would take it."""
    text = sender.strip()
    if _SHORT_CODE.fullmatch(text):
        return SenderKind.SHORT_CODE
    if text.startswith("+") and _is_number(text):
        return SenderKind.NUMBER
    is_name = len(text) <= LONGEST_NAME and _NAME.fullmatch(text)
    return SenderKind.NAME if is_name else None


def digits_of(number: str) -> str:
    """An international number as networks address it: without plus and punctuation."""
    return number.strip().translate(_PUNCTUATION).lstrip("+")


def find_sender_faults(sender: str) -> list[Problem]:
    """What is wrong with a sender's form; asks nobody. An empty one is another's affair."""
    text = sender.strip()
    if not text or kind_of(text) is not None:
        return []
    message = "A sender's name has Latin letters, digits, spaces and + - _ & . only, and at least one letter."
    if text.startswith("+") or text.isdigit():
        message = "The sender is not a phone number such as +359 88 812 3456."
    elif len(text) > LONGEST_NAME:
        message = "The sender's name is longer than 11 characters."
    remedy = "Write a number such as +359 88 812 3456, a short code, or a name of at most 11 Latin letters and digits."
    return [Problem(severity="error", code="invalid_sender", message=message, remedy=remedy, field="sender")]


def find_sender_warnings(sender: str) -> list[Problem]:
    """What to know of a sender that is in order."""
    if kind_of(sender) != SenderKind.NAME:
        return []
    return [
        Problem(
            severity="warning",
            code="no_replies",
            message="Nobody can answer a sender that is a name: STOP does not reach us either.",
            remedy="Write into each text how to end the messages, or send from a number.",
            field="sender",
        )
    ]


def _is_number(text: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False
