"""A conversation as it is read: what either side said, oldest first, with the fate of what we said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Prefetch, Q

from outreach.core.vocabulary import Receipt
from outreach.delivery.models import Notice
from outreach.effectiveness.notices import NoticeFate, fates
from outreach.events.inbox import NOT_SENT
from outreach.events.models import Reply
from outreach.events.talk import Answer, Attachment, Conversation
from outreach.events.tongue import language_of

#: Messages and answers of one conversation that are shown, the newest.
MOST: Final = 100


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message or answer."""

    at: datetime
    text: str
    #: What the person wrote; None for what we answered.
    reply: Reply | None = None
    answer: Answer | None = None
    fate: NoticeFate | None = None

    @property
    def language(self) -> str:
        """ISO 639-1 of what the person wrote; '' where it says too little, and for our answers."""
        return language_of(self.text) if self.reply else ""

    @property
    def has_failed(self) -> bool:
        return self.fate is not None and self.fate.state in NOT_SENT

    @property
    def came_back(self) -> bool:
        return self.fate is not None and self.fate.delivery.receipt == Receipt.BOUNCED


def talk_of(talk: Conversation) -> list[Said]:
    """What was said, oldest first; the same few queries however much it was."""
    # Files and HTML are fetched by themselves: those of a hundred letters together are gigabytes.
    files = Prefetch("attachments", Attachment.objects.defer("content").order_by("pk"))
    written_to_us = Reply.objects.filter(conversation=talk).select_related("campaign").prefetch_related(files)
    replies = written_to_us.defer("html").annotate(is_laid_out=~Q(html=""))
    answers = Answer.objects.filter(conversation=talk).select_related("by", "notice__run", "notice__template")
    written = list(answers.order_by("-at", "-pk")[:MOST])
    by_notice = _fates([each.notice for each in written if each.notice])
    said = [Said(at=each.received_at, text=each.text, reply=each) for each in replies.order_by("-received_at")[:MOST]]
    ours = [Said(at=each.at, text=each.text, answer=each, fate=by_notice.get(each.notice_id or 0)) for each in written]
    return sorted([*said, *ours], key=lambda one: (one.at, one.answer is not None))


def _fates(notices: list[Notice]) -> dict[int, NoticeFate]:
    return {fate.notice.pk: fate for fate in fates(notices)} if notices else {}
