"""What one person will get, made by the delivery's own renderer: nothing is sent and no row is written."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from channels.base import Message, UnsupportedContent
from channels.mime import assemble
from outreach.audience.models import Subscriber
from outreach.campaigns.branding import Look
from outreach.campaigns.models import Campaign
from outreach.campaigns.planning import freeze
from outreach.core.models import Organisation
from outreach.core.vocabulary import PUBLIC_CHANNELS, Channel
from outreach.delivery.markup import show_attached
from outreach.delivery.notice_plan import plan_of
from outreach.delivery.people import person_facts
from outreach.delivery.render import BoundContent, CompiledRun, Recipient, RenderingFailed, compile_run
from outreach.delivery.review import SAMPLE_DELIVERY
from outreach.delivery.segments import SmsSize, measure_in_latin, measure_post, measure_sms


def preview(campaign: Campaign, subscriber: Subscriber | None, *, language: str = "") -> dict[str, dict[str, Any]]:
    """Each channel's message for this person: subject, html, text, raw, length, segments, problems.

    Of an e-mail also preheader, bytes (of its HTML), and files.

    Without a person it is what somebody would get of whom we know nothing. `language` overrules the person's.
    """
    frozen = freeze(campaign, is_whole=False)
    run = compile_run(frozen, run_id=0, base_url=settings.BASE_URL)
    spoken = language or (subscriber.language if subscriber else frozen["fallback_language"])
    to = {address.channel: address.value for address in subscriber.addresses.order_by("-pk")} if subscriber else {}
    channels = dict.fromkeys(content["channel"] for content in frozen["contents"])
    return {channel: _preview_channel(run, channel, spoken, to.get(channel, ""), subscriber) for channel in channels}


def preview_look(organisation: Organisation, look: Look, *, language: str, subject: str, body: str) -> str:
    """The HTML of an e-mail with this text, drawn in this look."""
    content = {"channel": Channel.EMAIL.value, "language": language, "subject": subject, "body": body, "account": None}
    plan = {**plan_of(organisation, [content], name="", notice={}), "look": look.facts()}
    run = compile_run(plan, run_id=0, base_url=settings.BASE_URL)
    return run.render(Recipient(delivery=SAMPLE_DELIVERY, channel=Channel.EMAIL, language=language)).html


def _preview_channel(
    run: CompiledRun, channel: str, language: str, to: str, subscriber: Subscriber | None
) -> dict[str, Any]:
    person = None if channel in PUBLIC_CHANNELS or subscriber is None else person_facts(subscriber)
    recipient = Recipient(delivery=SAMPLE_DELIVERY, channel=channel, language=language, to=to, subscriber=person)
    content = run.content_for(recipient)
    problems = [
        {"field": problem.field, "severity": problem.severity, "line": problem.line, "message": str(problem.message)}
        for problem in content.compiled.problems
    ]
    try:
        message = content.render(recipient)
    except RenderingFailed as err:
        if not problems:
            problems = [{"field": "body", "severity": "error", "line": 0, "message": str(err.message)}]
        message = Message(id="", to=to, text="")
    return {
        "language": content.language,
        "to": to,
        "subject": message.subject,
        "html": show_attached(message.html, settings.BASE_URL),
        "text": message.text,
        "raw": _raw(channel, message),
        **_measured(channel, message.text),
        **(_of_email(content, recipient, message) if channel == Channel.EMAIL else {}),
        "problems": problems,
    }


def _raw(channel: str, message: Message) -> str:
    if channel != Channel.EMAIL or not message.text:
        return message.text
    try:
        # An account that assembles for itself, or a person without an address, still shows the whole message.
        return (message.raw or assemble(message, sender="preview@localhost")).decode("utf-8", "replace")
    except UnsupportedContent:
        return ""


def _of_email(content: BoundContent, recipient: Recipient, message: Message) -> dict[str, Any]:
    """What stands beside the subject, the HTML's size, and the names of what is attached."""
    return {
        "preheader": content.preheader(recipient),
        "bytes": len(message.html.encode()),
        "files": [part.name for part in message.parts if not part.content_id],
    }


def _measured(channel: str, text: str) -> dict[str, Any]:
    if channel == Channel.SMS:
        size, latin = measure_sms(text), measure_in_latin(text)
        return {**_size(size), "latin": _size(latin) if latin else None}
    return {"length": measure_post(text) if channel == Channel.SOCIAL else len(text), "segments": 0}


def _size(size: SmsSize) -> dict[str, Any]:
    return {"length": size.length, "segments": size.segments, "encoding": size.encoding, "left": size.left}
