from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from outreach.audience.consent_chain import ConsentDay
from outreach.audience.consent_proof import public_key
from outreach.core.models import AuditEntry
from outreach.core.vocabulary import SubscriptionState
from outreach.delivery import tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.models import Event
from tests.events.conftest import Sent, make_sent

pytestmark = [pytest.mark.django_db, pytest.mark.urls("outreach.web.public.urls")]

CONTENT = {
    "channel": "email",
    "language": "bg",
    "variant": "",
    "format": "markdown",
    "subject": "Данъци за {{ subscriber.name }}",
    "body": "Здравейте, {{ subscriber.name }}!\n\n[Платете тук](https://pay.example.bg)\n\n{{ unsubscribe_url }}",
    "account": 1,
}


@pytest.fixture
def sent() -> Sent:
    return make_sent()


def link(sent: Sent, kind: TokenKind = TokenKind.PERSON, **changes: Any) -> str:
    told = {"run": sent.run.pk, "delivery": sent.delivery, "channel": "email", "language": "bg"}
    return tokens.make(Token(kind=kind, **{**told, **changes}))


def wanted(sent: Sent) -> list[tuple[str, str]]:
    rows = sent.subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    return sorted(rows.values_list("topic__slug", "channel"))


def test_the_unsubscribe_page_asks_and_changes_nothing(client: Client, sent: Sent) -> None:
    answer = client.get(f"/u/{link(sent)}", headers={"accept-language": "en"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert answer["Content-Language"] == "bg"
    assert "Местни данъци" in page
    assert "Община Пловдив" in page
    assert "ivana@example.bg" not in page
    assert "Set-Cookie" not in answer
    assert wanted(sent) == [("schools", "email"), ("taxes", "email")]


def test_the_page_speaks_the_other_language_when_asked(client: Client, sent: Sent) -> None:
    page = client.get(f"/u/{link(sent)}?language=en").content.decode()
    assert "Local taxes" in page
    assert '<html lang="en">' in page


@pytest.mark.parametrize(
    ("form", "left", "reason", "source"),
    [
        ({"scope": "topics"}, [("schools", "email")], "topics", "page"),
        ({"scope": "all"}, [], "all", "page"),
        ({}, [("schools", "email")], "topics", "one_click"),
        ({"scope": "nonsense"}, [("schools", "email")], "topics", "page"),
    ],
)
def test_the_page_unsubscribes_once(
    client: Client, sent: Sent, form: dict[str, str], left: Any, reason: str, source: str
) -> None:
    for _ in range(2):
        assert client.post(f"/u/{link(sent)}", form).status_code == 200
    assert wanted(sent) == left
    assert list(Event.objects.values_list("kind", "reason", "source", "delivery")) == [
        ("unsubscribed", reason, source, sent.delivery)
    ]


@pytest.mark.parametrize("path", ["u", "p", "v"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_bad_token_gets_a_page_that_explains(client: Client, db: None, path: str, method: str) -> None:
    answer = getattr(client, method)(f"/{path}/nonsense")
    assert answer.status_code == (405 if (path, method) == ("v", "post") else 404)


def test_a_token_of_another_message_does_not_open_the_page(client: Client, sent: Sent) -> None:
    assert client.get(f"/u/{link(sent, delivery=sent.delivery + 1)}").status_code == 404
    assert client.get(f"/u/{link(sent, TokenKind.CLICK)}").status_code == 404


def test_an_erased_person_is_told_that_nothing_is_kept(client: Client, sent: Sent) -> None:
    sent.subscriber.erased_at = sent.subscriber.created_at
    sent.subscriber.save()
    answer = client.get(f"/p/{link(sent)}?language=en")
    assert (answer.status_code, "Nothing to change here" in answer.content.decode()) == (200, True)


def test_preferences_show_what_is_chosen_with_masked_addresses(client: Client, sent: Sent) -> None:
    page = client.get(f"/p/{link(sent)}").content.decode()
    assert page.count('type="checkbox" name="topic-') == 2
    assert page.count('value="email" checked') == 2
    assert "ivana@example.bg" not in page
    assert "i•••••a@example.bg" in page


def test_preferences_are_saved_as_consent(client: Client, sent: Sent) -> None:
    form = {f"topic-{sent.other_topic.pk}": "email", "language": "en"}
    for _ in range(2):
        answer = client.post(f"/p/{link(sent)}?language=en", form)
        assert (answer.status_code, "Saved." in answer.content.decode()) == (200, True)
    sent.subscriber.refresh_from_db()
    assert wanted(sent) == [("schools", "email")]
    assert (sent.subscriber.language, sent.subscriber.is_measured) == ("en", False)
    recorded = sent.subscriber.consents.order_by("pk").values_list("purpose", "topic__slug", "action", "source")
    assert list(recorded) == [
        ("topic", "taxes", "withdrawn", "preferences"),
        ("measurement", None, "withdrawn", "preferences"),
    ]
    shown = sent.subscriber.consents.values_list("text_version", "language").distinct()
    assert list(shown) == [("preferences-1", "en")]


def test_preferences_give_consent_again(client: Client, sent: Sent) -> None:
    client.post(f"/u/{link(sent)}", {"scope": "all"})
    form = {f"topic-{sent.topic.pk}": ["email", "sms", "feed"], "measured": "yes", "language": "bg"}
    client.post(f"/p/{link(sent)}", form)
    assert wanted(sent) == [("taxes", "email")]
    given = sent.subscriber.consents.get(action="given")
    assert (given.source, given.text_version, given.channel) == ("preferences", "preferences-1", "email")


def test_how_often_is_chosen_by_topic_and_channel(client: Client, sent: Sent) -> None:
    field, other = (f"often-{topic.pk}-email" for topic in (sent.topic, sent.other_topic))
    form = {f"topic-{sent.topic.pk}": "email", field: "weekly", other: "daily", "often-x-email": "daily"}
    for word in ("weekly", "hourly"):
        assert client.post(f"/p/{link(sent)}", {**form, field: word, "language": "bg"}).status_code == 200
    kept = sent.subscriber.subscriptions.order_by("topic__slug").values_list("topic__slug", "state", "frequency")
    assert list(kept) == [("schools", "unsubscribed", None), ("taxes", "subscribed", 7)]
    page = client.get(f"/p/{link(sent)}?language=en").content.decode()
    assert (page.count('value="weekly" selected'), page.count('value="immediate" selected')) == (1, 1)
    assert AuditEntry.objects.get(action="subscriber.frequency").facts == {
        "frequencies": {"weekly": [f"{sent.topic.pk}/email"]}
    }


def test_a_button_chooses_all_of_a_branch(client: Client, sent: Sent) -> None:
    sent.other_topic.parent = sent.topic
    sent.other_topic.save()
    client.post(f"/u/{link(sent)}", {"scope": "all"})
    page = client.get(f"/p/{link(sent)}?language=en").content.decode()
    assert f'name="branch" value="{sent.topic.pk}"' in page
    client.post(f"/p/{link(sent)}", {"branch": str(sent.topic.pk), "language": "bg"})
    assert wanted(sent) == [("schools", "email"), ("taxes", "email")]
    for nothing in ("x", "999999", "²"):
        client.post(f"/p/{link(sent)}", {"branch": nothing, "language": "bg"})
        assert wanted(sent) == []


def in_days(days: int) -> str:
    return (timezone.localdate(timezone=ZoneInfo("Europe/Sofia")) + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("form", "days"),
    [({"pause": "week"}, 7), ({"pause": "date", "pause_until": 30}, 30), ({"pause": "", "pause_until": 9}, 9)],
)
def test_a_pause_begins_on_the_page_and_ends_there(client: Client, sent: Sent, form: dict[str, Any], days: int) -> None:
    kept = {f"topic-{sent.topic.pk}": "email", "language": "bg"}
    asked = {name: in_days(value) if isinstance(value, int) else value for name, value in form.items()}
    for saved in (asked, {"pause": "keep"}, {}):
        assert client.post(f"/p/{link(sent)}", {**kept, **saved}).status_code == 200
    sent.subscriber.refresh_from_db()
    until = sent.subscriber.paused_until
    assert until
    assert timezone.localtime(until, ZoneInfo("Europe/Sofia")).date().isoformat() == in_days(days)
    page = client.get(f"/p/{link(sent)}?language=en").content.decode()
    assert 'value="keep" checked' in page
    client.post(f"/p/{link(sent)}", {**kept, "pause": ""})
    sent.subscriber.refresh_from_db()
    assert sent.subscriber.paused_until is None
    assert 'name="pause" value="" checked' in client.get(f"/p/{link(sent)}").content.decode()
    done = AuditEntry.objects.filter(noun_id=str(sent.subscriber.pk), action__startswith="subscriber.").order_by("pk")
    assert list(done.values_list("action", flat=True))[-2:] == ["subscriber.paused", "subscriber.resumed"]


@pytest.mark.parametrize(
    ("pause", "sentence"),
    [
        ({"pause": "date", "pause_until": "2020-01-01"}, "still to come"),
        ({"pause": "date", "pause_until": "9999-12-31"}, "at most a year"),
        ({"pause": "date", "pause_until": "soon"}, "YYYY-MM-DD"),
        ({"pause": "date", "pause_until": ""}, "YYYY-MM-DD"),
        ({"pause": "for ever"}, "how long"),
    ],
)
def test_a_pause_that_cannot_be_saves_nothing_and_keeps_what_was_marked(
    client: Client, sent: Sent, pause: dict[str, str], sentence: str
) -> None:
    before = wanted(sent)
    answer = client.post(f"/p/{link(sent)}?language=en", {"measured": "yes", "language": "en", **pause})
    page = answer.content.decode()
    sent.subscriber.refresh_from_db()
    assert (answer.status_code, wanted(sent), sent.subscriber.language) == (422, before, "bg")
    assert (sentence in page, 'name="measured" value="yes" checked' in page) == (True, True)
    assert 'value="email" checked' not in page


def test_quiet_hours_are_said_on_the_page(client: Client, sent: Sent) -> None:
    kept = {f"topic-{sent.topic.pk}": "email", "language": "bg"}
    seen = []
    for form in ({"quiet_from": "22:00", "quiet_to": "07:30"}, {}, {"quiet_from": "22:00", "quiet_to": ""}):
        answer = client.post(f"/p/{link(sent)}?language=en", {**kept, **form})
        sent.subscriber.refresh_from_db()
        seen.append((answer.status_code, sent.subscriber.quiet_from, sent.subscriber.quiet_to))
    assert seen == [(200, 1320, 450), (200, 1320, 450), (422, 1320, 450)]
    assert 'id="problem-quiet_to"' in answer.content.decode()
    page = client.get(f"/p/{link(sent)}").content.decode()
    assert ('value="22:00"' in page, 'value="07:30"' in page) == (True, True)
    client.post(f"/p/{link(sent)}", {**kept, "quiet_from": "", "quiet_to": ""})
    sent.subscriber.refresh_from_db()
    assert (sent.subscriber.quiet_from, sent.subscriber.quiet_to) == (None, None)


def test_a_stranger_s_topic_cannot_be_chosen(client: Client, sent: Sent) -> None:
    from outreach.audience.models import Topic
    from outreach.core.models import Organisation

    varna = Organisation.objects.create(slug="varna", name={"bg": "Варна"})
    theirs = Topic.objects.create(organisation=varna, slug="sea", name={"bg": "Море"})
    client.post(
        f"/p/{link(sent)}", {f"topic-{theirs.pk}": "email", "topic-x": "email", f"topic-{sent.topic.pk}": "email"}
    )
    assert wanted(sent) == [("taxes", "email")]


@pytest.mark.parametrize(
    ("written", "kept"),
    [("  твърде често\0 ", "твърде често"), (" ", None), ("я" * 600, "я" * 500)],
)
def test_a_reason_is_kept_with_the_withdrawal(client: Client, sent: Sent, written: str, kept: str | None) -> None:
    client.post(f"/u/{link(sent)}", {"scope": "topics", "reason": written})
    told = {"delivery": f"{sent.run.pk}-{sent.delivery}"}
    assert sent.subscriber.consents.get().evidence == (told if kept is None else {**told, "reason": kept})


def test_why_tells_topic_consent_and_sender(client: Client, sent: Sent) -> None:
    given = {"topic": sent.topic, "channel": "email", "action": "given", "source": "form"}
    before, after = sent.run.as_of - timedelta(days=9), sent.run.as_of + timedelta(days=1)
    sent.subscriber.consents.create(**given, text_version="form-3", at=before)
    sent.subscriber.consents.create(**{**given, "channel": "sms"}, text_version="sms-1", at=before)
    sent.subscriber.consents.create(**given, text_version="form-4", at=after)
    sent.subscriber.consents.create(**{**given, "topic": sent.other_topic}, text_version="other", at=before)
    sent.run.frozen = {**sent.run.frozen, "senders": {str(sent.account.pk): {"sender": "news@plovdiv.example"}}}
    sent.run.save()
    page = client.get(f"/p/{link(sent)}/why?language=en").content.decode()
    for words in ("Local taxes", "You agreed on", "form-3", "news@plovdiv.example", "i•••••a@example.bg", "E-mail"):
        assert words in page
    for words in ("form-4", "sms-1", "other", "Kindergartens", "ivana@example.bg"):
        assert words not in page
    assert client.post(f"/p/{link(sent)}/why").status_code == 405


def test_why_says_where_no_consent_is_recorded_and_on_which_duty_a_notice_rests(client: Client, sent: Sent) -> None:
    page = client.get(f"/p/{link(sent)}/why?language=en").content.decode()
    assert ("We hold no record" in page, "Sent without a consent" in page) == (True, False)
    sent.run.frozen = {"topics": [], "notice": {"lawful_basis": "contract"}}
    sent.run.save()
    page = client.get(f"/p/{link(sent)}/why?language=en").content.decode()
    assert ("We hold no record" in page, "A contract with the person" in page) == (False, True)


@pytest.mark.parametrize("path", ["u", "p"])
def test_pages_ask_a_bounded_number_of_questions(
    client: Client, sent: Sent, path: str, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(9):
        client.get(f"/{path}/{link(sent)}")


def test_view_in_browser_is_the_person_s_message_and_cannot_run(client: Client, sent: Sent) -> None:
    sent.run.frozen = {
        **sent.run.frozen,
        "campaign": {"id": 1, "name": "x", "goal": "knows"},
        "organisation": {"id": 1, "slug": "plovdiv", "name": {"bg": "Пловдив"}, "timezone": "Europe/Sofia"},
        "contents": [CONTENT],
        "fallback_language": "bg",
        "services": [],
    }
    sent.run.save()
    answer = client.get(f"/v/{link(sent, TokenKind.VIEW)}")
    assert answer.status_code == 200
    assert "Здравейте, Ивана Петрова!" in answer.content.decode()
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "script-src" not in answer["Content-Security-Policy"]


def test_archive_without_anything_published(client: Client, sent: Sent) -> None:
    page = client.get("/archive/?language=en").content.decode()
    assert "Local taxes" in page
    answer = client.get("/archive/taxes?language=en")
    assert (answer.status_code, "Nothing has been published" in answer.content.decode()) == (200, True)
    assert client.get("/archive/nothing").status_code == 404


def test_the_archive_publishes_the_roots_of_the_record_of_consents(client: Client) -> None:
    root = hashlib.sha256(b"a day").digest()
    ConsentDay.objects.create(day="2026-11-23", previous=bytes(32), root=root, first_block=1, last_block=3)

    page = client.get("/archive/consent-ledger?language=en").content.decode()

    assert "/archive/consent-ledger" in client.get("/archive/?language=en").content.decode()
    assert (root.hex() in page, public_key() in page, 'id="d2026-11-23"' in page) == (True, True, True)


def test_readyz_and_metrics_say_how_it_stands(client: Client, sent: Sent, django_assert_max_num_queries: Any) -> None:
    from outreach.delivery.models import Counter

    Counter.objects.create(run=sent.run, slot=0, kind="state", channel="email", name="accepted", count=7)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "database": "answers"})
    with django_assert_max_num_queries(8):
        text = client.get("/metrics").content.decode()
    assert f'outreach_deliveries{{channel="email",reason="",run="{sent.run.pk}",state="accepted"}} 7.0' in text
    assert "outreach_hook_calls_waiting 0.0" in text
