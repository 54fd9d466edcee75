"""The inbox's page: who waits, what was said, an answer, files as downloads alone; nothing of a stranger's."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import Role
from outreach.delivery.models import Notice
from outreach.events import replies
from outreach.events.replaying import replay
from outreach.events.replies import take_mail
from outreach.events.talk import Attachment, CannedAnswer, Conversation
from tests.events.test_inbox import with_files
from tests.events.test_replies import letter
from tests.web.console.conftest import Person


@pytest.fixture(autouse=True)
def a_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach.core import queue

    monkeypatch.setattr(queue, "_publish", lambda *_: None)


@pytest.fixture
def account(ministry: Organisation) -> Account:
    return Account.objects.create(
        organisation=ministry, adapter="smtp", channel="email", name="Mail", unknown_policy="resend",
        settings={"sender": "a@example.org"}, hook_key="key",
    )  # fmt: skip


def wrote(account: Account, text: str = "Кога е срокът?", *, number: int = 1) -> Conversation:
    reply = take_mail(account, letter(text, sender=f"i{number}@example.bg", Message_ID=f"<{number}@x>"))
    assert reply is not None
    reply.refresh_from_db()
    assert reply.conversation is not None
    return reply.conversation


def test_an_empty_inbox_says_what_to_do(alice: Person) -> None:
    assert "Nobody has written yet" in alice.see("/inbox?view=all")
    assert "Nobody waits for an answer." in alice.see("/inbox")


def test_letters_that_cannot_be_read_are_counted_for_those_whose_they_are(
    alice: Person, charlie: Person, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(replies, "understand", broken)
        for number in (1, 2):
            take_mail(account, letter("Кога?", Message_ID=f"<{number}@x>"))

    words = "2 messages cannot be read and are tried again"
    assert [words in person.see("/inbox") for person in (alice, charlie)] == [True, False]
    assert replay(since=clock.now() - timedelta(days=1))["applied"] == 2
    assert "cannot be read" not in alice.see("/inbox")


def test_who_waits_is_shown_and_answered(alice: Person, account: Account) -> None:
    talk = wrote(account)
    assert "1 waits" in alice.see("/inbox")
    page = alice.see(f"/inbox/{talk.pk}")
    assert ("Кога е срокът?" in page, "Answer by E-mail" in page) == (True, True)
    assert ('<span class="o-tag">Bulgarian</span>' in page, 'lang="bg">Кога' in page) == (True, True)

    assert alice.post(f"/inbox/{talk.pk}/answer", text="До 30 април.").status_code == 302
    assert Notice.objects.get().data["text"] == "До 30 април."
    page = alice.see(f"/inbox/{talk.pk}")
    assert ("До 30 април." in page, "Let it wait again" in page) == (True, True)
    assert "i1@example.bg" not in alice.see("/inbox")


def test_a_bad_answer_stays_in_the_field_with_a_sentence(alice: Person, account: Account) -> None:
    talk = wrote(account)
    response = alice.post(f"/inbox/{talk.pk}/answer", text="x" * 10_001)
    page = response.content.decode()
    assert (response.status_code, "at most 10000 characters" in page, "x" * 10_001 in page) == (422, True, True)


def test_it_is_closed_reopened_assigned_and_labelled(alice: Person, account: Account) -> None:
    talk = wrote(account)
    alice.post(f"/inbox/{talk.pk}/close")
    assert Conversation.objects.get().state == "closed"
    alice.post(f"/inbox/{talk.pk}/reopen")
    alice.post(f"/inbox/{talk.pk}/sort", assignee=str(alice.user.pk), labels="Въпрос, Данъци")
    talk.refresh_from_db()
    assert (talk.state, talk.assignee, talk.labels) == ("waiting", alice.user, ["Въпрос", "Данъци"])
    assert "i1@example.bg" in alice.see("/inbox?view=mine")


def test_a_ready_answer_is_the_beginning_of_one(alice: Person, account: Account) -> None:
    talk = wrote(account)
    assert alice.post("/inbox/ready/keep", name="Срок", text="").status_code == 422
    assert alice.post("/inbox/ready/keep", name="Срок", text="До 30 април.").status_code == 302
    row = CannedAnswer.objects.get()
    assert "До 30 април.</textarea>" in alice.see(f"/inbox/{talk.pk}?ready={row.pk}")
    alice.post(f"/inbox/ready/{row.pk}/drop")
    assert CannedAnswer.objects.count() == 0


def test_files_and_html_come_without_rights(alice: Person, account: Account) -> None:
    reply = take_mail(account, with_files(("декларация.pdf", b"%PDF-1.7"), ("virus.exe", b"MZ")))
    assert reply is not None
    kept, refused = Attachment.objects.order_by("pk")
    answer = alice.client.get(f"/inbox/files/{kept.pk}")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"%PDF-1.7", "application/pdf")
    assert answer["Content-Disposition"].startswith("attachment; filename*=UTF-8''%D0%B4")
    assert "sandbox" in answer["Content-Security-Policy"]
    alice.see(f"/inbox/files/{refused.pk}", 404)
    html = alice.client.get(f"/inbox/replies/{reply.pk}.html")
    assert ("script" in html.content.decode(), "sandbox" in html["Content-Security-Policy"]) == (False, True)


def test_a_stranger_and_an_analyst_change_nothing(
    member: Any, ministry: Organisation, account: Account, db: None
) -> None:
    talk = wrote(account)
    reply = take_mail(account, with_files(("a.pdf", b"%PDF-1.7")))
    assert reply is not None
    file = Attachment.objects.get()
    other = member("Charlie", Organisation.objects.create(slug="other", name={"en": "Other"}), Role.ADMINISTRATOR)
    for path in (f"/inbox/{talk.pk}", f"/inbox/files/{file.pk}", f"/inbox/replies/{reply.pk}.html"):
        other.see(path, 404)
    analyst = member("Dora", ministry, Role.ANALYST)
    assert "Send the answer" not in analyst.see(f"/inbox/{talk.pk}")
    for person, status in ((other, 404), (analyst, 403)):
        for verb in ("answer", "close", "reopen", "sort"):
            assert person.post(f"/inbox/{talk.pk}/{verb}", text="x").status_code == status
    assert (Notice.objects.count(), Conversation.objects.filter(state="waiting").count()) == (0, 2)


def test_the_list_asks_the_same_however_long_it_is(alice: Person, account: Account) -> None:
    counts = []
    for numbers in (range(1, 2), range(2, 4)):
        talks = [wrote(account, number=number) for number in numbers]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            alice.see(f"/inbox/{talks[0].pk}")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_answer_that_cannot_leave_stays_in_the_field(alice: Person, account: Account) -> None:
    talk = wrote(account)
    Account.objects.update(adapter="twilio", channel="sms")
    answer = alice.post(f"/inbox/{talk.pk}/answer", text="До 30 април.")

    assert ("До 30 април." in answer.content.decode(), Notice.objects.count()) == (True, 0)


def test_a_label_that_is_refused_leaves_the_assignment_as_it_was(alice: Person, account: Account) -> None:
    talk = wrote(account)
    page = alice.post(f"/inbox/{talk.pk}/sort", assignee=alice.user.pk, labels="taxes," + "x" * 100).content.decode()

    talk.refresh_from_db()
    assert (talk.assignee, talk.labels) == (None, [])
    assert (f'<option value="{alice.user.pk}" selected' in page, "taxes, xxx" in page) == (True, True)


def test_an_answer_to_what_was_not_read_yet_stays_in_the_field(alice: Person, account: Account) -> None:
    talk = wrote(account)
    seen = re.findall(r'name="seen" value="([^"]+)"', alice.see(f"/inbox/{talk.pk}"))
    take_mail(account, letter("И къде?", sender="i1@example.bg", Message_ID="<again@x>"))
    assert seen == [seen[0]] * 2  # to answer and to close
    answer = alice.post(f"/inbox/{talk.pk}/answer", text="До 30 април.", seen=seen[0])
    page = answer.content.decode()
    shown = ("До 30 април.</textarea>" in page, "И къде?" in page, "the person wrote again" in page)
    assert (answer.status_code, shown, Notice.objects.count()) == (422, (True,) * 3, 0)

    alice.post(f"/inbox/{talk.pk}/close", seen=seen[0])
    assert Conversation.objects.get().state == "waiting"


def test_the_page_fetches_no_file_and_no_html(alice: Person, account: Account) -> None:
    reply = take_mail(account, with_files(("a.pdf", b"%PDF-1.7")))
    assert reply is not None
    reply.refresh_from_db()
    with CaptureQueriesContext(connection) as queries:
        page = alice.see(f"/inbox/{reply.conversation_id}")
    told = ("a.pdf" in page, f"/inbox/replies/{reply.pk}.html" in page)
    fetched = [each["sql"] for each in queries if '"content",' in each["sql"] or '"html",' in each["sql"]]
    assert (told, fetched) == ((True, True), [])


def test_home_says_who_waits_for_an_answer(
    alice: Person, member: Any, ministry: Organisation, account: Account
) -> None:
    assert "waits for an answer" not in alice.see("/")
    for number in (1, 2):
        wrote(account, number=number)
    page = alice.see("/")
    assert ("2 people wait for an answer" in page, "the time to answer is over" in page) == (True, False)
    Conversation.objects.update(due_at=clock.now())
    assert "For the first of them the time to answer is over." in alice.see("/")
    assert "wait for an answer" not in member("Dora", ministry, Role.ANALYST).see("/")


def test_a_label_leads_to_all_that_have_it(alice: Person, account: Account) -> None:
    talks = [wrote(account, number=number) for number in (1, 2)]
    alice.post(f"/inbox/{talks[0].pk}/sort", labels="Такси & данъци")
    link = re.search(r'class="o-tag" href="([^"]+)"', alice.see(f"/inbox/{talks[0].pk}"))
    assert link is not None
    page = alice.see(unescape(link[1]))
    assert ("i1@example.bg" in page, "i2@example.bg" in page, "With the label" in page) == (True, False, True)
    assert "No conversation here has this label." in alice.see("/inbox?view=mine&label=x")


def test_a_character_that_cannot_be_kept_is_left_out_of_what_is_typed(alice: Person, account: Account) -> None:
    talk = wrote(account)
    alice.post(f"/inbox/{talk.pk}/sort", labels="sro\0k, x", assignee="")
    alice.post("/inbox/ready/keep", name="Sro\0k", text="Do 30\0 april")
    alice.post(f"/inbox/{talk.pk}/answer", text="Do\0 30 april")
    talk.refresh_from_db()
    assert (talk.labels, CannedAnswer.objects.values_list("name", "text").get()) == (
        ["srok", "x"],
        ("Srok", "Do 30 april"),
    )
    assert list(talk.answers.values_list("text", flat=True)) == ["Do 30 april"]
