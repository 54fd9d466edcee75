"""E-mails of one content and one run, made the short way: a form with gaps, and what goes into the gaps."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channels.base import Message
from channels.mime_form import MailForm
from outreach.delivery.letters import Letterhead, as_subject
from outreach.delivery.sameness import Sameness
from outreach.delivery.slots import Slot, filled
from outreach.delivery.tokens import Series

if TYPE_CHECKING:
    from outreach.delivery.render import Recipient


@dataclass(frozen=True, kw_only=True)
class LetterForm:
    """What one content's messages are filled into."""

    letter: Letterhead
    form: MailForm
    #: In the order of their numbers.
    slots: tuple[Slot, ...]
    #: Texts and numbers of slots.
    subject: tuple[str | int, ...]
    base_url: str
    #: Of the person and of the view in the browser, in this order.
    tokens: Series
    language: str

    def mail(self, recipient: Recipient) -> Message | None:
        """The message of one recipient; None where their data does not fit into the form.

        Raises:
            UnsupportedContent: their address cannot be written to.
        """
        person_token, view_token = self.tokens.make(recipient.delivery)
        unsubscribe_url = f"{self.base_url}/u/{person_token}"
        urls = {
            "unsubscribe_url": unsubscribe_url,
            "preferences_url": f"{self.base_url}/p/{person_token}",
            "view_url": f"{self.base_url}/v/{view_token}",
        }
        person = recipient.subscriber or {}
        values = [filled(slot, person, urls) for slot in self.slots]
        subject = as_subject("".join([piece if isinstance(piece, str) else values[piece] for piece in self.subject]))
        public_id = f"{self.letter.run_id}-{recipient.delivery}"
        message_id = self.letter.message_id(public_id)
        headers = self.letter.header_lines(public_id, message_id, unsubscribe_url)
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
    sameness: Sameness | None, letter: Letterhead | None, *, base_url: str, tokens: Series, language: str
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
        slots=sameness.slots,
        subject=sameness.form.subject,
        base_url=base_url,
        tokens=tokens,
        language=language,
    )
