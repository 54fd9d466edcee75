"""The whole road with the real processes: import, plan, review, start, send, open, click, reply, leave, report."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import smtplib
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import BROKERS, why_absent

from .installation import Installation, wait_until

pytestmark = [pytest.mark.road, pytest.mark.xdist_group("road")]

PEOPLE = 40
BODY = """# Здравейте, {{ subscriber.name }}

Новата услуга „{{ service.name }}“ вече е онлайн.

[Вижте как]({{ service.url }}) или [прочетете повече](https://gov.example/more).
"""


def csv_file() -> bytes:
    """Windows-1251, semicolons, a quoted newline, two bad rows."""
    rows = ["email;phone;name;language;град;consent_source;consent_at;consent_text_version"]
    for number in range(PEOPLE):
        phone = f"+35988812{number:04d}" if number % 2 == 0 else ""
        rows.append(
            f'p{number}@citizens.example;{phone};"Иван\n№ {number}";bg;Пловдив;form;2026-01-05T10:00:00+02:00;v1'
        )
    rows += ["not an address;;Петър;bg;Варна;form;2026-01-05T10:00:00+02:00;v1"]
    rows += [";+359;Мария;bg;Варна;form;2026-01-05T10:00:00+02:00;v1"]
    return "\r\n".join(rows).encode("cp1251")


@pytest.fixture(params=["embedded", *BROKERS])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of the broker: '' for the embedded one, or one of this test's own."""
    if request.param == "embedded":
        yield ""
        return
    if reason := why_absent(request.param):
        pytest.skip(reason)
    with BROKERS[request.param](tmp_path) as url:
        yield url


@pytest.fixture
def installation(data_folder: Path, broker: str) -> Iterator[Installation]:
    system_database = os.environ.get("DATABASE_URL_ROAD", "")
    environment = {name: url for name, url in {"BROKER_URL": broker, "DATABASE_URL": system_database}.items() if url}
    running = Installation(data=data_folder, environment=environment)
    try:
        made = running.run("setup", "--organisation", "town", "--name", "Town", "--admin", "a@town.example")
        assert made.returncode == 0, made.stderr
        token = running.run("token", "--organisation", "town", "--role", "administrator")
        running.token = token.stdout.strip().splitlines()[-1]
        running.start()
        yield running
    finally:
        code = running.stop()
    assert code == 0, running.log.read_text()


def make_accounts(at: Installation) -> dict[str, Any]:
    smtp, phone, social = at.port + 1, at.port + 2, at.port + 3
    made = {
        "email": at.make(
            "/accounts",
            {
                "adapter": "smtp",
                "name": "Поща",
                "settings": {
                    "host": "127.0.0.1",
                    "port": smtp,
                    "security": "none",
                    "sender": "Община <news@town.example>",
                    "reply_address": "replies@town.example",
                    "imap": {
                        "host": "127.0.0.1",
                        "port": at.port + 5,
                        "security": "none",
                        "username": "replies@town.example",
                        "password": "any",
                        "folder": "INBOX",
                    },
                },
            },
        ),
        "sms": at.make(
            "/accounts",
            {
                "adapter": "twilio",
                "name": "SMS",
                "settings": {
                    "account_sid": "AC" + "0" * 32,
                    "auth_token": "secret",
                    "sender": "+359880000000",
                    "base_url": f"http://127.0.0.1:{phone}",
                },
            },
        ),
        "social": at.make(
            "/accounts",
            {
                "adapter": "x",
                "name": "X",
                "settings": {
                    "consumer_key": "k",
                    "consumer_secret": "s",
                    "access_token": "t",
                    "access_token_secret": "u",
                    "base_url": f"http://127.0.0.1:{social}",
                },
            },
        ),
        "feed": at.make("/accounts", {"adapter": "feed", "name": "Емисия", "settings": {}}),
    }
    assert "secret" not in json.dumps(at.api("GET", f"/accounts/{made['sms']['id']}")[1])
    return made


def make_campaign(at: Installation, **changes: Any) -> str:
    subject = "Новини за {{ subscriber.name }}"
    return str(
        at.make(
            "/campaigns",
            {
                "name": "Нова услуга",
                "goal": "interested",
                "audience": {"topics": ["news"]},
                "channels": {"mode": "all", "order": ["email", "sms", "social", "feed"]},
                "contents": [
                    {"channel": "email", "language": "bg", "subject": subject, "body": BODY},
                    {"channel": "sms", "language": "bg", "format": "text", "body": "Нова услуга: {{ service.url }}"},
                    {"channel": "social", "language": "bg", "format": "text", "body": "Нова услуга {{ service.url }}"},
                    {
                        "channel": "feed",
                        "language": "bg",
                        "subject": "Нова услуга",
                        "body": "Вижте [как]({{ service.url }}).",
                    },
                ],
                "services": ["card"],
                **changes,
            },
        )["id"]
    )


def finish(at: Installation, campaign: str) -> None:
    def state() -> bool:
        return bool(at.api("GET", f"/campaigns/{campaign}")[1]["state"] == "finished")

    try:
        wait_until(state, seconds=90, what="the campaign finishes")
    finally:
        for row in at.api("GET", f"/campaigns/{campaign}/deliveries?limit=1000")[1]["items"]:
            if row["state"] in ("planned", "deferred", "unknown") or row["uncertain"] or row["attempts"] > 1:
                print(json.dumps(at.api("GET", f"/deliveries/{row['id']}")[1], ensure_ascii=False))


def mail_of(item: dict[str, Any]) -> EmailMessage:
    parsed = email.message_from_string(item["raw"], policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_the_whole_road(installation: Installation) -> None:
    at = installation
    at.make("/topics", {"slug": "news", "name": {"bg": "Новини", "en": "News"}})
    at.make(
        "/services",
        {"slug": "card", "name": {"bg": "Карта", "en": "Card"}, "url": "https://gov.example/card", "topics": ["news"]},
    )
    accounts = make_accounts(at)

    # Import: everything of the file is accounted for, and the same file again changes nothing.
    first = at.upload("/imports", "people.csv", csv_file(), topic="news")
    done = wait_until(lambda: _done(at, first["id"]), what="the import is done")
    assert [done[name] for name in ("state", "rows", "created", "rejected")] == ["done", PEOPLE + 2, PEOPLE, 2]
    again = at.upload("/imports", "people.csv", csv_file(), topic="news")
    done = wait_until(lambda: _done(at, again["id"]), what="the second import is done")
    assert [done[name] for name in ("created", "updated", "unchanged", "rejected")] == [0, 0, PEOPLE, 2]

    # Plan, preview and review.
    campaign = make_campaign(at)
    person = at.api("GET", "/subscribers?limit=1")[1]["items"][0]
    preview = at.api("POST", f"/campaigns/{campaign}/preview", {"subscriber": person["id"]})[1]
    assert person["name"].replace("\n", " ") in preview["email"]["subject"].replace("\n", " ")
    review = at.api("POST", f"/campaigns/{campaign}/review")[1]
    assert [problem for problem in review["problems"] if problem["severity"] == "error"] == []
    assert review["recipients"] == {"email": PEOPLE, "sms": PEOPLE // 2, "social": 1, "feed": 1}

    # Start and send.
    status, answer = at.api("POST", f"/campaigns/{campaign}/start")
    assert status == 200, answer
    finish(at, campaign)
    mails = at.sandbox("email")
    assert doubled(mails) == []
    assert sorted(item["to"] for item in mails) == sorted(f"p{number}@citizens.example" for number in range(PEOPLE))
    assert (len(at.sandbox("sms")), len(at.sandbox("social"))) == (PEOPLE // 2, 1)
    deliveries = at.api("GET", f"/campaigns/{campaign}/deliveries?channel=email&limit=1000")[1]["items"]
    assert {_public_id(mail_of(item)) for item in mails} == {row["id"] for row in deliveries}
    ledger = at.run("ledger", campaign, "--check", "--json")
    assert ledger.returncode == 0, ledger.stdout + ledger.stderr

    # Open and click: one pixel, one redirect to where the author meant.
    message = mail_of(mails[0])
    pixel = re.search(r'src="([^"]*/o/[^"]+)"', html_of(message))
    click = re.search(r'href="([^"]*/c/[^"]+)"', html_of(message))
    assert pixel is not None
    assert click is not None
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    assert at.http("GET", pixel[1], User_Agent=browser)[0] == 200
    status, _, headers = at.http("GET", click[1], User_Agent=browser)
    assert (status, headers["Location"]) == (302, "https://gov.example/card")

    # One-click unsubscription (RFC 8058): a GET changes nothing, the POST does.
    unsubscribe = re.sub(r"\s", "", message["List-Unsubscribe"]).strip("<>").split(">")[0]
    assert at.http("GET", unsubscribe)[0] == 200
    gone = at.api("GET", f"/subscribers/{_subscriber(deliveries, message)}")[1]
    assert {row["state"] for row in gone["subscriptions"] if row["channel"] == "email"} == {"subscribed"}
    assert at.http("POST", unsubscribe, b"List-Unsubscribe=One-Click")[0] == 200
    gone = at.api("GET", f"/subscribers/{_subscriber(deliveries, message)}")[1]
    assert {row["state"] for row in gone["subscriptions"] if row["channel"] == "email"} == {"unsubscribed"}

    # Reply by e-mail to the address that the message names.
    answer_by_mail(at, mail_of(mails[1]))
    reply = wait_until(lambda: at.api("GET", "/replies")[1]["items"], what="the reply is matched")[0]
    assert (reply["kind"], reply["text"], reply["campaign"]) == ("reply", "Благодаря, как да кандидатствам?", campaign)

    # The feed, conditionally.
    status, body, headers = at.http("GET", "/feeds/news.rss")
    assert status == 200
    assert "Нова услуга".encode() in body
    assert at.http("GET", "/feeds/news.rss", If_None_Match=headers["ETag"])[0] == 304

    # Report.
    report = at.api("GET", f"/campaigns/{campaign}/report")[1]
    assert report["primary"]["accepted"] == PEOPLE + PEOPLE // 2 + 2
    assert (report["opens"]["human"], report["clicks"]["human"], report["unsubscribed"]) == (1, 1, 1)
    assert report["replies"] == {"reply": 1}

    # The next campaign does not reach the one who left, and says why.
    second = make_campaign(at, name="Втора", channels={"mode": "all", "order": ["email"]})
    assert at.api("POST", f"/campaigns/{second}/start")[0] == 200
    finish(at, second)
    left = [
        row
        for row in at.api("GET", f"/campaigns/{second}/deliveries?limit=1000")[1]["items"]
        if row["state"] != "accepted"
    ]
    assert [(row["state"], row["reason"]) for row in left] in (
        [],
        [("skipped", "no_consent")],
        [("skipped", "unsubscribed")],
    )
    assert len([item for item in at.sandbox("email") if item["to"] == message["To"].addresses[0].addr_spec]) == 1
    assert at.run("ledger", "--check").returncode == 0
    assert accounts["email"]["hook_urls"]["events"].startswith(at.base)


def doubled(mails: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Whoever got more than one message, with what tells how it came to that."""
    seen = Counter(item["to"] for item in mails)
    return [
        (item["to"], item["at"], mail_of(item)["X-Outreach-Delivery"], mail_of(item)["Message-ID"])
        for item in mails
        if seen[item["to"]] > 1
    ]


def _done(at: Installation, job: str) -> Any:
    found = at.api("GET", f"/imports/{job}")[1]
    return found if found["state"] in ("done", "failed") else None


def _public_id(message: EmailMessage) -> str:
    return str(message["X-Outreach-Delivery"]).partition(".")[0]


def _subscriber(deliveries: list[dict[str, Any]], message: EmailMessage) -> str:
    return next(str(row["subscriber"]) for row in deliveries if row["id"] == _public_id(message))


def answer_by_mail(at: Installation, message: EmailMessage) -> None:
    """As a reader does: above the quote, to Reply-To or From, over SMTP into the mailbox that the account reads."""
    reply = EmailMessage()
    reply["From"] = message["To"]
    reply["To"] = message["Reply-To"] or message["From"]
    reply["Subject"] = f"Re: {message['Subject']}"
    reply["Message-ID"] = "<answer-1@citizens.example>"
    reply["In-Reply-To"] = message["Message-ID"]
    reply.set_content("Благодаря, как да кандидатствам?\n\nНа 22.11.2026 Община написа:\n> Здравейте\n")
    with smtplib.SMTP("127.0.0.1", at.port + 1, timeout=10) as connection:
        connection.send_message(reply)
