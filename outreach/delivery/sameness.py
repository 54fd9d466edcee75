"""What all messages of one content share: the texts cut at a person's values. A content that asks more has no form.

`letterform` fills it for a mail server. Providers that take it once, with each person's values beside, get it marked
on a message that was rendered as every other, and only where it gives the same text to the letter: so nobody gets
another text through them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import TemplateError

from channels.base import Form, Message
from outreach.delivery.compile import CompiledContent
from outreach.delivery.slots import Filler, Slot, cut, filler, numbered
from outreach.delivery.templating import HTML, TEXT, OutputTooLong


@dataclass(frozen=True, kw_only=True)
class Sameness:
    """One content's form, and what goes into it."""

    form: Form
    #: In the order of their numbers.
    slots: tuple[Slot, ...]

    @functools.cached_property
    def fillers(self) -> tuple[Filler, ...]:
        """What each slot is filled by."""
        return tuple(map(filler, self.slots))

    @property
    def urls(self) -> set[str]:
        """The reader's own addresses among the slots."""
        return {slot.path[0] for slot in self.slots if slot.is_url}

    def mark(self, message: Message, values: Mapping[str, Any]) -> Message:
        """The message with the form and its values, where they give its texts; as it is where they do not."""
        made = tuple(fill(values["subscriber"], values) for fill in self.fillers)
        same = self.form.fill(made) == (message.subject, message.text, message.html)
        return replace(message, form=self.form, values=made) if same else message


def find_sameness(compiled: CompiledContent, shared: Mapping[str, Any]) -> Sameness | None:
    """The form of a content; None where it asks more of a person than to print their variables."""
    if not all(compiled.sources):
        return None
    try:
        html, text = cut(compiled.sources[0], HTML, shared), cut(compiled.sources[1], TEXT, shared)
        subject = cut(compiled.source.subject, TEXT, shared)
    except (TemplateError, OutputTooLong, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None  # whoever renders the whole text says what is wrong with it
    if html is None or text is None or subject is None:
        return None
    slots: dict[Slot, int] = {}
    form = Form(
        subject=tuple(numbered(subject, slots, is_escaped=False)),
        text=tuple(numbered(text, slots, is_escaped=False)),
        html=tuple(numbered(html, slots, is_escaped=True)),
    )
    return Sameness(form=form, slots=tuple(slots))
