"""The environment of our own, trusted templates. What authors write is rendered elsewhere, in a sandbox."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from jinja2 import Environment, StrictUndefined

from outreach.core.models import in_language
from outreach.web import formats

FILTERS = {
    "number": formats.number,
    "money": formats.money,
    "country": formats.country,
    "language_name": formats.language_name,
    "percent": formats.percent,
    "size": formats.size,
    "day": formats.day,
    "short_day": formats.short_day,
    "time_of_day": formats.time_of_day,
    "seconds_of_day": formats.seconds_of_day,
    "moment": formats.moment,
    "exact": formats.exact,
    "zoned": formats.zoned,
    "ago": formats.ago,
    "in_language": in_language,
}


def url(name: str, **parts: Any) -> str:
    """The path of a view by its name; a part that is None is left out."""
    return reverse(name, kwargs={key: value for key, value in parts.items() if value is not None})


def environment(**options: Any) -> Environment:
    """Build what `settings.TEMPLATES` names."""
    options["undefined"] = StrictUndefined
    env = Environment(  # noqa: S701 -- Django's backend passes autoescape=True
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.i18n", "jinja2.ext.do"], **options
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=translation.gettext,
        ngettext=translation.ngettext,
        pgettext=translation.pgettext,
        npgettext=translation.npgettext,
        newstyle=True,
    )
    env.filters.update(FILTERS)
    env.globals.update(
        url=url,
        static=static,
        share=formats.share,
        zone_name=formats.zone_name,
        language=lambda: (translation.get_language() or "en")[:2],
    )
    return env
