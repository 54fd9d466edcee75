"""The one tree of errors that a user may see; the class docstring is the default message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _


class OutreachError(Exception):
    """Something went wrong."""

    #: The API's problem `code` and HTTP status.
    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 422
    message: Any = _("Something went wrong.")

    def __init__(self, message: Any = None, **facts: Any) -> None:
        self.message = message or type(self).message
        self.facts = facts
        super().__init__(str(self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self.message), self.facts)


def _rebuild(cls: type[OutreachError], message: str, facts: dict[str, Any]) -> OutreachError:
    return cls(message, **facts)


class Invalid(OutreachError):
    """A value is not acceptable; `fields` maps each field's path (`contents/0/body`) to the sentences about it."""

    message = _("Please correct what is marked.")

    def __init__(self, fields: Mapping[str, list[Any]], message: Any = None) -> None:
        super().__init__(message, fields={path: [str(text) for text in texts] for path, texts in fields.items()})
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.facts["fields"], str(self.message))


class NotFound(OutreachError):
    """There is no such thing in this organisation."""

    code = "not_found"
    status = 404
    message = _("There is no such thing in this organisation.")


class Forbidden(OutreachError):
    """The member's role does not allow this."""

    code = "forbidden"
    status = 403
    message = _("Your role does not allow this.")


class StateConflict(OutreachError):
    """The object's state does not allow this."""

    code = "conflict_state"
    status = 409
    message = _("This cannot be done in the present state.")


class ApprovalRequired(StateConflict):
    """Somebody else has to approve this version first."""

    code = "approval_required"
    message = _("Somebody other than the last editor has to approve this version first.")


class ReviewFailed(StateConflict):
    """The review found problems; `problems` lists them."""

    code = "review_failed"
    message = _("The review found problems. Mend them, then try again.")


class RateLimited(OutreachError):
    """Too many requests."""

    code = "rate_limited"
    status = 429
    message = _("Too many requests. Please wait a moment.")
