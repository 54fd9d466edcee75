"""A survey: made by its manager, filled in by its reader on a POST alone, corrected, summed, closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client

from outreach.campaigns.models import Run, Service
from outreach.campaigns.survey import Survey
from outreach.campaigns.surveys import SurveyAnswered, change_survey, create_survey
from outreach.core.access import product_itself
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Question
from outreach.delivery import tokens
from outreach.delivery.check import LedgerCheck
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import Token, TokenKind
from outreach.effectiveness.recount import check_what_came_back
from outreach.effectiveness.survey_results import result_json, results_of
from outreach.events.answering import Given, find_asked, take_answers
from outreach.events.feedback import SurveyResponse
from outreach.events.stages import StageEvidence
from outreach.events.survey_answering import QuestionsChanged, find_surveyed, take_response
from tests.events.conftest import Sent, make_sent
from tests.events.test_answering import asking

pytestmark = [pytest.mark.django_db, pytest.mark.urls("outreach.web.public.urls")]


@pytest.fixture
def sent() -> Sent:
    return make_sent()


QUESTIONS: list[dict[str, Any]] = [
    {"kind": "satisfied", "text": {}},
    {
        "kind": "choice",
        "text": {"bg": "Как научихте?", "en": "How did you learn of it?"},
        "options": [{"bg": "От писмо", "en": "By e-mail"}, {"bg": "От познат"}],
    },
    {"kind": "words", "text": {"bg": "Какво липсва?"}},
]


def make(sent: Sent, **changes: Any) -> Survey:
    asking(sent, "[Анкета]({{ survey_url }})")
    data = {"title": {"bg": "Три въпроса", "en": "Three questions"}, "questions": QUESTIONS, **changes}
    return create_survey(product_itself(sent.organisation), Service.objects.get(), data)


def again(sent: Sent) -> Sent:
    """The same message to the same person by a second run."""
    run = Run.objects.get(pk=sent.run.pk)
    run.pk, run.occurrence = None, run.occurrence + timedelta(days=1)
    run.save()
    delivery = Delivery.objects.get(run=sent.run.pk, id=sent.delivery)
    delivery.run_id = run.pk
    delivery.save(force_insert=True)
    return replace(sent, run=run)


def link(sent: Sent) -> str:
    told: dict[str, Any] = {"run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "language": "bg"}
    return f"/q/{tokens.make(Token(kind=TokenKind.FEEDBACK, **told))}"


def test_a_correction_by_another_runs_link_takes_back_where_it_was_counted(client: Client) -> None:
    sent = make_sent(is_measured=False)
    make(sent)
    second = again(sent)
    for one, answer in ((sent, "5"), (second, "2")):
        assert client.post(link(one), {"q0": answer}).status_code == 200
    evidence: list[Any] = list(
        StageEvidence.objects.order_by("pk").values_list("run", "bearing", "people", "subscriber")
    )
    assert evidence == [
        (sent.run.pk, "for", 1, None),
        (sent.run.pk, "for", -1, None),
        (sent.run.pk, "against", 1, None),
    ]


def test_a_reader_answers_and_corrects(client: Client, sent: Sent) -> None:
    survey = make(sent)
    page = client.get(f"{link(sent)}?language=en").content.decode()
    assert [words in page for words in ("Three questions", "By e-mail", "От познат", "Какво липсва?")] == [True] * 4
    assert SurveyResponse.objects.count() == 0
    for form in ({"q0": "2", "q2": "Срок"}, {"q0": "5", "q1": "1", "q2": "  "}):
        assert client.post(link(sent), form).status_code == 200
    me = sent.subscriber.pk
    kept = list(SurveyResponse.objects.values_list("answers", "subscriber"))
    assert kept == [({"0": 5, "1": 1, "2": "Срок"}, me)]
    evidence = StageEvidence.objects.order_by("pk").values_list("stage", "source", "bearing", "people", "subscriber")
    assert list(evidence) == [
        ("satisfied", "answer", "against", 1, me),
        ("satisfied", "answer", "against", -1, me),
        ("satisfied", "answer", "for", 1, me),
    ]
    found = [result_json(result) for result in results_of(survey)]
    assert found[0]["spread"]["values"] == {"1": 0, "2": 0, "3": 0, "4": 0, "5": 1}
    assert [(option["text"], option["count"]) for option in found[1]["options"]] == [
        ({"bg": "От писмо", "en": "By e-mail"}, 0),
        ({"bg": "От познат"}, 1),
    ]
    assert found[2] == {"kind": "words", "text": {"bg": "Какво липсва?"}, "newest": ["Срок"]}


@pytest.mark.parametrize("form", [{}, {"q0": "6"}, {"q1": "2"}, {"q1": "От писмо"}, {"q2": "x" * 2001}])
def test_what_is_no_answer_is_refused(client: Client, sent: Sent, form: dict[str, str]) -> None:
    make(sent)
    assert (client.post(link(sent), form).status_code, SurveyResponse.objects.count()) == (422, 0)


def test_a_closed_survey_takes_nothing(client: Client, sent: Sent) -> None:
    survey = make(sent)
    change_survey(product_itself(sent.organisation), survey, {"is_open": False})
    assert (client.post(link(sent), {"q0": "5"}).status_code, SurveyResponse.objects.count()) == (404, 0)


def test_answered_questions_stay_and_the_title_does_not(client: Client, sent: Sent) -> None:
    survey, actor = make(sent), product_itself(sent.organisation)
    change_survey(actor, survey, {"questions": QUESTIONS[:2]})
    client.post(link(sent), {"q0": "5"})
    with pytest.raises(SurveyAnswered):
        change_survey(actor, survey, {"questions": QUESTIONS})
    change_survey(actor, survey, {"title": {"bg": "Два въпроса"}, "questions": QUESTIONS[:2]})
    survey.refresh_from_db()
    assert (str(survey), len(survey.questions)) == ("Два въпроса", 2)


def test_an_answer_to_other_questions_is_not_taken_for_one_to_these(client: Client, sent: Sent) -> None:
    survey, actor = make(sent), product_itself(sent.organisation)
    form = {"q0": "1", "seen": survey.mark}
    change_survey(actor, survey, {"questions": QUESTIONS[1:]})
    changed = client.post(f"{link(sent)}?language=en", form)
    text = changed.content.decode()
    assert (changed.status_code, "The questions have changed" in text, "Three questions" in text) == (422, True, True)
    assert ("checked" in text, SurveyResponse.objects.count()) == (False, 0)
    survey.refresh_from_db()
    assert f'name="seen" value="{survey.mark}"' in text
    newer = create_survey(actor, survey.service, {"title": {"bg": "Друга"}, "questions": QUESTIONS[1:]})
    assert client.post(link(sent), {"q0": "1", "seen": survey.mark}).status_code == 422
    assert client.post(link(sent), {"q0": "1", "seen": newer.mark}).status_code == 200
    assert list(SurveyResponse.objects.values_list("survey", "answers")) == [(newer.pk, {"0": 1})]


def test_questions_that_change_while_an_answer_comes_in_refuse_it(sent: Sent) -> None:
    survey = make(sent)
    token = tokens.read(link(sent).rpartition("/")[2], TokenKind.FEEDBACK)
    assert token is not None
    surveyed = find_surveyed(token)
    assert surveyed is not None
    change_survey(product_itself(sent.organisation), survey, {"questions": QUESTIONS[1:]})
    with pytest.raises(QuestionsChanged):
        take_response(surveyed, {0: 1}, seen=survey.mark)
    assert SurveyResponse.objects.count() == 0


def test_what_is_wrong_is_said_in_the_language_of_the_page(client: Client, sent: Sent) -> None:
    make(sent)
    said = client.post(f"{link(sent)}?language=en", {}, headers={"accept-language": "bg"}).content.decode()
    assert "Choose an answer or write something." in said


@pytest.mark.parametrize(
    ("questions", "field"),
    [
        ([], "questions"),
        ([{"kind": "happy"}], "questions/0/kind"),
        ([{"kind": "words", "text": {}}], "questions/0/text"),
        ([{"kind": "choice", "text": {"bg": "?"}, "options": [{"bg": "едно"}]}], "questions/0/options"),
        ([{"kind": "choice", "text": {"bg": "?"}, "options": [{"bg": "a"}, {}]}], "questions/0/options/1"),
        (QUESTIONS * 3, "questions"),
    ],
)
def test_a_survey_that_cannot_be_asked_is_told_at_its_field(sent: Sent, questions: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(sent, questions=questions)
    assert field in caught.value.fields
    assert Survey.objects.count() == 0


@pytest.mark.parametrize("is_measured", [False, True])
@pytest.mark.parametrize("order", ["message first", "survey first"])
def test_who_answers_the_message_and_the_survey_counts_once(client: Client, order: str, *, is_measured: bool) -> None:
    sent = make_sent(is_measured=is_measured)
    make(sent)
    sent.run.refresh_from_db()
    sent.run.frozen["contents"][0]["body"] += " {{ ask.satisfied }}"
    sent.run.save()
    compiled_run.cache_clear()

    def by_message(value: int) -> None:
        token = Token(kind=TokenKind.FEEDBACK, run=sent.run.pk, delivery=sent.delivery, channel="email", language="bg")
        asked = find_asked(token)
        assert asked is not None
        take_answers(asked, {Question.SATISFIED: Given(value=value)}, source="page")

    def by_survey(value: int) -> None:
        assert client.post(link(sent), {"q0": str(value)}).status_code == 200

    steps = [(by_message, 5), (by_survey, 1), (by_survey, 4), (by_message, 2)]
    counted: list[dict[str, int]] = []
    for answer, value in steps if order == "message first" else [steps[1], steps[0], *steps[2:]]:
        answer(value)
        rows = StageEvidence.objects.values("bearing").annotate(sum=Sum("people"))
        counted.append({row["bearing"]: row["sum"] for row in rows if row["sum"]})
    first = {"for": 1} if order == "message first" else {"against": 1}
    assert counted == [first, {"for": 1}, {"for": 1}, {"against": 1}]
    assert check_what_came_back(LedgerCheck(campaign=None)).adds_up


def test_two_questions_of_a_kind_count_a_reader_once(client: Client) -> None:
    sent = make_sent(is_measured=False)
    make(sent, questions=[QUESTIONS[0], {"kind": "satisfied", "text": {"bg": "А от срока?"}}])
    counted: list[dict[str, int]] = []
    for answers in ({"q1": "1"}, {"q0": "5", "q1": "2"}, {"q1": "4"}, {"q0": "3"}):
        assert client.post(link(sent), answers).status_code == 200
        rows = StageEvidence.objects.values("bearing").annotate(sum=Sum("people"))
        counted.append({row["bearing"]: row["sum"] for row in rows if row["sum"]})
    assert counted == [{"against": 1}, {"for": 1}, {"for": 1}, {"uncertain": 1}]
