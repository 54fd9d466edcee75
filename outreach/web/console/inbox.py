"""Inbox: what people wrote by any channel, one conversation a person; answered beside the message that it answers."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.core.errors import Invalid, NotFound, StateConflict
from outreach.core.models import User
from outreach.core.vocabulary import Channel, ConversationState, Permission
from outreach.delivery.models import Delivery
from outreach.effectiveness.talk import talk_of
from outreach.events import inbox as verbs
from outreach.events.calls import count_unread
from outreach.events.models import Reply
from outreach.events.talk import Attachment, CannedAnswer, Conversation
from outreach.web.api.paging import write_cursor
from outreach.web.console.mail_frame import mail_frame
from outreach.web.console.visit import Visit, posting, visiting

PAGE: Final = 40
VIEWS: Final = (("waiting", _("Waiting")), ("mine", _("Mine")), ("all", _("All")))


@visiting()
def inbox(visit: Visit, key: int | None = None) -> HttpResponse:
    """The conversations, and the asked one open."""
    return _show(visit, _find(visit, key) if key else None)


def _find(visit: Visit, key: int) -> Conversation:
    return visit.find(Conversation.objects.select_related("organisation", "subscriber", "assignee", "account"), key)


def _show(visit: Visit, opened: Conversation | None, *, draft: str = "", wrong: str = "") -> HttpResponse:
    view = visit.request.GET.get("view", "waiting")
    view = view if view in dict(VIEWS) else "waiting"
    rows, offset = _rows(visit, view), _offset(visit)
    found = list(rows[offset : offset + PAGE + 1])
    waiting = _all(visit).filter(state=ConversationState.WAITING)
    return visit.show(
        "inbox/page.html",
        status=422 if wrong else 200,
        views=VIEWS,
        view=view,
        label=visit.request.GET.get("label", ""),
        rows=found[:PAGE],
        next_cursor=write_cursor(offset + PAGE) if len(found) > PAGE else None,
        waiting=waiting.count(),
        longest=waiting.order_by("waiting_since").values_list("waiting_since", flat=True).first(),
        unread=0 if opened else count_unread(visit.organisation),
        opened=opened,
        channel_names=dict(Channel.choices),
        wrong=wrong,
        **(_facts(visit, opened, draft) if opened else {}),
    )


def _all(visit: Visit) -> QuerySet[Conversation]:
    return Conversation.objects.for_organisation(visit.organisation)


def _rows(visit: Visit, view: str) -> QuerySet[Conversation]:
    rows = _all(visit).select_related("subscriber", "assignee")
    if label := visit.request.GET.get("label"):
        rows = rows.filter(labels__contains=[label])
    if view == "waiting":
        return verbs.waiting_first(rows.filter(state=ConversationState.WAITING))
    return (rows.filter(assignee=visit.user) if view == "mine" else rows).order_by("-last_at", "-pk")


def _offset(visit: Visit) -> int:
    return min(visit.cursor or 0, 100_000)


def _facts(visit: Visit, opened: Conversation, draft: str) -> dict[str, Any]:
    """What stands beside the conversation: what was said, what it answers, who may see to it, answers kept ready."""
    seen = verbs.mark_of(opened)  # first: what comes between is shown, and asked about once more
    said = talk_of(opened)
    answered = next((each.reply for each in reversed(said) if each.reply and each.reply.delivery), None)
    return {
        "seen": seen,
        "said": said,
        "answered": answered,
        "delivery": _delivery(answered) if answered else None,
        "members": verbs.answerers(opened.organisation) if visit.may("answer") else (),
        "ready": verbs.ready_answers(opened.organisation),
        "draft": draft or _ready_text(visit, opened),
        "can_answer": opened.channel in {Channel.EMAIL, Channel.SMS} and bool(opened.sender),
    }


def _ready_text(visit: Visit, opened: Conversation) -> str:
    """The answer kept ready that somebody chose to begin with."""
    chosen = visit.request.GET.get("ready", "")
    digits = chosen if chosen.isascii() and chosen.isdecimal() and len(chosen) < 19 else "0"
    found = verbs.ready_answers(opened.organisation).filter(pk=int(digits)).first()
    return found.text if found else ""


def _delivery(reply: Reply) -> Delivery | None:
    return Delivery.objects.filter(run_id=reply.run_id or 0, id=reply.delivery or 0).first()


@posting(needs=Permission.ANSWER)
def answer(visit: Visit, key: int) -> HttpResponse:
    talk = _find(visit, key)
    text = visit.request.POST.get("text", "")
    try:
        verbs.answer(visit.actor, talk, text, seen=visit.request.POST.get("seen", ""))
    except Invalid as invalid:
        return _show(visit, talk, draft=text, wrong=" ".join(map(str, invalid.fields["text"])))
    except StateConflict as conflict:
        return _show(visit, talk, draft=text, wrong=str(conflict.message))
    visit.tell(_("The answer is on its way to %(person)s.") % {"person": talk})
    return visit.go("conversation", key=key)


@posting(needs=Permission.ANSWER)
def close(visit: Visit, key: int) -> HttpResponse:
    verbs.close(visit.actor, _find(visit, key), seen=visit.request.POST.get("seen", ""))
    visit.tell(_("Closed. The next message of this person opens it again."))
    return visit.go("inbox")


@posting(needs=Permission.ANSWER)
def reopen(visit: Visit, key: int) -> HttpResponse:
    verbs.reopen(visit.actor, _find(visit, key))
    return visit.go("conversation", key=key)


@posting(needs=Permission.ANSWER)
def sort(visit: Visit, key: int) -> HttpResponse:
    """Assign and label at once: one form beside the conversation."""
    talk = _find(visit, key)
    chosen = visit.request.POST.get("assignee", "")
    user = User.objects.filter(pk=int(chosen)).first() if chosen.isdecimal() and len(chosen) < 10 else None
    labels = visit.request.POST.get("labels", "").split(",")
    try:
        with transaction.atomic():
            if user != talk.assignee:
                verbs.assign(visit.actor, talk, user)
            verbs.label(visit.actor, talk, labels)
    except Invalid as invalid:
        sentence = " ".join(str(each) for texts in invalid.fields.values() for each in texts)
        talk.assignee, talk.labels = user, [word.strip() for word in labels]  # as they were chosen; nothing is kept
        return _show(visit, talk, wrong=sentence)
    visit.tell(_("Saved."))
    return visit.go("conversation", key=key)


@visiting()
def reply_html(visit: Visit, key: int) -> HttpResponse:
    """A reply as its author laid it out: cleaned when it came, and shown without any right."""
    return mail_frame(visit.request, visit.find(Reply.objects.all(), key).html)


@visiting()
def attachment(visit: Visit, key: int) -> HttpResponse:
    """A file that came along: a download alone, whatever it says of itself."""
    rows = Attachment.objects.filter(reply__organisation__path__startswith=visit.organisation.path).exclude(kind="")
    found = rows.filter(pk=key).first()
    if found is None:
        raise NotFound
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(bytes(found.content), content_type=found.kind, headers=headers)


@visiting()
def ready(visit: Visit) -> HttpResponse:
    return _show_ready(visit)


@posting(needs=Permission.ANSWER)
def keep_ready(visit: Visit) -> HttpResponse:
    given = {name: visit.request.POST.get(name, "") for name in ("name", "text")}
    try:
        verbs.keep_ready(visit.actor, **given)
    except Invalid as invalid:
        return _show_ready(visit, given=given, problems=invalid.fields)
    visit.tell(_("“%(name)s” is ready.") % {"name": given["name"].strip()})
    return visit.go("ready_answers")


@posting(needs=Permission.ANSWER)
def drop_ready(visit: Visit, key: int) -> HttpResponse:
    verbs.drop_ready(visit.actor, visit.find(CannedAnswer.objects.all(), key))
    return visit.go("ready_answers")


def _show_ready(visit: Visit, *, given: Any = None, problems: Any = None) -> HttpResponse:
    rows = verbs.ready_answers(visit.organisation).select_related("organisation")
    return visit.show(
        "inbox/ready.html", status=422 if problems else 200, rows=rows, given=given or {}, problems=problems or {}
    )
