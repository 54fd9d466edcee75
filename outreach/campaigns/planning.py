"""From a campaign whose time has come to its Run: what sending needs is frozen into it, then fan-out is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import override

from outreach.audience.models import Segment, Topic
from outreach.audience.rule_sql import freeze_rules
from outreach.audience.rule_words import meant_in_words
from outreach.audience.rules import KnownRule
from outreach.audience.segments import rule_of
from outreach.campaigns.branding import look_of
from outreach.campaigns.fields import ContentDraft
from outreach.campaigns.lifecycle import Verb, next_state
from outreach.campaigns.models import Campaign, Content, Run
from outreach.campaigns.pictures import attached_pictures
from outreach.campaigns.senders import resolve_pools
from outreach.core import alerts, audit, clock
from outreach.core.access import Actor, product_itself
from outreach.core.models import Account, Organisation
from outreach.core.queue import enqueue
from outreach.core.vocabulary import (
    PERSONAL_CHANNELS,
    CampaignState,
    ChannelMode,
    Language,
    Pictures,
    RunKind,
    Tracking,
)


class NoAccount(LookupError):
    """A channel of the campaign has no account to send through; `channels` names them."""

    def __init__(self, channels: list[str]) -> None:
        super().__init__(", ".join(channels))
        self.channels = channels

    def __reduce__(self) -> tuple[type[NoAccount], tuple[list[str]]]:
        return type(self), (self.channels,)


def plan_due() -> int:
    """Make the Run of every scheduled campaign whose time has come; say how many were made.

    Idempotent: a campaign is locked while it moves from `scheduled` to `running`, and a second planner skips it.
    """
    due = Campaign.objects.filter(state=CampaignState.SCHEDULED, starts_at__lte=clock.now(), archived_at=None)
    return sum(_plan(id_) for id_ in due.order_by("starts_at").values_list("pk", flat=True))


@transaction.atomic
def _plan(campaign_id: int) -> bool:
    campaign = (
        Campaign.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("organisation")
        .filter(pk=campaign_id, state=CampaignState.SCHEDULED)
        .first()
    )
    if campaign is None or campaign.starts_at is None:
        return False
    actor = product_itself(campaign.organisation)
    try:
        create_run(campaign, occurrence=campaign.starts_at, actor=actor)
    except NoAccount as err:
        alerts.raise_alert(
            "campaign_not_started",
            campaign,
            organisation=campaign.organisation,
            name=campaign.name,
            channels=err.channels,
        )
        return False
    alerts.resolve_alerts(campaign, "campaign_not_started")
    return True


@transaction.atomic
def create_run(
    campaign: Campaign,
    *,
    occurrence: datetime,
    actor: Actor,
    kind: str = RunKind.CAMPAIGN,
    recipients: list[dict[str, Any]] | None = None,
) -> Run:
    """Freeze the campaign into a Run, move the campaign on, and ask for its fan-out when this commits.

    A second call for the same occurrence gives the run that is there. A run that begins later than the installation's
    grace is held and asks first: a restored copy of the database must not send what was sent long ago.

    Raises:
        NoAccount: a channel has no account.
        StateConflict: the campaign's state does not allow a start.
    """
    is_test = kind == RunKind.TEST
    there = None if is_test else campaign.runs.filter(kind=kind, occurrence=occurrence).first()
    if there is not None:
        return there
    tested = list(dict.fromkeys(recipient["channel"] for recipient in recipients or []))
    frozen = freeze(campaign, channels=tested if is_test else None)
    if is_test:
        frozen |= {"recipients": recipients or [], "holdout": 0.0, "tracking": Tracking.NONE.value, "fallback": None}
    run = Run.objects.create(
        organisation=campaign.organisation,
        campaign=campaign,
        kind=kind,
        occurrence=occurrence,
        salt=secrets.token_bytes(16),
        frozen=frozen,
        as_of=clock.now(),
        not_after=None if is_test else campaign.not_after,
        falls_back=frozen["fallback"] is not None,
        started_by=actor.user,
        started_at=clock.now(),
        **_held_if_late(occurrence),
        **_database_identity(),
    )
    if not is_test:
        next_state(campaign.state, Verb.START)
        campaign.state = CampaignState(run.state)
        campaign.save(update_fields=["state"])
    if run.state == CampaignState.HELD:
        alerts.raise_alert("run_held", run, organisation=run.organisation, name=campaign.name, **run.trouble)
    audit.record(actor, "campaign.tested" if is_test else "campaign.started", campaign, run=run.pk)
    enqueue("outreach.fan_out", run.pk)
    return run


def freeze(campaign: Campaign, *, channels: list[str] | None = None, is_whole: bool = True) -> dict[str, Any]:
    """Everything that sending needs, as plain JSON: what is changed later does not change this run.

    `channels` limits it to some of the campaign's. For a preview (`is_whole` False) accounts may be missing.

    Raises:
        NoAccount: a channel has no account.
    """
    channels = campaign.channels if channels is None else channels
    contents = list(campaign.contents.filter(channel__in=channels).select_related("account"))
    chosen = {content.channel: content.account for content in contents if content.account}
    pools = resolve_pools(campaign.organisation, channels)
    by_channel = {**chosen, **{channel: pool[0] for channel, pool in pools.items()}}
    missing = [channel for channel in channels if channel not in by_channel]
    if missing and is_whole:
        raise NoAccount(missing)
    named = [content.account for content in contents if content.account]
    several = {channel for channel, pool in pools.items() if channel in PERSONAL_CHANNELS and len(pool) > 1}
    split = {content.channel for content in contents if not content.account} & several
    shared = [account for channel in sorted(split) for account in pools[channel]]
    used = {account.pk: account for account in (*by_channel.values(), *named, *shared)}
    topics = list(campaign.topics.all())
    excluded = list(campaign.excluded_topics.all())
    organisation = campaign.organisation
    return {
        "campaign": {"id": campaign.pk, "name": campaign.name, "goal": campaign.goal},
        "organisation": {
            "id": organisation.pk,
            "slug": organisation.slug,
            "name": organisation.name,
            "timezone": organisation.timezone,
        },
        "topics": [topic.pk for topic in topics],
        "topic_names": {str(topic.pk): _named(topic) for topic in topics},
        "topic_slugs": {str(topic.pk): topic.slug for topic in topics},
        "excluded_topics": [topic.pk for topic in excluded],
        "kinds": campaign.kinds,
        **segment_facts(campaign.segment, list(campaign.excluded_segments.all())),
        "mode": campaign.channel_mode,
        "channels": channels,
        "fallback": _fallback(campaign),
        "accounts": {channel: account.pk for channel, account in by_channel.items()},
        "senders": {str(account.pk): sender_facts(account) for account in used.values()},
        "contents": [
            _content(content, by_channel)
            | ({"pooled": True} if content.channel in split and not content.account else {})
            for content in contents
        ],
        **({"pools": {channel: _pool(pools[channel]) for channel in sorted(split)}} if split else {}),
        **look_facts(organisation, [content.body for content in contents if content.pictures == Pictures.ATTACHED]),
        "fallback_language": organisation.language,
        "tracking": campaign.tracking,
        **({"utm": campaign.utm} if campaign.utm else {}),
        "holdout": campaign.holdout,
        **({"is_pressing": True} if campaign.is_pressing else {}),
        "attribution_days": campaign.attribution_days,
        "services": [
            {"slug": service.slug, "name": service.name, "url": service.url, "steps": service.steps}
            | ({"click_parameter": service.click_parameter} if service.click_parameter else {})
            for service in campaign.services.order_by("slug")
        ],
    }


def segment_facts(segment: Segment | None, excluded: Sequence[Segment]) -> dict[str, Any]:
    """`segment`: whom of the topics' people the campaign means, as it is known now; nothing where it means them all."""
    if segment is None and not excluded:
        return {}
    wanted, unwanted = [rule_of(segment)] if segment else [], [rule_of(one) for one in excluded]
    rule = freeze_rules(wanted, unwanted, as_of=clock.now())
    names = {"name": segment.name if segment else "", "excluded": [one.name for one in excluded]}
    return {"segment": {**names, "words": _in_each_language(wanted, unwanted), **rule}}


