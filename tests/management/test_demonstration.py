from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from outreach.audience.csv_reader import inspect_file
from outreach.audience.models import Import, Subscriber, Topic
from outreach.audience.rule_words import meant_in_words
from outreach.audience.segment_people import count_people
from outreach.audience.segments import rule_of
from outreach.campaigns.models import Campaign, Run, Service
from outreach.core.models import Account, Installation, Membership, Organisation, User
from outreach.delivery.check import check_ledger
from outreach.delivery.review import review
from outreach.effectiveness.report import report
from outreach.management import demo_place, demonstration, demonstration_campaigns, demonstration_segments
from outreach.management.demonstration_people import make_files


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = demo_place.free_ports(5)
    names = ("smtp", "phone", "social", "sendgrid", "imap")
    monkeypatch.setattr(settings, "SANDBOX_PORTS", {name: first + step for step, name in enumerate(names)})
    monkeypatch.setattr(settings, "DATA", tmp_path)


def states() -> dict[str, str]:
    return {campaign.name: campaign.state for campaign in Campaign.objects.all()}


@pytest.mark.django_db
def test_it_is_laid_out_whole_and_once(ports: None) -> None:
    done = [demonstration.lay_out(subscribers=120) for _time in range(2)]

    assert done == [True, True]
    assert [(node.slug, node.parent.slug if node.parent else "") for node in Organisation.objects.all()] == [
        ("council", ""),
        ("coordination", "council"),
        ("information-council", "coordination"),
        ("ministry-transport", "information-council"),
        ("ministry-health", "information-council"),
        ("region-plovdiv", "information-council"),
        ("municipality-plovdiv", "information-council"),
        ("municipality-varna", "information-council"),
        ("municipality-gabrovo", "information-council"),
    ]
    assert set(Organisation.objects.values_list("approval", flat=True)) == {"four_eyes"}
    assert Subscriber.objects.count() == 120
    assert {job.state for job in Import.objects.all()} == {"done"}
    assert all(job.rows == job.created + job.updated + job.unchanged + job.rejected for job in Import.objects.all())
    assert Subscriber.objects.filter(kind="partner").count() == 2
    assert states() == {
        demonstration_campaigns.MAIN["name"]: "approved",
        demonstration_campaigns.TRAINING["name"]: "approved",
        demonstration_campaigns.TAXES["name"]: "scheduled",
        demonstration_campaigns.REPORTS["name"]: "submitted",
        demonstration_campaigns.IDENTIFICATION["name"]: "draft",
        demonstration_segments.REMINDER["name"]: "draft",
    }
    assert set(Account.objects.values_list("adapter", "is_sandbox")) == {
        (name, True) for name in ("smtp", "sendgrid", "twilio", "x", "feed")
    }
    assert Topic.objects.filter(slug__in=["e-services-citizens", "e-services-business"]).count() == 2
    assert Service.objects.count() >= 8
    assert all(User.objects.get(email=entry).check_password(demonstration.PASSWORD) for entry in (_first_user(),))
    assert Membership.objects.count() >= 6


def _first_user() -> str:
    return str(User.objects.earliest("pk").email)


@pytest.mark.django_db
def test_every_text_of_it_passes_the_review(ports: None) -> None:
    demonstration.lay_out(subscribers=120)

    found = {
        campaign.name: [problem.message for problem in review(campaign).problems if problem.severity == "error"]
        for campaign in Campaign.objects.exclude(state="draft")
    }

    assert found == {name: [] for name, state in states().items() if state != "draft"}


@pytest.mark.django_db
def test_an_installation_that_is_somebodys_own_is_left_alone(ports: None) -> None:
    Organisation.objects.create(slug="ours", name={"bg": "Наша"})

    demonstration.load(subscribers=120)

    assert list(Organisation.objects.values_list("slug", flat=True)) == ["ours"]
    assert Installation.objects.get(pk=1).demonstration_at is None


@pytest.mark.django_db(transaction=True)
def test_loading_sends_a_past_campaign_for_real_and_starts_the_one_that_moves(
    ports: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Installation.objects.get_or_create(pk=1)
    monkeypatch.setattr("outreach.core.queue._publish", lambda *_message: None)
    monkeypatch.setattr("outreach.management.demonstration_past.embedded_url", lambda _data: _test_database())

    for _time in range(2):
        demonstration.load(subscribers=60)

    past = demonstration.find_campaign(demonstration_campaigns.TRAINING)
    checked = check_ledger(past)
    assert (checked.adds_up, set(checked.primary)) == (True, {"accepted"})
    found = {line.name: line for line in report(past).channels}
    assert found["email"].opened > 0
    assert (past.state, demonstration.find_campaign(demonstration_campaigns.MAIN).state) == ("finished", "running")
    assert Run.objects.count() == 2
    _reminder_goes_to_those_who_followed_no_link(past)


def _reminder_goes_to_those_who_followed_no_link(past: Campaign) -> None:
    reminder = demonstration.find_campaign(demonstration_segments.REMINDER)
    quiet, pilot = reminder.segment, reminder.excluded_segments.get()
    assert quiet is not None
    with override("bg"):
        said = meant_in_words([rule_of(quiet)], [rule_of(pilot)])
    email = next(line for line in report(past).channels if line.name == "email")

    assert said == (
        "Хора, които са получили съобщение от кампанията „Покана за обучение: работа с електронни услуги“ и които не са"
        " последвали връзка от съобщение от кампанията „Покана за обучение: работа с електронни услуги“. Без: хора,"
        " които са в моментната снимка „Пилотна група: служители на гише“."
    )
    assert 0 < count_people(quiet.organisation, rule_of(quiet)).count < email.accepted
    assert [problem.message for problem in review(reminder).problems if problem.severity == "error"] == []


def _test_database() -> str:
    from django.db import connections

    known = connections["default"].get_connection_params()
    return f"postgresql://{known.get('user', '')}@/{known['dbname']}?host={known.get('host', '')}"


def test_files_are_of_real_shapes_and_always_the_same() -> None:
    files = make_files(1000)

    forms = [(file.name, inspect_file(io.BytesIO(file.content))) for file in files]
    assert [(name, form.encoding, form.delimiter) for name, form in forms] == [
        ("grazhdani.csv", "cp1251", ";"),
        ("firmi.csv", "utf-8-sig", ";"),
        ("officials.csv", "utf-8-sig", ","),
        ("danaci-plovdiv.csv", "utf-8-sig", "\t"),
    ]
    assert files == make_files(1000)
    assert b"\nul" not in files[0].content
    assert "\nул.".encode() in files[1].content  # a line break inside a quoted cell


def test_free_ports_are_in_a_row_and_free() -> None:
    first = demo_place.free_ports(3)

    for port in range(first, first + 3):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
