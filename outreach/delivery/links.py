"""Where a click goes: the address behind a click token, found in what its run froze, since no table of links exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from outreach.campaigns.models import Run
from outreach.delivery.render import CompiledRun, RunLink, compile_run
from outreach.delivery.tokens import Token


@lru_cache(maxsize=256)
def compiled_run(run_id: int) -> CompiledRun | None:
    """The run, compiled; one query for the first asking, none after: what a run froze never changes."""
    frozen = Run.objects.filter(pk=run_id).values_list("frozen", flat=True).first()
    return None if frozen is None else compile_run(frozen, run_id=run_id, base_url=settings.BASE_URL)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a click goes."""

    url: str
    #: Parameter in which the service behind it asks for the click's token; '' for most.
    parameter: str = ""

    def for_click(self, token: str) -> str:
        """The address with the token handed on; the rest of it stays as it stood in the message."""
        parts = urlsplit(self.url)
        handed = f"{self.parameter}={token}"
        return urlunsplit(parts._replace(query=f"{parts.query}&{handed}" if parts.query else handed))


def url_of(token: Token) -> str | None:
    """The address that the click token stands for; None where the run or the link is not there."""
    run = compiled_run(token.run)
    return None if run is None else run.url_at(token.channel, token.language, token.link)


def target_of(token: Token) -> Target | None:
    """The same, and whether the token is handed on."""
    run, url = compiled_run(token.run), url_of(token)
    return (
        None
        if run is None or url is None
        else Target(url=url, parameter=parameter_for(run.frozen.get("services", ()), url))
    )


def parameter_for(services: Iterable[Mapping[str, Any]], url: str) -> str:
    """What the service at this very host asks for, as the run froze it; no other site gets a token."""
    place = _place(url)
    asking = (service for service in services if service.get("click_parameter"))
    return next((str(one["click_parameter"]) for one in asking if place and _place(one["url"]) == place), "")


def _place(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme.lower(), parts.netloc.lower()


def links_of(run: Run) -> list[RunLink]:
    """Every numbered link of a run's contents."""
    compiled = compiled_run(run.pk)
    return [] if compiled is None else compiled.links
