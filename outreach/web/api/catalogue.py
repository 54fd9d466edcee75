"""API: organisations' catalogue of services, and topics with the feeds that we read into them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from ninja import Router, Status

from outreach.audience.models import Topic
from outreach.audience.topic_tree import grow_tree, place_topic
from outreach.audience.topics import change_topic, create_topic
from outreach.campaigns.models import Service
from outreach.campaigns.services import create_service
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.feeds.models import Source
from outreach.feeds.sources import add_source, remove_source
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import (
    ListPage,
    ServiceIn,
    ServiceOut,
    SourceIn,
    SourceOut,
    TopicIn,
    TopicOut,
    TopicPatch,
    TreeOut,
)
from outreach.web.api.shapes import service_json, source_json, topic_json

router = Router(tags=["Catalogue"])


def _services(organisation: Organisation) -> QuerySet[Service]:
    return Service.objects.for_organisation(organisation).select_related("organisation").prefetch_related("topics")


def _topics(organisation: Organisation) -> QuerySet[Topic]:
    return Topic.objects.for_organisation(organisation).select_related("organisation", "parent")


def _topic(organisation: Organisation, slug: str, *, field: str) -> Topic:
    topic = _topics(organisation).filter(slug=slug).first()
    if topic is None:
        raise Invalid({field: ["There is no such topic."]})
    return topic


@router.get("/services", response=ListPage, summary="Services, newest first")
def list_services(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_services(request.auth.organisation), cursor=cursor, limit=limit, show=service_json)


@router.post("/services", response={201: ServiceOut}, summary="Add an e-service to the catalogue")
def post_service(request: Caller, payload: ServiceIn) -> Any:
    actor = at(request.auth, payload.organisation)
    service = create_service(actor, payload.dict(exclude={"organisation"}))
    return Status(201, service_json(service))


@router.get("/services/{service_id}", response=ServiceOut, summary="One service")
def get_service(request: Caller, service_id: str) -> Any:
    return service_json(find(_services(request.auth.organisation), service_id))


@router.get("/topics", response=ListPage, summary="Topics, newest first")
def list_topics(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_topics(request.auth.organisation), cursor=cursor, limit=limit, show=topic_json)


@router.post("/topics", response={201: TopicOut}, summary="Add a topic that people subscribe to")
def post_topic(request: Caller, payload: TopicIn) -> Any:
    actor = at(request.auth, payload.organisation)
    parent = _topic(request.auth.organisation, payload.parent, field="parent") if payload.parent else None
    text = payload.description
    description = {actor.organisation.language: text} if isinstance(text, str) else text
    topic = create_topic(actor, slug=payload.slug, name=payload.name, description=description, parent=parent)
    return Status(201, topic_json(topic))


@router.get("/topics/tree", response=TreeOut, summary="Topics as a tree: each behind what it belongs under")
def topic_tree(request: Caller) -> Any:
    tree = grow_tree(_topics(request.auth.organisation))
    slugs = {branch.topic.pk: branch.topic.slug for branch in tree}
    return {
        "items": [
            {**topic_json(branch.topic), "depth": branch.depth, "holds": [slugs[key] for key in branch.below]}
            for branch in tree
        ]
    }


@router.get("/topics/{topic_id}", response=TopicOut, summary="One topic")
def get_topic(request: Caller, topic_id: str) -> Any:
    return topic_json(find(_topics(request.auth.organisation), topic_id))


@router.patch("/topics/{topic_id}", response=TopicOut, summary="Change a topic's names or its place in the tree")
def patch_topic(request: Caller, topic_id: str, payload: TopicPatch) -> Any:
    topic = find(_topics(request.auth.organisation), topic_id)
    given = payload.dict(exclude_unset=True)
    parent = topic.parent
    if "parent" in given:
        slug = given["parent"]
        parent = _topic(request.auth.organisation, slug, field="parent") if slug else None
    with transaction.atomic():
        change_topic(request.auth, topic, name=given.get("name"), description=given.get("description"))
        if given.keys() & {"parent", "position"}:
            place_topic(request.auth, topic, parent=parent, position=given.get("position"))
    return topic_json(find(_topics(request.auth.organisation), topic_id))


@router.get("/sources", response=ListPage, summary="Outside feeds that become drafts")
def list_sources(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    sources = Source.objects.for_organisation(request.auth.organisation).select_related("topic")
    return page(sources, cursor=cursor, limit=limit, show=source_json)


@router.post("/sources", response={201: SourceOut}, summary="Read an outside feed: each new item becomes a draft")
def post_source(request: Caller, payload: SourceIn) -> Any:
    actor = at(request.auth, payload.organisation)
    topic = _topic(request.auth.organisation, payload.topic, field="topic")
    source = add_source(actor, name=payload.name, url=payload.url, topic=topic, language=payload.language)
    return Status(201, source_json(source))


@router.delete("/sources/{source_id}", response={204: None}, summary="Stop reading an outside feed")
def delete_source(request: Caller, source_id: str) -> Any:
    remove_source(request.auth, find(Source.objects.for_organisation(request.auth.organisation), source_id))
    return Status(204, None)
