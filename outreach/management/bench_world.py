"""People by the hundred thousand, made in SQL, and a campaign to all of them with everything on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from outreach.audience.models import Topic
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Campaign
from outreach.core.access import Actor, product_itself
from outreach.core.models import Organisation
from outreach.core.vocabulary import ApprovalPolicy
from outreach.delivery.accounts import create_account
from outreach.management.bench_fill import fill

#: Table -> those rows of the people `first` to `last` that an import leaves. One address in two hundred is suppressed.
PEOPLE: Final[dict[str, LiteralString]] = {
    "outreach_subscription": """
    INSERT INTO outreach_subscription (subscriber_id, topic_id, channel, state, changed_at)
    SELECT n, %(topic)s, 'email', 'subscribed', now() FROM generate_series(%(first)s::bigint, %(last)s) AS n
    """,
    "outreach_subscriber": """
    INSERT INTO outreach_subscriber (id, organisation_id, kind, name, sort_key, language, timezone, attributes,
        is_measured, created_at, updated_at)
    SELECT n, %(organisation)s, 'citizen', 'Person ' || n, 'person ' || n,
        CASE WHEN n %% 10 = 0 THEN 'en' ELSE 'bg' END, '', jsonb_build_object('city', 'Пловдив'), false, now(), now()
    FROM generate_series(%(first)s::bigint, %(last)s) AS n
    """,
    "outreach_address": """
    INSERT INTO outreach_address (organisation_id, subscriber_id, channel, value, normalised, digest, state, created_at)
    SELECT %(organisation)s, n, 'email', 'p' || n || '@example.org', 'p' || n || '@example.org', sha256(int8send(n)),
        'active', now()
    FROM generate_series(%(first)s::bigint, %(last)s) AS n
    """,
    "outreach_suppression": """
    INSERT INTO outreach_suppression (organisation_id, channel, digest, reason, created_at)
    SELECT NULL, 'email', sha256(int8send(n)), 'hard_bounce', now()
    FROM generate_series(%(first)s::bigint, %(last)s) AS n WHERE n %% 200 = 0
    """,
}
#: Their ids were given by us: the next is behind them.
NEXT_ID: Final = "SELECT setval(pg_get_serial_sequence('outreach_subscriber', 'id'), %s)"
#: A whole document of an author's own: with its text part and the headers a message of about 4 kB.
BODY: Final = """<!DOCTYPE html>
<html lang="bg"><head><meta charset="utf-8"><title>Новата е-услуга</title></head>
<body style="margin:0;background-color:#eef1f6;color:#1a2233;font-family:Arial,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px">
<h1 style="font-size:27px;line-height:34px;color:#101828">Здравейте, {{ subscriber.name }}!</h1>
<p style="font-size:17px;line-height:27px">Новата е-услуга вече е онлайн:
<a href="https://egov.example/how" style="color:#12397f">вижте как</a> или
<a href="https://egov.example/ask" style="color:#12397f">попитайте</a>.</p>
<p style="font-size:17px;line-height:27px">От днес документите се подават от вкъщи, за дванадесет минути и без такса.
Нужни са само личната карта и електронен подпис; готовото удостоверение идва на този адрес.</p>
<p style="font-size:17px;line-height:27px">Ако предпочитате гише, то работи както досега, всеки делничен ден.</p>
<p style="font-size:14px;line-height:21px;color:#566077">Получавате това писмо, защото избрахте темата „Услуги“.
<a href="{{ preferences_url }}" style="color:#12397f">Предпочитания</a> ·
<a href="{{ unsubscribe_url }}" style="color:#12397f">Отписване</a></p>
</td></tr></table></body></html>
"""


def make_people(link: psycopg.Connection[Any], count: int) -> tuple[Actor, Topic]:
    """An organisation with so many people who wish to hear of one topic by e-mail."""
    actor, topic = make_place()
    fill_place(link, actor, PEOPLE, {"topic": topic.pk}, count=count)
    return actor, topic


def make_place() -> tuple[Actor, Topic]:
    """An organisation with a topic, and nobody."""
    names = {"bg": "Община", "en": "Town"}
    organisation = Organisation.objects.create(slug="bench", name=names, approval=ApprovalPolicy.NONE)
    topic = Topic.objects.create(organisation=organisation, slug="bench", name={"bg": "Услуги", "en": "Services"})
    return product_itself(organisation), topic


def fill_place(
    link: psycopg.Connection[Any],
    actor: Actor,
    tables: Mapping[str, LiteralString],
    given: Mapping[str, Any],
    *,
    count: int,
) -> None:
    """So many people in an organisation that has nobody, with the ids from 1 on."""
    fill(link, tables, {**given, "organisation": actor.organisation.pk}, count=count)
    if count:
        link.execute(NEXT_ID, [count])


def fresh_dkim_settings() -> dict[str, str]:
    """Settings of an smtp account that signs with new keys, as operators use them: RSA-2048 and Ed25519."""
    made: dict[str, RSAPrivateKey | Ed25519PrivateKey] = {
        "rsa": generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519": Ed25519PrivateKey.generate(),
    }
    settings = {f"dkim_{kind}_selector": kind for kind in made}
    for kind, key in made.items():
        settings[f"dkim_{kind}_key"] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return settings


def make_campaign(actor: Actor, topic: Topic, *, smtp: tuple[str, int], dkim: dict[str, str] | None = None) -> Campaign:
    """A campaign to the topic over the mail server at (host, port)."""
    account = create_account(
        actor,
        adapter="smtp",
        name="Mail",
        settings={
            "host": smtp[0],
            "port": str(smtp[1]),
            "security": "none",
            "connections": "8",
            "sender": "Новини <news@example.org>",
            **(dkim or {}),
        },
        is_sandbox=True,  # it may speak to this machine
    )
    content = {"channel": "email", "format": "html", "body": BODY, "account": str(account.pk)}
    return create_campaign(
        actor,
        {
            "name": "Bench",
            "goal": "knows",
            "audience": {"topics": [topic.slug]},
            "channels": {"mode": "all", "order": ["email"]},
            "contents": [
                {**content, "language": language, "subject": subject}
                for language, subject in (("bg", "Новина за {{ subscriber.name }}"), ("en", "News"))
            ],
            "tracking": "aggregate",
        },
    )
