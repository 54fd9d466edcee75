"""The plan that a run of digests is sent by: what each campaign said, in each language, and through which account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from outreach.campaigns.models import Run
from outreach.core.models import Account, Organisation, in_language
from outreach.core.vocabulary import Channel, Language, Tracking
from outreach.delivery.digest_letter import contents
from outreach.delivery.notice_plan import plan_of, with_accounts
from outreach.delivery.people import NOBODY
from outreach.delivery.render import CompiledRun, Recipient, RenderingFailed, compile_run
from outreach.delivery.tokens import Series, TokenKind

#: Characters of a message's beginning.
LONGEST_SUMMARY: Final = 300


def plan_digests(organisation: Organisation, channel: str, runs: Sequence[int], account: Account) -> dict[str, Any]:
    """Everything that rendering needs, in the shape of `campaigns.planning.freeze`; `digest` is what the texts tell."""
    told = {run.pk: _told(run, channel) for run in Run.objects.select_related("campaign").filter(pk__in=runs)}
    with override(organisation.language):
        name = _("Digest")
    plan = plan_of(organisation, contents(channel, account.pk), name=name, notice={})
    frozen = with_accounts({**plan, "channels": [channel]}, organisation)
    del frozen["notice"]
    return {
        **frozen,
        "topic_slugs": {"": "digest"},
        "tracking": Tracking.AGGREGATE.value,
        # The links of services are numbered and counted; here a service is a message.
        "services": [
            {
                "slug": str(run),
                "name": {language: said["title"] for language, said in each.items()},
                "url": page,
                "steps": {},
            }
            for run, each in told.items()
            if (page := next(iter(each.values()))["page"])
        ],
        "digest": {"channel": channel, "messages": {str(run): each for run, each in told.items()}},
    }


def _told(run: Run, channel: str) -> dict[str, dict[str, str]]:
    """Language -> what a digest says of the run's message on this channel."""
    compiled = compile_run(run.frozen, run_id=run.pk, base_url=settings.BASE_URL)
    page = _page(compiled, channel)
    return {language: {**_said(compiled, run, channel, language), "page": page} for language in Language.values}


def _page(compiled: CompiledRun, channel: str) -> str:
    """The message as everybody may see it; '' where its campaign counts nothing."""
    if compiled.tracking == Tracking.NONE:
        return ""
    language = compiled.frozen.get("fallback_language", "")
    view = Series(TokenKind.VIEW, run=compiled.run_id, channel=channel, language=language).make(0)[0]
    return f"{settings.BASE_URL}/v/{view}"


def _said(compiled: CompiledRun, run: Run, channel: str, language: str) -> dict[str, str]:
    topics = " · ".join(in_language(name, language) for name in compiled.frozen.get("topic_names", {}).values())
    said = {"title": run.title, "summary": "", "topics": topics, "language": language}
    recipient = Recipient(delivery=0, channel=channel, language=language, subscriber={**NOBODY, "language": language})
    try:
        message, content = compiled.render(recipient), compiled.content_for(recipient)
    except RenderingFailed:
        return said
    said["language"] = content.language
    if channel != Channel.EMAIL:
        title, _newline, _rest = message.text.strip().partition("\n")
        return {**said, "title": title[:LONGEST_SUMMARY], "summary": ""}
    return {**said, "title": message.subject or run.title, "summary": content.preheader(recipient)[:LONGEST_SUMMARY]}