def _in_each_language(wanted: Sequence[KnownRule], unwanted: Sequence[KnownRule]) -> dict[str, str]:
    """The rules in words, for receipts and for readers: what they name may have another name tomorrow."""
    words = {}
    for language in Language.values:
        with override(language):
            words[language] = meant_in_words(wanted, unwanted)
    return words


def look_facts(organisation: Organisation, attaching: Sequence[str]) -> dict[str, Any]:
    """`look`, and `pictures` that go within the e-mails whose texts are `attaching`; neither where there is none."""
    look = look_of(organisation)
    facts, logo = look.facts(), [look.logo] if look.logo else []
    pictures = attached_pictures(attaching, also=logo) if attaching else {}
    return {**({"look": facts} if facts else {}), **({"pictures": pictures} if pictures else {})}


def sender_facts(account: Account) -> dict[str, Any]:
    """What rendering needs to know of an account; nothing secret but the key in the paths of its call-backs."""
    open_settings = account.settings
    return {
        "adapter": account.adapter,
        "sender": str(open_settings.get("sender") or ""),
        "reply_address": str(open_settings.get("reply_address") or ""),
        "delivery_header": str(open_settings.get("delivery_header", True)).lower() not in {"false", "0", "no", "off"},
        "hook_key": account.hook_key,
    }


