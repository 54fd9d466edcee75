"""E-mails of one content and one run, made the short way: a form with gaps, and what goes into the gaps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channels.base import Message
from channels.mime_form import MailForm
from outreach.delivery.letters import Letterhead, as_subject
from outreach.delivery.personal_urls import PersonalUrls
from outreach.delivery.sameness import Sameness
from outreach.delivery.slots import Filler

if TYPE_CHECKING:
    from outreach.delivery.render import Recipient


@dataclass(frozen=True, kw_only=True)
class LetterForm:
    """What one content's messages are filled into."""

    letter: Letterhead
    form: MailForm
    #: Of the slots, in the order of their numbers.
    fillers: tuple[Filler, ...]
    #: Texts and numbers of slots.
    subject: tuple[str | int, ...]
    #: Those that the slots and the headers hold.
    urls: PersonalUrls
    language: str

    def mail(self, recipient: Recipient) -> Message | None:
        """The message of one recipient; None where their data does not fit into the form.

        Raises:
            UnsupportedContent: their address cannot be written to.
        """
        urls = self.urls.make(recipient.delivery)
        person = recipient.subscriber or {}
        values = [fill(person, urls) for fill in self.fillers]
        subject = as_subject("".join([piece if isinstance(piece, str) else values[piece] for piece in self.subject]))
        public_id = f"{self.letter.run_id}-{recipient.delivery}"
        message_id = self.letter.message_id(public_id)
        headers = self.letter.header_lines(message_id, urls["unsubscribe_url"])
        raw = self.form.fill(values, to=recipient.to, subject=subject, headers=headers)
        return None if raw is None else self._made(public_id, recipient.to, subject, message_id, raw)

    def _made(self, id: str, to: str, subject: str, message_id: str, raw: bytes) -> Message:
        """A message like `_blank`: to name all fields of a frozen dataclass would cost a tenth of the rendering."""
        message = object.__new__(Message)
        message.__dict__.update(self._blank, id=id, to=to, subject=subject, message_id=message_id, raw=raw)
        return message

    @functools.cached_property
    def _blank(self) -> dict[str, Any]:
        blank = Message(id="", to="", text="", sender=self.letter.sender, language=self.language, is_dotless=True)
        return dict(vars(blank))


def letter_form(
    sameness: Sameness | None,
    letter: Letterhead | None,
    *,
    urls: Callable[[Collection[str]], PersonalUrls],
    language: str,
) -> LetterForm | None:
    """The form of a content; None where each message has to be rendered by itself."""
    if sameness is None or letter is None or letter.skeleton is None:
        return None
    form = MailForm.of(letter.skeleton, text=sameness.form.text, html=sameness.form.html)
    if form is None:
        return None
    return LetterForm(
        letter=letter,
        form=form,
        fillers=sameness.fillers,
        subject=sameness.form.subject,
        urls=urls({"unsubscribe_url", *sameness.urls}),
        language=language,
    )
