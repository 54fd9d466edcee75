"""What people think: on a service's page and in its file; nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.campaigns.models import Campaign, Run, Service
from outreach.campaigns.survey import Survey
from outreach.core import clock
from outreach.core.models import AuditEntry
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.models import Reply
from outreach.events.talk import Conversation

from .conftest import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def service(alice: Person) -> Service:
    organisation = alice.organisation
    campaign = Campaign.objects.create(organisation=organisation, name="Карта", channels=["email"])
    facts: dict[str, Any] = {"organisation": organisation, "campaign": campaign}
    Run.objects.create(occurrence=clock.now(), as_of=clock.now(), salt=b"", frozen={"contents": []}, **facts)
    service = Service.objects.create(organisation=organisation, slug="card", name={"bg": "Карта"}, url="https://c.bg")
    facts |= {"service": service, "channel": "email"}
    rows = [("satisfied", 5, "=1+1 <script>alert(1)</script>"), ("satisfied", 4, ""), ("recommends", 3, "")]
    for question, value, text in rows:
        Feedback.objects.create(
            question=question, value=value, text=text, at=clock.now(), language="bg", source="page", **facts
        )
    return service


def test_the_service_tells_in_words_and_steps_what_people_think(alice: Person, service: Service) -> None:
    page = alice.see(f"/services/{service.pk}/feedback")
    assert "Of 2 people who answered, 2 are satisfied (4 or more)." in page
    assert "Of 1 person who answered, 0 would recommend it (9 or 10) and 1 would not (0 to 6)." in page
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_the_report_has_it_too(alice: Person, service: Service) -> None:
    page = alice.see(f"/campaigns/{Campaign.objects.get().pk}/report")
    assert "Of 2 people who answered, 2 are satisfied (4 or more)." in page


def test_the_report_says_of_whom_its_stages_are_at_most_so_many_people(alice: Person, service: Service) -> None:
    words = (
        "Where tracking is per person, whoever agreed to be measured counts once; of all others each opening and click "
        "counts, but never more than the messages accepted: at most so many people."
    )
    assert words in alice.see(f"/campaigns/{Campaign.objects.get().pk}/report")
    home = alice.see("/")
    assert "Where nobody knows whose an opening or click was, each counts: at most so many people." in home


def test_the_report_leads_from_what_somebody_wrote_to_the_conversation(alice: Person, service: Service) -> None:
    at, organisation = clock.now(), alice.organisation
    talk = Conversation.objects.create(organisation=organisation, key="x", channel="email", sender="i@x.bg", last_at=at)
    Reply.objects.create(
        organisation=organisation, campaign=Campaign.objects.get(), external_id="1", channel="email", kind="reply",
        sender="i@x.bg", text="Кога?", received_at=at, conversation=talk,
    )  # fmt: skip
    page = alice.see(f"/campaigns/{Campaign.objects.get().pk}/report")
    assert f'<a href="/inbox/{talk.pk}">Open in the inbox</a>' in page


def test_both_give_a_file_that_no_spreadsheet_runs(alice: Person, service: Service) -> None:
    paths = (f"/services/{service.pk}/feedback?file=csv", f"/campaigns/{Campaign.objects.get().pk}/feedback.csv")
    for path in paths:
        lines = alice.see(path).splitlines()
        assert (len(lines), lines[0].lstrip("\ufeff")[:37]) == (4, "at,campaign,service,question,value,te")
        assert "'=1+1 <script>" in lines[3]
    told = AuditEntry.objects.filter(action="feedback.exported").order_by("pk").values_list("noun", "user")
    assert list(told) == [("service", alice.user.pk), ("campaign", alice.user.pk)]


def test_a_service_that_nobody_was_asked_about_says_what_to_do(
    alice: Person, charlie: Person, service: Service
) -> None:
    Feedback.objects.all().delete()
    assert "Nobody was asked yet" in alice.see(f"/services/{service.pk}/feedback")
    charlie.see(f"/services/{service.pk}/feedback", 404)
    charlie.see(f"/campaigns/{Campaign.objects.get().pk}/feedback.csv", 404)


def test_a_survey_is_made_on_its_page_changed_and_closed(alice: Person, bob: Person, service: Service) -> None:
    form = {
        "title_bg": "Въпроси",
        "kind_0": "satisfied",
        "kind_2": "choice",
        "bg_2": "Откъде?",
        "options_bg_2": "Писмо\nПознат\n",
        "options_en_2": "E-mail",
    }
    wrong = alice.post(f"/services/{service.pk}/surveys/new", **{**form, "options_bg_2": "", "options_en_2": ""})
    assert "A choice is from 2 to 12 answers." in wrong.content.decode()
    unsaid = alice.post(f"/services/{service.pk}/surveys/new", **form, en_3="Why?").content.decode()
    assert ("Say how it is answered" in unsaid, Survey.objects.count()) == (True, 0)
    assert alice.post(f"/services/{service.pk}/surveys/new", **form).status_code == 302
    survey = Survey.objects.get()
    assert survey.questions == [
        {"kind": "satisfied", "text": {}},
        {"kind": "choice", "text": {"bg": "Откъде?"}, "options": [{"bg": "Писмо", "en": "E-mail"}, {"bg": "Познат"}]},
    ]
    SurveyResponse.objects.create(
        survey=survey, answers={"0": 5, "1": 1}, channel="email", language="bg", at=clock.now()
    )
    page = alice.see(f"/services/surveys/{survey.pk}")
    assert "Of 1 person who answered, 1 is satisfied (4 or more)." in page
    assert "1 reader answered" in page
    assert alice.see(f"/services/surveys/{survey.pk}.csv").splitlines()[1].endswith(",bg,email,,5,Познат")
    assert AuditEntry.objects.filter(action="survey.exported", noun_id=survey.pk).count() == 1
    assert alice.see(f"/services/surveys/{survey.pk}/change").count("Писмо") == 1
    Survey.objects.update(first_answer_at=clock.now())
    answered = alice.see(f"/services/surveys/{survey.pk}/change")
    assert ("Readers have answered" in answered, 'name="kind_0"' in answered) == (True, False)
    alice.post(f"/services/surveys/{survey.pk}/change", title_bg="Две", title_en="Two")
    survey.refresh_from_db()
    assert (survey.title, len(survey.questions)) == ({"bg": "Две", "en": "Two"}, 2)
    assert alice.post(f"/services/surveys/{survey.pk}/switch").status_code == 302
    assert "Closed" in alice.see(f"/services/{service.pk}/feedback")
    assert bob.post(f"/services/surveys/{survey.pk}/switch").status_code in {403, 404}
