from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from outreach.core.errors import Forbidden, Invalid, NotFound

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio

SMTP: dict[str, Any] = {"host": "mail.example.bg", "port": "587", "security": "starttls", "sender": "n@example.bg"}


@pytest.fixture
def studio(db: None) -> Studio:
    from tests.campaigns.studio import Studio

    return Studio()


def test_secrets_go_in_and_only_adapters_see_them(studio: Studio) -> None:
    from outreach.delivery.accounts import create_account
    from outreach.delivery.adapters import plain_account

    account = create_account(
        studio.administrator,
        adapter="smtp",
        name="Поща",
        settings={
            **SMTP,
            "username": "me",
            "password": "secret",
            "imap": {"host": "imap.example.bg", "username": "me", "password": "hidden"},
        },
    )
    account.refresh_from_db()
    assert (account.channel, account.unknown_policy, account.settings["port"]) == ("email", "resend", 587)
    assert "secret" not in str(account.settings)
    assert "hidden" not in str(account.settings)
    plain = plain_account(account).settings
    assert (plain["password"], plain["imap"]["password"], plain["imap"]["port"]) == ("secret", "hidden", 993)
    assert len(account.hook_key) >= 30


@pytest.mark.parametrize(
    ("adapter", "settings", "fields"),
    [
        ("smpt", {}, {"adapter": ["There is no “smpt”. Did you mean “smtp”?"]}),
        ("smtp", {**SMTP, "hots": "x"}, {"settings/hots": ["There is no “hots”. Did you mean “host”?"]}),
        ("smtp", {**SMTP, "port": "many"}, {"settings/port": ["This must be a whole number."]}),
        ("smtp", {**SMTP, "host": ""}, {"settings/host": ["This must not be empty."]}),
        ("smtp", {**SMTP, "host": "a\r\nb"}, {"settings/host": ["This must be one line."]}),
        (
            "twilio",
            {"account_sid": "AC1", "sender": "+359880000000"},
            {"settings/auth_token": ["This must not be empty."]},
        ),
    ],
)
def test_each_bad_setting_is_named(
    studio: Studio, adapter: str, settings: dict[str, Any], fields: dict[str, list[str]]
) -> None:
    from outreach.delivery.accounts import create_account

    with pytest.raises(Invalid) as caught:
        create_account(studio.administrator, adapter=adapter, name="x", settings=settings)
    assert caught.value.facts["fields"] == fields


def test_a_secret_left_empty_stays(studio: Studio) -> None:
    from outreach.delivery.accounts import change_account, create_account
    from outreach.delivery.adapters import plain_account

    account = create_account(
        studio.administrator, adapter="smtp", name="a", settings={**SMTP, "username": "me", "password": "secret"}
    )
    change_account(studio.administrator, account, settings={"password": "", "host": "new.example.bg"}, name="b")
    account.refresh_from_db()
    plain = plain_account(account).settings
    assert (account.name, plain["host"], plain["password"], plain["sender"]) == (
        "b",
        "new.example.bg",
        "secret",
        "n@example.bg",
    )


def test_a_name_is_used_once(studio: Studio) -> None:
    from outreach.delivery.accounts import create_account

    studio.account(organisation=studio.town, name="a")
    with pytest.raises(Invalid) as caught:
        create_account(studio.administrator, adapter="smtp", name=" a ", settings=SMTP)
    assert list(caught.value.facts["fields"]) == ["name"]


def test_only_who_manages_accounts_may(studio: Studio) -> None:
    from outreach.delivery.accounts import change_account, create_account

    with pytest.raises(Forbidden):
        create_account(studio.publisher, adapter="smtp", name="x", settings=SMTP)
    with pytest.raises(Forbidden):
        change_account(studio.publisher, studio.account(), name="x")


def test_pause_raises_an_alert_and_resume_resolves_it(studio: Studio) -> None:
    from outreach.core.models import Alert
    from outreach.delivery.accounts import pause_account, resume_account

    account = studio.account()
    pause_account(account, "Паролата не е приета.")
    alert = Alert.objects.get()
    account.refresh_from_db()
    assert (account.state, account.trouble, alert.code, alert.resolved_at) == (
        "paused",
        "Паролата не е приета.",
        "account_paused",
        None,
    )
    resume_account(studio.administrator, account)
    account.refresh_from_db()
    alert.refresh_from_db()
    assert (account.state, account.trouble, alert.resolved_at is not None) == ("active", "", True)


def test_every_adapter_is_described() -> None:
    from outreach.delivery.adapters import adapter_names, describe

    described = {name: describe(name).channel for name in adapter_names()}
    assert {"smtp": "email", "sendgrid": "email", "twilio": "sms", "x": "social", "feed": "feed"}.items() <= (
        described.items()
    )


def test_an_unknown_adapter_is_not_found() -> None:
    from outreach.delivery.adapters import describe

    with pytest.raises(NotFound) as caught:
        describe("sendgird")
    assert str(caught.value.message) == "There is no “sendgird”. Did you mean “sendgrid”?"


def test_a_session_opens_and_needs_no_database_while_sending(studio: Studio) -> None:
    from channels.base import Message, OutcomeKind
    from outreach.delivery.adapters import session_for

    account = studio.account("feed")
    with session_for(account.pk) as session:
        outcomes = list(session.send([Message(id="1-1", to="", text="x")]))
    assert [(outcome.id, outcome.kind) for outcome in outcomes] == [("1-1", OutcomeKind.ACCEPTED)]
    with pytest.raises(NotFound):
        session_for(0)


def test_limits_are_read_and_a_ramp_ends_with_an_empty_one(studio: Studio) -> None:
    from outreach.delivery.accounts import change_account, create_account

    account = create_account(
        studio.administrator,
        adapter="smtp",
        name="Поща",
        settings=SMTP,
        domain_rates={"Абв.бг": 60, "*": 600},
        warm_up={"starts_on": "2026-11-23", "first_day": 100},
    )
    account.refresh_from_db()
    assert account.domain_rates == {"xn--80acd.xn--90ae": 60, "*": 600}
    assert account.warm_up == {"starts_on": "2026-11-23", "first_day": 100, "growth": 1.5, "days": 30}

    change_account(studio.administrator, account, rate_per_minute=7)
    account.refresh_from_db()
    assert (account.domain_rates["*"], account.warm_up["days"]) == (600, 30)

    change_account(studio.administrator, account, domain_rates={}, warm_up={})
    account.refresh_from_db()
    assert (account.domain_rates, account.warm_up) == ({}, {})


def test_limits_that_make_no_sense_are_refused_each_at_its_place(studio: Studio) -> None:
    from outreach.delivery.accounts import create_account

    with pytest.raises(Invalid) as refused:
        create_account(
            studio.administrator,
            adapter="smtp",
            name="Поща",
            settings=SMTP,
            domain_rates={"abv": 60, "abv.bg": 0, "ok.bg": 5},
            warm_up={"first_day": 0, "growth": 0.5, "days": 0},
        )
    assert sorted(refused.value.fields) == [
        "domain_rates/abv",
        "domain_rates/abv.bg",
        "warm_up/days",
        "warm_up/first_day",
        "warm_up/growth",
    ]
