"""Where a click goes: the address behind a click token, found in what its run froze, since no table of links exists."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from outreach.campaigns.models import Run
from outreach.delivery.render import CompiledRun, RunLink, compile_run
from outreach.delivery.tokens import Token


@lru_cache(maxsize=256)
def compiled_run(run_id: int) -> CompiledRun | None:
    """The run, compiled; one query for the first asking, none after: what a run froze never changes."""
    frozen = Run.objects.filter(pk=run_id).values_list("frozen", flat=True).first()
    return None if frozen is None else compile_run(frozen, run_id=run_id, base_url=settings.BASE_URL)


def url_of(token: Token) -> str | None:
    """The address that the click token stands for; None where the run or the link is not there."""
    run = compiled_run(token.run)
    return None if run is None else run.url_at(token.channel, token.language, token.link)


def links_of(run: Run) -> list[RunLink]:
    """Every numbered link of a run's contents."""
    compiled = compiled_run(run.pk)
    return [] if compiled is None else compiled.links