def _pool(accounts: list[Account]) -> list[list[int]]:
    """[account, weight] of each."""
    return [[account.pk, account.weight] for account in accounts]


def _fallback(campaign: Campaign) -> dict[str, Any] | None:
    """How one channel follows another; None where none ever does. `after`: minutes of silence, or null."""
    if campaign.channel_mode != ChannelMode.PREFERRED or not campaign.fallback:
        return None
    return {"after": campaign.fallback_after}


def _named(topic: Topic) -> dict[str, str]:
    return topic.name or {"en": topic.slug}


def _content(content: Content, by_channel: dict[str, Account]) -> dict[str, Any]:
    return {
        "channel": content.channel,
        "language": content.language,
        "variant": content.variant,
        "format": content.format,
        "subject": content.subject,
        "body": content.body,
        "account": content.account_id or (by_channel[content.channel].pk if content.channel in by_channel else None),
        **email_facts(content, written=content.changed_at),
    }


def email_facts(content: Content | ContentDraft, *, written: datetime) -> dict[str, Any]:
    """What only an e-mail has, where it has it; `written` dates its entry for the calendar."""
    facts: dict[str, Any] = {"preheader": content.preheader, "calendar": content.calendar}
    if content.calendar:
        facts["written"] = written.isoformat(timespec="seconds")
    if content.pictures != Pictures.HOSTED:
        facts["pictures"] = content.pictures
    return {key: value for key, value in facts.items() if value}


def _held_if_late(occurrence: datetime) -> dict[str, Any]:
    late = clock.now() - occurrence
    if late <= timedelta(seconds=settings.GRACE):
        return {"state": CampaignState.RUNNING}
    trouble = {"code": "past_grace", "due": occurrence.isoformat(), "now": clock.now().isoformat()}
    return {"state": CampaignState.HELD, "trouble": trouble}


def _database_identity() -> dict[str, Any]:
    """Which PostgreSQL this is: a restored copy or a promoted standby has another identity and holds the run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.system_identifier::text, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c"
        )
        system_identifier, timeline = cursor.fetchone()
    return {"system_identifier": system_identifier, "timeline": timeline}
