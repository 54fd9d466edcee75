"""Personal e-mails a CPU second, rendered with tokens, headers and MIME, beside the standard library."""

from __future__ import annotations

import json
import os
import sys
import time
from email.message import EmailMessage
from typing import Any, Final

MESSAGES: Final = 3000
BODY: Final = "Здравейте, {{ subscriber.name }}!\n\n" + (
    "Новата е-услуга вече е онлайн. [Вижте как](https://egov.example/how) или [попитайте](https://egov.example/ask).\n\n"
    "От днес документите се подават от вкъщи, за дванадесет минути и без такса за първата година.\n\n" * 4
)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
    os.environ.setdefault("OUTREACH_SECRET_KEY", "the benchmark's own key")
    import django  # noqa: PLC0415 -- after the settings are named

    django.setup()
    html, text, figures = render_rate()
    figures["email_message_per_cpu_second"] = peer_rate(html, text)
    figures["ratio"] = round(figures["renders_per_cpu_second"] / figures["email_message_per_cpu_second"], 2)
    print(json.dumps(figures, indent=1))
    return 0 if figures["ratio"] >= 1 else 1


def render_rate() -> tuple[str, str, dict[str, Any]]:
    """Everything that is made for each person: variables, tokens, headers, the whole MIME message."""
    from outreach.delivery.render import Recipient, compile_run  # noqa: PLC0415 -- needs Django's set-up

    run = compile_run(frozen(), run_id=1, base_url="https://news.example.org")
    first = run.render(recipient(Recipient, 0))
    began = time.process_time()
    for number in range(MESSAGES):
        run.render(recipient(Recipient, number))
    seconds = time.process_time() - began
    rate = round(MESSAGES / seconds)
    return first.html, first.text, {"bytes": len(first.raw or first.html), "renders_per_cpu_second": rate}


def peer_rate(html: str, text: str) -> int:
    """The same parts without variables and tokens, assembled by the standard library."""
    count = MESSAGES // 10
    began = time.process_time()
    for number in range(count):
        message = EmailMessage()
        message["From"], message["To"] = "Новини <news@example.org>", f"p{number}@example.org"
        message["Subject"] = "Новата е-услуга вече е онлайн"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        message.as_bytes()
    return round(count / (time.process_time() - began))


def recipient(kind: Any, number: int) -> Any:
    person = {"id": number, "name": f"Иван № {number}", "kind": "citizen", "language": "bg", "attributes": {}}
    return kind(delivery=number + 1, channel="email", language="bg", to=f"p{number}@example.org", subscriber=person)


def frozen() -> dict[str, Any]:
    content = {"channel": "email", "language": "bg", "variant": "", "format": "markdown", "account": 1}
    return {
        "campaign": {"id": 1, "name": "Нова услуга", "goal": "uses"},
        "organisation": {"id": 1, "slug": "council", "name": {"bg": "Съвет"}, "timezone": "Europe/Sofia"},
        "topics": [1],
        "topic_names": {"1": {"bg": "Електронни услуги"}},
        "topic_slugs": {"1": "e-services"},
        "channels": ["email"],
        "accounts": {"email": 1},
        "senders": {"1": {"adapter": "smtp", "sender": "Новини <news@example.org>", "hook_key": "key"}},
        "contents": [{**content, "subject": "Здравейте, {{ subscriber.name }}", "body": BODY}],
        "fallback_language": "bg",
        "tracking": "aggregate",
        "services": [],
    }


if __name__ == "__main__":
    sys.exit(main())
