"""What sign-up says: the text that is agreed to, with its version, and the e-mails that follow a form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import override

from outreach.audience.models import Topic
from outreach.core.models import Organisation, in_language

#: Changes whenever `consent_text` says something else.
TEXT_VERSION: Final = "sign-up-1"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An e-mail of ours."""

    subject: str
    text: str


def consent_text(organisation: Organisation, language: str) -> str:
    """What a person agrees to, as it is shown; TEXT_VERSION says which."""
    with override(language):
        return _(
            "I agree that %(organisation)s writes to me by e-mail about the topics that I marked. "
            "I can withdraw this at any time, by the link in each message."
        ) % {"organisation": _name(organisation, language)}


def text_version(language: str) -> str:
    """What the record of a consent calls the text of `consent_text` in the language in which it was shown."""
    return f"{TEXT_VERSION}/{language}"


def letter(
    organisation: Organisation, topics: Sequence[Topic], *, language: str, link: str, is_wanted_already: bool
) -> Letter:
    """The e-mail with the link to confirm, or the one that says that nothing is to be confirmed."""
    with override(language):
        names = ", ".join(in_language(topic.name, language) or topic.slug for topic in topics)
        told = {"organisation": _name(organisation, language), "topics": names, "link": link}
        if is_wanted_already:
            return Letter(subject=_("You are subscribed already"), text=_already_text() % told)
        return Letter(subject=_("Confirm your subscription"), text=_confirm_text() % told)


def _name(organisation: Organisation, language: str) -> str:
    return in_language(organisation.name, language) or organisation.slug


def _confirm_text() -> str:
    return _(
        "Somebody, probably you, asked %(organisation)s to write to this address about: %(topics)s.\n\n"
        "If it was you, confirm it here within 7 days:\n%(link)s\n\n"
        "If it was not you, do nothing: we will not write to you."
    )


def _already_text() -> str:
    return _(
        "Somebody, probably you, asked %(organisation)s to write to this address about: %(topics)s.\n\n"
        "You get these messages already, so there is nothing to confirm. Change what you get here:"
    )
