"""One e-mail of each kind that the editor makes: each format, with and without what may go with it."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from channels.base import Message
from tests.delivery.letter import BASE_URL, rendered

KEY = "abcdefghijklmnopqrstuvwx.png"
LOGO_URL = f"{BASE_URL}/i/{KEY}"
LOOK = {
    "name": {"bg": "Министерски съвет", "en": "Council of Ministers"},
    "logo": {"url": LOGO_URL, "width": 400, "height": 100},
    "colour": "#7a0019",
    "link_colour": "",
    "footer": {"bg": "бул. „Княз Дондуков“ 1\n1594 София", "en": "1, Dondukov Blvd\n1594 Sofia"},
}
CALENDAR = {
    "title": "Ден на отворените врати",
    "start": "2026-12-04T10:00",
    "end": "2026-12-04T12:30",
    "timezone": "Europe/Sofia",
    "place": "бул. „Княз Дондуков“ 1, зала 3",
}
MARKDOWN = """# Новата услуга е онлайн, {{ subscriber.name }}

Документите се подават от вкъщи, за **дванадесет минути** и [без такса](https://egov.example.bg/fees).

[Подайте заявление](https://egov.example.bg/apply)

{% for service in services %}
- [{{ service.name }}]({{ service.url }}): {{ service.steps }}
{% endfor %}

> Питали са ни: трябва ли електронен подпис?

1. Влезте с ПИК.
2. Изберете услугата.

| Срок | Цена |
|------|-----:|
| Обикновен | 0 лв. |
| Бърз | 5 лв. |

---

![Гишето на новата услуга](https://egov.example.bg/desk.png)

Номерът е `EG-2026`.
"""
HTML = """<!doctype html>
<html><head><title>Новини</title></head><body>
<h1>Новини</h1><p>Здравейте, {{ subscriber.name }}. <a href="https://egov.example.bg/news">Вижте</a>.</p>
<p><img src="https://egov.example.bg/desk.png" alt="Гишето"></p>
<p><a href="{{ unsubscribe_url }}">Отписване</a></p>
</body></html>"""
MJML = """<mjml>
<mj-head><mj-title>Новини</mj-title><mj-attributes><mj-all font-family="Arial, sans-serif" /></mj-attributes></mj-head>
<mj-body background-color="#eef1f6">
<mj-section background-color="#ffffff"><mj-column>
<mj-text font-size="24px">Новини</mj-text>
<mj-text>Здравейте, {{ subscriber.name }}. <a href="https://egov.example.bg/news">Вижте</a>.</mj-text>
<mj-image src="https://egov.example.bg/desk.png" alt="Гишето" />
<mj-button href="https://egov.example.bg/apply" background-color="#12397f">Подайте заявление</mj-button>
<mj-text><a href="{{ unsubscribe_url }}">Отписване</a></mj-text>
</mj-column></mj-section>
</mj-body></mjml>"""


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 100), "#7a0019").save(out, "PNG")
    return out.getvalue()


def frozen_picture() -> dict[str, Any]:
    return {KEY: {"type": "image/png", "data": base64.b64encode(png()).decode()}}


def written(body: str = MARKDOWN, *, extras: dict[str, Any] | None = None, **changes: Any) -> Message:
    """A message to Anna whose content has `extras`: `preheader`, `calendar`, `pictures`."""
    from tests.delivery.letter import frozen

    plan = frozen(body, **changes)
    plan["contents"][0].update({"written": "2026-11-27T08:00:00+00:00", **(extras or {})})
    return rendered(body, **{**changes, "contents": plan["contents"]})


def every_kind() -> dict[str, Message]:
    """Name -> message: everything that our templates and the editor produce."""
    whole = {"calendar": CALENDAR, "preheader": "Подава се от вкъщи", "pictures": "attached"}
    return {
        "plain": written(),
        "branded": written(look=LOOK),
        "with everything": written(look=LOOK, extras=whole, pictures=frozen_picture(), tracking="aggregate"),
        "english": written("# News\n\nRead [more](https://egov.example.bg/more).", language="en", look=LOOK),
        "text": written("Здравейте\n\nhttps://egov.example.bg/news", format="text"),
        "fragment": written("<h2>Новини</h2><p><a href='https://a.example.bg'>Вижте</a></p>", format="html"),
        "html": written(HTML, format="html", extras={"preheader": "Подава се от вкъщи"}),
        "mjml": written(MJML, format="mjml", extras={"preheader": "Подава се от вкъщи"}),
        "notice": written("Готово е: [вижте](https://egov.example.bg/permit).", notice={"template": ""}),
    }
