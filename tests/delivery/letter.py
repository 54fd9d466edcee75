"""A frozen plan to render from, without a database."""

from __future__ import annotations

from typing import Any

from channels.base import Message
from outreach.delivery.render import CompiledRun, Recipient, compile_run

BASE_URL = "https://uslugi.example.bg"
ANNA: dict[str, Any] = {
    "id": 5,
    "name": "Анна",
    "kind": "citizen",
    "language": "bg",
    "attributes": {"city": "Пловдив", "children": ["Мария", "Иван"]},
}


def frozen(body: str = "Здравейте", **changes: Any) -> dict[str, Any]:
    content = {
        "channel": changes.pop("channel", "email"),
        "language": changes.pop("language", "bg"),
        "variant": "",
        "format": changes.pop("format", "markdown"),
        "subject": changes.pop("subject", "Новини"),
        "body": body,
        "account": 3,
    }
    plan = {
        "campaign": {"id": 7, "name": "Здравна карта", "goal": "uses"},
        "organisation": {"id": 1, "slug": "council", "name": {"bg": "Съвет", "en": "Council"}, "timezone": "UTC"},
        "topics": [1],
        "topic_names": {"1": {"bg": "е-Услуги", "en": "e-Services"}},
        "topic_slugs": {"1": "e-services"},
        "mode": "all",
        "channels": [content["channel"]],
        "accounts": {content["channel"]: 3},
        "senders": {"3": sender()},
        "contents": [content],
        "fallback_language": "bg",
        "tracking": "none",
        "holdout": 0.0,
        "services": [
            {
                "slug": "card",
                "name": {"bg": "Карта", "en": "Card"},
                "url": "https://card.example.bg/?a=1&b=2",
                "steps": {"bg": "Влезте", "en": "Log in"},
            },
            {"slug": "pin", "name": {"bg": "ПИК"}, "url": "https://pin.example.bg/", "steps": {"bg": "Поискайте"}},
        ],
    }
    return {**plan, **changes}


def sender(**changes: Any) -> dict[str, Any]:
    facts = {
        "adapter": "smtp",
        "sender": "Новини <news@example.bg>",
        "reply_address": "",
        "delivery_header": True,
        "hook_key": "key",
    }
    return {**facts, **changes}


def compiled(body: str = "Здравейте", **changes: Any) -> CompiledRun:
    return compile_run(frozen(body, **changes), run_id=42, base_url=BASE_URL)


def rendered(body: str = "Здравейте", *, to: dict[str, Any] | None = None, **changes: Any) -> Message:
    """One message to Anna."""
    run = compiled(body, **changes)
    person = {
        "delivery": 99,
        "channel": run.frozen["contents"][0]["channel"],
        "language": "bg",
        "to": "anna@example.org",
        "subscriber": ANNA,
    }
    return run.render(Recipient(**{**person, **(to or {})}))


def problems(body: str = "Здравейте", **changes: Any) -> list[tuple[str, int, str]]:
    """(field, line, sentence) of everything that is wrong."""
    return [(p.field, p.line, str(p.message)) for _n, p in compiled(body, **changes).problems]
