"""The page of notices: what was told to whom, what waits for somebody, and for whom it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outreach.campaigns.models import Campaign, NoticeTemplate, Run
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.models import Account, Alert, AuditEntry, Organisation
from outreach.delivery.models import Delivery, Notice
from outreach.delivery.notice_call import NoticeCall
from outreach.delivery.notice_templates import create_template
from outreach.delivery.notices import send_notice
from outreach.delivery.runs import hold_run
from outreach.events.feedback import Feedback
from tests.web.console.conftest import Person

TEXT = {"channel": "email", "language": "en", "subject": "Permit {{ data.number }}", "body": "Fetch it."}


def a_template(organisation: Organisation, slug: str = "permit") -> None:
    wanted = {"slug": slug, "name": f"The {slug}", "lawful_basis": "public_task", "contents": [TEXT]}
    create_template(product_itself(organisation), wanted)


def a_notice(organisation: Organisation, number: int = 1, *, template: str = "permit") -> Notice:
    if not Account.objects.exists():
        Account.objects.create(
            organisation=organisation, adapter="smtp", channel="email", name="Mail", unknown_policy="resend",
            settings={"sender": "a@example.org"}, hook_key="key",
        )  # fmt: skip
    to = {"channel": "email", "value": f"person{number}@example.org"}
    call = NoticeCall(to=to, template=template, data={"number": number})
    return send_notice(product_itself(organisation), call)


@pytest.fixture(autouse=True)
def a_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach.core import queue

    monkeypatch.setattr(queue, "_publish", lambda *_: None)


def test_an_empty_page_says_what_to_do_next(alice: Person) -> None:
    page = alice.see("/notices")

    assert "No notice yet" in page
    assert ("the computer system of a service sends it" in page, 'href="/api/docs#Notices"' in page) == (True, True)


def test_the_page_speaks_bulgarian(alice: Person) -> None:
    a_template(alice.organisation)
    a_notice(alice.organisation)
    alice.user.language = "bg"
    alice.user.save()

    page = alice.see("/notices")

    assert ("Известия" in page, "Задача от обществен интерес" in page, "Notices" in page) == (True, True, False)


def test_a_notice_shows_its_fate_and_opens_its_receipt(alice: Person) -> None:
    a_template(alice.organisation)
    notice = a_notice(alice.organisation)
    Delivery.objects.filter(run=notice.run_id, id=notice.delivery).update(state="skipped", reason="suppressed")

    page = alice.see("/notices")
    receipt = alice.see(f"/deliveries/{notice.run_id}-{notice.delivery}")

    for words in ("The permit", "p•••••1@example.org", "Skipped", "The address is on the suppression list"):
        assert words in page
    assert f'href="/deliveries/{notice.run_id}-{notice.delivery}"' in page
    assert ("E-mail to person1@example.org" in receipt, 'href="/notices"' in receipt) == (True, True)


def test_the_page_asks_as_often_for_three_as_for_one(alice: Person) -> None:
    a_template(alice.organisation)
    a_notice(alice.organisation)
    alice.see("/notices")
    with CaptureQueriesContext(connection) as for_one:
        alice.see("/notices")
    for number in (2, 3):
        a_template(alice.organisation, f"permit-{number}")
        a_notice(alice.organisation, number, template=f"permit-{number}")
    for run in Run.objects.all():
        hold_run(run.pk, {"code": "away"})
        Run.objects.filter(pk=run.pk).update(state="running")

    with CaptureQueriesContext(connection) as for_three:
        page = alice.see("/notices")

    assert (page.count('href="/deliveries/'), page.count("The permit")) == (3, 6)
    assert len(for_three) == len(for_one)


def test_who_may_publish_lets_a_held_day_go_on_or_cancels_it(alice: Person, bob: Person) -> None:
    a_template(alice.organisation)
    kept, dropped = a_notice(alice.organisation), None
    hold_run(kept.run_id, {"code": "away"})
    dropped = a_notice(alice.organisation, 2)
    hold_run(dropped.run_id, {"code": "away"})
    assert alice.see("/notices").count("Let them go on") == 2
    assert alice.see("/").count('href="/notices"') >= 3  # the navigation, and both alerts

    bob.post(f"/notices/runs/{kept.run_id}/resume")
    assert Run.objects.get(pk=kept.run_id).state == "held"
    alice.post(f"/notices/runs/{kept.run_id}/resume")
    alice.post(f"/notices/runs/{dropped.run_id}/cancel")

    states = dict(Run.objects.values_list("pk", "state"))
    assert states == {kept.run_id: "running", dropped.run_id: "cancelling"}
    assert Alert.objects.filter(resolved_at=None).count() == 0
    wanted = ["notices.resumed", "notices.cancelled"]
    assert list(AuditEntry.objects.filter(noun="run").order_by("pk").values_list("action", flat=True)) == wanted


def test_a_stranger_sees_and_stops_nothing(alice: Person, charlie: Person, member: Callable[..., Any]) -> None:
    a_template(alice.organisation)
    notice = a_notice(alice.organisation)
    hold_run(notice.run_id, {"code": "away"})

    page = charlie.see("/notices")
    answers = [charlie.post(f"/notices/runs/{notice.run_id}/{verb}").status_code for verb in ("resume", "cancel")]

    assert ("No notice yet" in page, "The permit" in page) == (True, False)
    assert answers == [404, 404]
    charlie.see(f"/deliveries/{notice.run_id}-{notice.delivery}", status=404)
    assert Run.objects.get().state == "held"


def test_answers_to_notices_have_a_page_by_template_and_a_file(alice: Person, bob: Person, charlie: Person) -> None:
    for number, slug in enumerate(("permit", "appointment")):
        a_template(alice.organisation, slug)
        notice = a_notice(alice.organisation, number, template=slug)
        for question, value, text in (("satisfied", 5 - number, ""), ("words", None, f"=Words of {slug}")):
            Feedback.objects.create(
                organisation=alice.organisation, run=notice.run, question=question, value=value, text=text,
                channel="email", language="en", source="page", at=clock.now(),
            )  # fmt: skip
    campaign = Campaign.objects.create(organisation=alice.organisation, name="Other")
    Feedback.objects.create(
        organisation=alice.organisation,
        campaign=campaign,
        question="satisfied",
        value=1,
        channel="email",
        at=clock.now(),
    )
    permit = NoticeTemplate.objects.get(slug="permit")
    whole, one = alice.see("/notices/answers"), alice.see(f"/notices/answers?template={permit.pk}")
    lines = alice.see(f"/notices/answers?template={permit.pk}&file=csv").splitlines()

    assert f"/notices/answers?template={permit.pk}" in alice.see("/notices")
    assert "Of 2 people who answered, 2 are satisfied" in whole
    assert ("Of 1 person who answered, 1 is satisfied" in one, "Words of appointment" in one) == (True, False)
    assert [line.split(",")[1:6] for line in lines[1:]] == [
        ["The permit", "", "words", "", "'=Words of permit"],
        ["The permit", "", "satisfied", "5", ""],
    ]
    assert "Nobody answered yet" in bob.see("/notices/answers")
    assert [
        who.client.get(f"/notices/answers?template={key}").status_code
        for who, key in ((charlie, permit.pk), (alice, "x"), (alice, 999))
    ] == [404, 404, 404]
