"""API: surveys about services, what they came to, and each reader's answers."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import QuerySet
from ninja import Router, Schema, Status
from pydantic import Field

from outreach.campaigns.models import Service
from outreach.campaigns.survey import Survey
from outreach.campaigns.surveys import change_survey, create_survey
from outreach.core.errors import Invalid, NotFound
from outreach.effectiveness.survey_results import result_json, results_of
from outreach.events.feedback import SurveyResponse
from outreach.web.api.access import Caller
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import Body, ListPage, Names
from outreach.web.api.shapes import Json, moment

router = Router(tags=["Feedback"])


class QuestionIn(Body):
    kind: str
    text: Names = {}
    options: list[Names] = []


class SurveyIn(Body):
    service: Annotated[str, Field(max_length=20)]
    title: Names
    questions: list[QuestionIn]


class SurveyPatch(Body):
    """What is left out stays; questions stay once somebody answered."""

    title: Names | None = None
    questions: list[QuestionIn] | None = None
    is_open: bool | None = None


class SurveyOut(Schema):
    """`results` only where one is asked for."""

    id: str
    organisation: str
    service: str
    title: dict[str, str]
    questions: list[Any]
    is_open: bool
    first_answer_at: str | None
    created_at: str
    results: list[Any] | None = None


def survey_json(survey: Survey) -> Json:
    return {
        "id": str(survey.pk),
        "organisation": survey.organisation.slug,
        "service": str(survey.service_id),
        "title": survey.title,
        "questions": survey.questions,
        "is_open": survey.is_open,
        "first_answer_at": moment(survey.first_answer_at),
        "created_at": moment(survey.created_at),
    }


def response_json(response: SurveyResponse) -> Json:
    return {
        "id": str(response.pk),
        "answers": response.answers,
        "campaign": str(response.campaign_id) if response.campaign_id else None,
        "channel": response.channel,
        "language": response.language,
        "delivery": f"{response.run_id}-{response.delivery}" if response.delivery else None,
        "subscriber": str(response.subscriber_id) if response.subscriber_id else None,
        "at": moment(response.at),
        "changed_at": moment(response.changed_at),
    }


def _surveys(caller: Caller) -> QuerySet[Survey]:
    return Survey.objects.for_organisation(caller.auth.organisation).select_related("organisation")


@router.get("/surveys", response=ListPage, summary="Surveys, newest first")
def list_surveys(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_surveys(request), cursor=cursor, limit=limit, show=survey_json)


@router.post("/surveys", response={201: SurveyOut}, summary="Ask a few questions about a service")
def post_survey(request: Caller, payload: SurveyIn) -> Any:
    try:
        services = Service.objects.for_organisation(request.auth.organisation).select_related("organisation")
        service = find(services, payload.service)
    except NotFound as err:
        raise Invalid({"service": ["There is no such service."]}) from err
    return Status(201, survey_json(create_survey(request.auth, service, _given(payload))))


@router.get("/surveys/{survey_id}", response=SurveyOut, summary="One survey, and what it came to")
def get_survey(request: Caller, survey_id: str) -> Any:
    survey = find(_surveys(request), survey_id)
    return {**survey_json(survey), "results": [result_json(result) for result in results_of(survey)]}


@router.patch("/surveys/{survey_id}", response=SurveyOut, summary="Change, open or close a survey")
def patch_survey(request: Caller, survey_id: str, payload: SurveyPatch) -> Any:
    change_survey(request.auth, find(_surveys(request), survey_id), _given(payload))
    return survey_json(find(_surveys(request), survey_id))


@router.get("/surveys/{survey_id}/responses", response=ListPage, summary="Each reader's answers, newest first")
def list_responses(request: Caller, survey_id: str, cursor: Cursor = "", limit: Limit = 50) -> Any:
    rows = find(_surveys(request), survey_id).responses.all()
    return page(rows, cursor=cursor, limit=limit, show=response_json)


def _given(payload: SurveyIn | SurveyPatch) -> dict[str, Any]:
    return {key: value for key, value in payload.dict(exclude_unset=True).items() if key != "service"}
