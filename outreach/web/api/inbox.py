"""API: the inbox. Conversations with the people who wrote, their answers, and answers kept ready."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from ninja import Router, Schema, Status
from pydantic import Field

from outreach.core.errors import Invalid
from outreach.core.models import User
from outreach.effectiveness.talk import Said, talk_of
from outreach.events import inbox
from outreach.events.models import Reply
from outreach.events.talk import CannedAnswer, Conversation
from outreach.web.api.access import Caller
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import Body, ListPage
from outreach.web.api.shapes import Json, moment

router = Router(tags=["Inbox"])

State = Literal["waiting", "answered", "closed"]


class ConversationOut(Schema):
    """One person's conversation with the organisation; `said` only where one is asked for."""

    id: str
    organisation: str
    subscriber: str | None
    channel: str
    sender: str
    subject: str
    excerpt: str
    language: str
    state: State
    assignee: str | None
    labels: list[str]
    waiting_since: str | None
    due_at: str | None
    last_at: str
    said: list[Any] | None = None


class AnswerIn(Body):
    text: Annotated[str, Field(max_length=inbox.LONGEST_ANSWER)]


class AnswerOut(Schema):
    """`notice` is what `GET /notices/{id}` knows the fate of."""

    id: str
    conversation: str
    notice: str
    at: str


class ConversationPatch(Body):
    """What is left out stays; `assignee` is a member's e-mail address, null for nobody."""

    state: Literal["waiting", "closed"] | None = None
    assignee: Annotated[str, Field(max_length=254)] | None = None
    labels: Annotated[list[str], Field(max_length=50)] | None = None


class ReadyAnswerIn(Body):
    name: Annotated[str, Field(max_length=80)]
    text: Annotated[str, Field(max_length=inbox.LONGEST_ANSWER)]


class ReadyAnswerOut(Schema):
    id: str
    organisation: str
    name: str
    text: str


def _talks(caller: Caller) -> QuerySet[Conversation]:
    rows = Conversation.objects.for_organisation(caller.auth.organisation)
    return rows.select_related("organisation", "assignee")


def conversation_json(talk: Conversation) -> Json:
    return {
        "id": str(talk.pk),
        "organisation": talk.organisation.slug,
        "subscriber": str(talk.subscriber_id) if talk.subscriber_id else None,
        "channel": talk.channel,
        "sender": talk.sender,
        "subject": talk.subject,
        "excerpt": talk.excerpt,
        "language": talk.language,
        "state": talk.state,
        "assignee": talk.assignee.email if talk.assignee else None,
        "labels": talk.labels,
        "waiting_since": moment(talk.waiting_since),
        "due_at": moment(talk.due_at),
        "last_at": moment(talk.last_at),
    }


def _said_json(one: Said) -> Json:
    return {
        "by": "us" if one.answer else "them",
        "at": moment(one.at),
        "text": one.text,
        "language": one.language,
        "reply": str(one.reply.pk) if one.reply else None,
        "delivery": one.fate.delivery.public_id if one.fate else None,
        "state": one.fate.state if one.fate else None,
        "attachments": [
            {"name": file.name, "type": file.kind, "size": file.size, "kept": bool(file.kind)}
            for file in (one.reply.attachments.all() if one.reply else ())
        ],
    }


def _whole(caller: Caller, conversation_id: str) -> Json:
    talk = find(_talks(caller), conversation_id)
    return {**conversation_json(talk), "said": [_said_json(one) for one in talk_of(talk)]}


@router.get("/conversations", response=ListPage, summary="Conversations, the newest first")
def list_conversations(request: Caller, state: State | Literal[""] = "", cursor: Cursor = "", limit: Limit = 50) -> Any:
    rows = _talks(request).filter(state=state) if state else _talks(request)
    return page(rows, cursor=cursor, limit=limit, show=conversation_json)


@router.get(
    "/conversations/{conversation_id}", response=ConversationOut, summary="One conversation, with what was said"
)
def get_conversation(request: Caller, conversation_id: str) -> Any:
    return _whole(request, conversation_id)


@router.patch("/conversations/{conversation_id}", response=ConversationOut, summary="Assign, label, close or reopen it")
def patch_conversation(request: Caller, conversation_id: str, payload: ConversationPatch) -> Any:
    talk = find(_talks(request), conversation_id)
    given = payload.dict(exclude_unset=True)
    with transaction.atomic():
        if "assignee" in given:
            inbox.assign(request.auth, talk, _member(talk, given["assignee"]))
        if given.get("labels") is not None:
            inbox.label(request.auth, talk, given["labels"])
        if given.get("state"):
            (inbox.close if given["state"] == "closed" else inbox.reopen)(request.auth, talk)
    return _whole(request, conversation_id)


def _member(talk: Conversation, email: str | None) -> User | None:
    if email is None:
        return None
    found = inbox.answerers(talk.organisation).filter(email__iexact=email).first()
    if found is None:
        raise Invalid({"assignee": [_("There is no such member who may answer.")]})
    return found


@router.post("/conversations/{conversation_id}/answer", response={202: AnswerOut}, summary="Answer by the same channel")
def post_answer(request: Caller, conversation_id: str, payload: AnswerIn) -> Any:
    return _answer(request, find(_talks(request), conversation_id), payload.text)


@router.post("/replies/{reply_id}/answer", response={202: AnswerOut}, summary="Answer whoever wrote a reply")
def post_answer_to_reply(request: Caller, reply_id: str, payload: AnswerIn) -> Any:
    reply = find(Reply.objects.for_organisation(request.auth.organisation), reply_id)
    return _answer(request, find(_talks(request), str(reply.conversation_id or 0)), payload.text)


def _answer(request: Caller, talk: Conversation, text: str) -> Any:
    row = inbox.answer(request.auth, talk, text)
    found = {"id": str(row.pk), "conversation": str(talk.pk), "notice": str(row.notice_id), "at": moment(row.at)}
    return Status(202, found)


@router.get("/ready-answers", response=ListPage, summary="Answers kept ready, newest first")
def list_ready_answers(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_ready(request), cursor=cursor, limit=limit, show=_ready_json)


@router.post("/ready-answers", response={201: ReadyAnswerOut}, summary="Keep an answer ready, or change it")
def post_ready_answer(request: Caller, payload: ReadyAnswerIn) -> Any:
    return Status(201, _ready_json(inbox.keep_ready(request.auth, name=payload.name, text=payload.text)))


@router.delete("/ready-answers/{answer_id}", response={204: None}, summary="Keep an answer ready no more")
def remove_ready_answer(request: Caller, answer_id: str) -> Any:
    inbox.drop_ready(request.auth, find(_ready(request), answer_id))
    return Status(204, None)


def _ready(request: Caller) -> QuerySet[CannedAnswer]:
    return CannedAnswer.objects.for_organisation(request.auth.organisation).select_related("organisation")


def _ready_json(row: CannedAnswer) -> Json:
    return {"id": str(row.pk), "organisation": row.organisation.slug, "name": row.name, "text": row.text}
