"""Writing campaigns: create, change, clone, archive, and the digest that an approval is bound to.

Templates are not tried here: a half-written text may be saved; `delivery.review` says what is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.branding import look_of
from outreach.campaigns.fields import ContentDraft, Draft, read_campaign, read_content
from outreach.campaigns.lifecycle import Verb, next_state
from outreach.campaigns.models import Campaign, Content
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Organisation
from outreach.core.vocabulary import CampaignState, Channel, ChannelMode, Permission, Pictures

#: Lists of other things that a campaign has.
RELATIONS: Final = ("topics", "excluded_topics", "excluded_segments", "services")
#: A campaign as the API writes it (docs/reference/api.md).
CampaignData: TypeAlias = Mapping[str, Any]


@transaction.atomic
def create_campaign(actor: Actor, data: CampaignData) -> Campaign:
    """Make a draft. Channels that are not named are those of the contents, in their order.

    Raises:
        Invalid: with every bad field, by path.
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    organisation = _organisation(actor, data)
    draft = read_campaign(data, organisation, is_new=True)
    columns = {"timezone": organisation.timezone, **draft.columns}
    if "channels" not in columns:
        columns["channels"] = list(dict.fromkeys(content.channel for content in draft.contents or []))
    campaign = Campaign.objects.create(
        organisation=organisation,
        created_by=actor.user,
        edited_by=actor.user,
        edited_by_token=actor.token,
        edited_at=clock.now(),
        **columns,
    )
    _write_parts(campaign, draft)
    audit.record(actor, "campaign.created", campaign)
    return campaign


@transaction.atomic
def change_campaign(actor: Actor, campaign: Campaign, data: CampaignData) -> Campaign:
    """Change what is given; lists are replaced as a whole. The campaign is a draft again, and its approval is void.

    Raises:
        Invalid: with every bad field, by path.
        StateConflict: it is scheduled or has begun.
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    campaign = lock(campaign)
    state = next_state(campaign.state, Verb.EDIT)
    if "organisation" in data and data["organisation"] != campaign.organisation.slug:
        raise Invalid({"organisation": [_("A campaign stays with its organisation; clone it instead.")]})
    draft = read_campaign(data, campaign.organisation, is_new=False)
    for column, value in draft.columns.items():
        setattr(campaign, column, value)
    _write_parts(campaign, draft)
    _touch(actor, campaign, state)
    audit.record(actor, "campaign.changed", campaign, fields=sorted(data))
    return campaign


@transaction.atomic
def save_content(actor: Actor, campaign: Campaign, data: Mapping[str, Any]) -> Content:
    """Write one content, in the place of the one for the same channel, language and variant; its channel is then used.

    Raises:
        Invalid: with every bad field (`body`, `subject` ...).
        StateConflict: the campaign is scheduled or has begun.
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    campaign = lock(campaign)
    state = next_state(campaign.state, Verb.EDIT)
    content = _write_content(campaign, read_content(data, campaign.organisation))
    if content.channel not in campaign.channels:
        campaign.channels = [*campaign.channels, content.channel]
    _touch(actor, campaign, state)
    audit.record(actor, "campaign.changed", campaign, fields=["contents"])
    return content


@transaction.atomic
def remove_content(actor: Actor, campaign: Campaign, content: Content) -> None:
    """Take one content away; a channel without any left is not used any more."""
    actor.require(Permission.EDIT_CAMPAIGNS)
    campaign = lock(campaign)
    state = next_state(campaign.state, Verb.EDIT)
    campaign.contents.filter(pk=content.pk).delete()
    left = set(campaign.contents.values_list("channel", flat=True))
    campaign.channels = [channel for channel in campaign.channels if channel in left]
    _touch(actor, campaign, state)
    audit.record(actor, "campaign.changed", campaign, fields=["contents"])


@transaction.atomic
def clone_campaign(actor: Actor, campaign: Campaign, *, name: str = "") -> Campaign:
    """Make a new draft of the same content, audience and channels, without its times."""
    actor.require(Permission.EDIT_CAMPAIGNS)
    clone = Campaign.objects.create(
        organisation=campaign.organisation,
        name=(name or str(_("%(name)s (copy)") % {"name": campaign.name}))[:200],
        goal=campaign.goal,
        kinds=campaign.kinds,
        segment=campaign.segment,
        channel_mode=campaign.channel_mode,
        channels=campaign.channels,
        fallback=campaign.fallback,
        fallback_after=campaign.fallback_after,
        tracking=campaign.tracking,
        utm=campaign.utm,
        holdout=campaign.holdout,
        attribution_days=campaign.attribution_days,
        timezone=campaign.timezone,
        created_by=actor.user,
        edited_by=actor.user,
        edited_by_token=actor.token,
        edited_at=clock.now(),
    )
    for relation in RELATIONS:
        getattr(clone, relation).set(getattr(campaign, relation).all())
    for content in campaign.contents.all():
        content.pk, content.campaign, content._state.adding = None, clone, True
        content.save(force_insert=True)
    audit.record(actor, "campaign.cloned", clone, source=campaign.pk)
    return clone


