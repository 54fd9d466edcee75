"""The frame around an e-mail: the organisation's name above, why one gets this and how to stop it below.

Trusted files from `templates/messages` run here; what authors and people write comes in as data, already safe.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from outreach.campaigns.colours import palette
from outreach.delivery.look import Look, direction
from outreach.delivery.questions import SCALES, word_ends, word_steps

#: The frame speaks the content's language, whatever language its author's console has.
WORDS: Final[dict[str, dict[str, str]]] = {
    "bg": {
        "because_topic": "Получавате това писмо, защото избрахте темата",
        "because_topics": "Получавате това писмо, защото избрахте темите",
        "preferences": "Предпочитания",
        "unsubscribe": "Отписване",
        "view": "Вижте писмото в браузъра",
        "sent_by": "Изпраща",
        "write": "Напишете ни",
    },
    "en": {
        "because_topic": "You get this e-mail because you chose the topic",
        "because_topics": "You get this e-mail because you chose the topics",
        "preferences": "Preferences",
        "unsubscribe": "Unsubscribe",
        "view": "View this e-mail in your browser",
        "sent_by": "Sent by",
        "write": "Write to us",
    },
}
QUOTES: Final = {"bg": "„{}“", "en": "“{}”"}


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(settings.TEMPLATES_DIR / "messages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def draw_question(question: str, *, words: str, url: str, language: str, look: Look) -> str:
    """HTML of a question: its words and a button for each answer."""
    scale = SCALES.get(question)
    return (
        _environment()
        .get_template("question.html")
        .render(
            question=question,
            words=Markup(escape(words)),  # noqa: S704 -- escaped in this very expression
            word=WORDS[language]["write"],
            url=url,
            scale=scale,
            steps=word_steps(question, language) if scale else {},
            ends=word_ends(question, language) if scale else (),
            palette=palette(look.colour, look.link_colour),
        )
    )


def draw_question_text(question: str, *, words: str, url: str, language: str) -> str:
    """The same for the text part, as HTML that is still to be made text."""
    scale = SCALES.get(question)
    low, high = word_ends(question, language)
    ends = f"<br>{scale.low}: {escape(low)}, {scale.high}: {escape(high)}" if scale else ""
    return f"<p>{escape(words)} ({url}){ends}</p>"


def frame_html(body: str, *, language: str, look: Look, values: Mapping[str, Any]) -> str:
    """The whole HTML document around an already safe body."""
    return (
        _environment()
        .get_template("email.html")
        .render(
            body=Markup(body),  # noqa: S704 -- protected HTML of the author, whose tags run in the sandbox
            language=language,
            direction=direction(language),
            look=look,
            palette=palette(look.colour, look.link_colour),
            words=WORDS[language],
            because=_because(language, values["topics"]),
            **values,
        )
    )


def frame_text(body: str, *, language: str, values: Mapping[str, Any]) -> str:
    """The text part with its footer."""
    words = WORDS[language]
    entry = values["entry"]
    lines = [
        body,
        *(["", *(entry[key] for key in ("title", "when", "place") if entry[key])] if entry else []),
        "",
        "-- ",
        values["organisation"],
        *values["footer"],
        *([_because(language, values["topics"])] if values["topics"] else []),
        *(
            f"{words[name]}: {values[f'{name}_url']}"
            for name in ("preferences", "unsubscribe")
            if values[f"{name}_url"]
        ),
        "",
    ]
    return "\n".join(lines)


def _because(language: str, topics: list[str]) -> str:
    if not topics:
        return ""
    words = WORDS[language]["because_topic" if len(topics) == 1 else "because_topics"]
    quoted = ", ".join(QUOTES[language].format(topic) for topic in topics)
    return f"{words} {quoted}."
