"""Sandbox: the local mailbox, telephone and social wall of the demonstration, and what they got."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _

from outreach.core.errors import NotFound
from outreach.core.vocabulary import Channel
from outreach.sandbox.models import SandboxMessage
from outreach.web.api.paging import write_cursor
from outreach.web.console.mail_frame import mail_frame
from outreach.web.console.visit import Visit, visiting

PAGE: Final = 30
CHANNELS: Final = (Channel.EMAIL, Channel.SMS, Channel.SOCIAL)


@visiting()
def sandbox(visit: Visit, message_id: int | None = None) -> HttpResponse:
    """One channel's messages, the newest or the asked one open."""
    opened = _find(message_id) if message_id else None
    asked = visit.request.GET.get("channel", Channel.EMAIL)
    channel = opened.channel if opened else asked if asked in CHANNELS else Channel.EMAIL
    wanted = visit.request.GET.get("to", "").replace("\0", "").strip()
    rows = _require_sandbox().filter(channel=channel).order_by("-pk")
    if wanted:
        rows = rows.filter(recipient__icontains=wanted)
    if visit.cursor is not None:
        rows = rows.filter(pk__lt=visit.cursor)
    found = list(rows[: PAGE + 1])
    opened = opened or next(iter(found), None)
    return visit.show(
        "sandbox/page.html",
        channels=[(name.value, name.label) for name in CHANNELS],
        channel=channel,
        wanted=wanted,
        messages_of_channel=found[:PAGE],
        next_cursor=write_cursor(found[PAGE - 1].pk) if len(found) > PAGE else None,
        opened=opened,
        mail=_mail(opened) if opened and opened.channel == Channel.EMAIL else None,
    )


@visiting()
def sandbox_html(visit: Visit, message_id: int) -> HttpResponse:
    """The message's own HTML, for a sandboxed frame."""
    mail = _mail(_find(message_id))
    part = mail.get_body(preferencelist=("html",))
    html = part.get_content() if part is not None else _("This message has no HTML part.")
    return mail_frame(visit.request, html)


def _require_sandbox() -> QuerySet[SandboxMessage]:
    if not settings.SANDBOX:
        raise NotFound
    return SandboxMessage.objects.all()


def _find(message_id: int) -> SandboxMessage:
    found = _require_sandbox().filter(pk=message_id).first()
    if found is None:
        raise NotFound
    return found


def _mail(message: SandboxMessage) -> EmailMessage:
    return message_from_bytes(bytes(message.raw), policy=policy.default)