def archive_campaign(actor: Actor, campaign: Campaign) -> None:
    """Take a draft or an ended campaign out of the lists; nothing is deleted."""
    _set_archived(actor, campaign, archived=True)


def restore_campaign(actor: Actor, campaign: Campaign) -> None:
    """Undo `archive_campaign`."""
    _set_archived(actor, campaign, archived=False)


@transaction.atomic
def _set_archived(actor: Actor, campaign: Campaign, *, archived: bool) -> None:
    actor.require(Permission.EDIT_CAMPAIGNS)
    campaign = lock(campaign)
    next_state(campaign.state, Verb.ARCHIVE)
    campaign.archived_at = clock.now() if archived else None
    campaign.save(update_fields=["archived_at"])
    audit.record(actor, "campaign.archived" if archived else "campaign.restored", campaign)


def digest(campaign: Campaign) -> str:
    """SHA-256 of all that an approver approves: contents, audience, channels, services, schedule, measurement."""
    facts = {
        "name": campaign.name,
        "goal": campaign.goal,
        "topics": sorted(campaign.topics.values_list("pk", flat=True)),
        "excluded_topics": sorted(campaign.excluded_topics.values_list("pk", flat=True)),
        "services": [[s.slug, s.name, s.url, s.steps] for s in campaign.services.order_by("slug")],
        "kinds": sorted(campaign.kinds),
        "channel_mode": campaign.channel_mode,
        "channels": campaign.channels,
        "tracking": campaign.tracking,
        "holdout": campaign.holdout,
        "starts_at": campaign.starts_at and campaign.starts_at.timestamp(),
        "not_after": campaign.not_after and campaign.not_after.timestamp(),
        "contents": [
            [c.channel, c.language, c.variant, c.format, c.subject, c.body, c.account_id, *_of_email(c)]
            for c in campaign.contents.order_by("channel", "language", "variant")
        ],
    }
    look = look_of(campaign.organisation).facts()
    if look and Channel.EMAIL in campaign.channels:
        facts["look"] = look  # a footer says something too
    if campaign.is_pressing:
        facts["is_pressing"] = True
    if campaign.utm:
        facts["utm"] = campaign.utm
    if segments := _segments(campaign):
        facts["segments"] = segments
    if campaign.attribution_days != Campaign._meta.get_field("attribution_days").default:
        facts["attribution_days"] = campaign.attribution_days
    if campaign.channel_mode == ChannelMode.PREFERRED:
        facts["fallback"] = [campaign.fallback, campaign.fallback_after]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _segments(campaign: Campaign) -> list[Any]:
    """Rules, not only their names: whoever approved a rule did not approve another. Nothing where there is none."""
    excluded = list(campaign.excluded_segments.order_by("pk"))
    chosen = [campaign.segment, *excluded] if campaign.segment or excluded else []
    return [segment and [segment.pk, segment.where] for segment in chosen]


def _of_email(content: Content) -> list[Any]:
    """Nothing where nothing was set: what was approved before there was any stays approved."""
    extras = [content.preheader, content.calendar, content.pictures]
    return extras if extras != ["", {}, Pictures.HOSTED] else []


def lock(campaign: Campaign) -> Campaign:
    """The same campaign, read again and locked until the transaction ends, in the caller's own object."""
    row = Campaign.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=campaign.pk)
    campaign.__dict__.update(row.__dict__)
    campaign.__dict__.pop("_prefetched_objects_cache", None)
    return campaign


def _organisation(actor: Actor, data: CampaignData) -> Organisation:
    slug = data.get("organisation") or actor.organisation.slug
    organisation = actor.organisation.subtree().filter(slug=str(slug)).first()
    if organisation is None:
        raise Invalid({"organisation": [NotFound.message]})
    return organisation


def _write_parts(campaign: Campaign, draft: Draft) -> None:
    for relation in RELATIONS:
        rows = getattr(draft, relation)
        if rows is not None:
            getattr(campaign, relation).set(rows)
    if draft.contents is not None:
        keep = {_write_content(campaign, content).pk for content in draft.contents}
        campaign.contents.exclude(pk__in=keep).delete()


def _write_content(campaign: Campaign, draft: ContentDraft) -> Content:
    content, _created = Content.objects.update_or_create(
        campaign=campaign,
        channel=draft.channel,
        language=draft.language,
        variant=draft.variant,
        defaults={
            "format": draft.format,
            "subject": draft.subject,
            "body": draft.body.replace("\r\n", "\n"),
            "account": draft.account,
            "preheader": draft.preheader,
            "calendar": draft.calendar,
            "pictures": draft.pictures,
        },
    )
    return content


def _touch(actor: Actor, campaign: Campaign, state: CampaignState) -> None:
    campaign.state = state
    campaign.edited_by, campaign.edited_by_token, campaign.edited_at = actor.user, actor.token, clock.now()
    campaign.save()
