"""How each noun looks as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import override

from outreach.audience.frequency import frequency_of
from outreach.audience.import_columns import taken_for
from outreach.audience.import_intake import Preview
from outreach.audience.imports import reason_text
from outreach.audience.models import Import, Segment, Subscriber, Topic
from outreach.audience.pause import pause_of
from outreach.audience.quiet_hours import quiet_hours_of
from outreach.audience.rule_words import in_words
from outreach.audience.rules import KnownRule
from outreach.audience.segment_people import Count
from outreach.campaigns.branding import look_of
from outreach.campaigns.models import Branding, Campaign, NoticeTemplate, Picture, Service
from outreach.campaigns.pictures import url_of
from outreach.core.models import Account
from outreach.core.vocabulary import Language
from outreach.delivery.mail_fields import nest_imap
from outreach.effectiveness.notices import NoticeFate
from outreach.events.models import Conversion, Event, Reply
from outreach.events.tongue import language_of
from outreach.feeds.models import Source
from outreach.sandbox.models import SandboxMessage

Json = dict[str, Any]


def moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def service_json(service: Service) -> Json:
    return {
        "id": str(service.pk),
        "slug": service.slug,
        "organisation": service.organisation.slug,
        "name": service.name,
        "url": service.url,
        "steps": service.steps,
        "kinds": service.kinds,
        "topics": sorted(topic.slug for topic in service.topics.all()),
        "click_parameter": service.click_parameter,
    }


def topic_json(topic: Topic) -> Json:
    return {
        "id": str(topic.pk),
        "slug": topic.slug,
        "organisation": topic.organisation.slug,
        "parent": topic.parent.slug if topic.parent else None,
        "position": topic.position,
        "name": topic.name,
        "description": topic.description,
        "feeds": {kind: f"{settings.BASE_URL}/feeds/{topic.slug}.{kind}" for kind in ("rss", "atom", "json")},
    }


def subscriber_json(subscriber: Subscriber) -> Json:
    """Expects addresses and subscriptions with topics prefetched."""
    return {
        "id": str(subscriber.pk),
        "organisation": subscriber.organisation.slug,
        "kind": subscriber.kind,
        "name": subscriber.name,
        "language": subscriber.language,
        "timezone": subscriber.timezone,
        "preferred_channel": subscriber.preferred_channel or None,
        "region": subscriber.region or None,
        "paused_until": moment(pause_of(subscriber)),
        **_quiet_hours(subscriber),
        "attributes": subscriber.attributes,
        "addresses": [
            {"id": str(address.pk), "channel": address.channel, "value": address.value, "state": address.state}
            for address in subscriber.addresses.all()
        ],
        "subscriptions": [
            {
                "topic": subscription.topic.slug,
                "channel": subscription.channel,
                "state": subscription.state,
                "frequency": frequency_of(subscription.frequency).value,
            }
            for subscription in subscriber.subscriptions.all()
        ],
        "created_at": moment(subscriber.created_at),
    }


def segment_json(segment: Segment) -> Json:
    return {
        "id": str(segment.pk),
        "organisation": segment.organisation.slug,
        "name": segment.name,
        "where": segment.where,
        "taken_at": moment(segment.taken_at),
        "state": segment.state,
        "share_listed": round(segment.share_listed, 3),
        "created_at": moment(segment.created_at),
        "changed_at": moment(segment.changed_at),
    }


def meant_json(known: KnownRule, count: Count, sample: list[Subscriber]) -> Json:
    """Whom a rule means now, and the rule in words."""
    words = {}
    for language in Language.values:
        with override(language):
            words[language] = in_words(known)
    return {"words": words, **asdict(count), "sample": [subscriber_json(person) for person in sample]}


def _quiet_hours(subscriber: Subscriber) -> Json:
    hours = quiet_hours_of(subscriber)
    return {"quiet_from": hours and hours.begin, "quiet_to": hours and hours.end}


def import_json(job: Import) -> Json:
    return {
        "id": str(job.pk),
        "state": job.state,
        "file_name": job.file_name,
        "topic": job.topic.slug,
        "columns": job.mapping or {column: taken_for(column, {}) for column in job.columns if column},
        "opt_in": job.is_opt_in,
        "evidence": job.evidence,
        "known": job.known,
        "rows": job.rows,
        "created": job.created,
        "updated": job.updated,
        "unchanged": job.unchanged,
        "rejected": job.rejected,
        "trouble": job.trouble,
        "errors_url": f"{settings.BASE_URL}/api/v1/imports/{job.pk}/errors" if job.rejected else None,
    }


def preview_json(seen: Preview) -> Json:
    return {
        "encoding": seen.form.encoding_name,
        "delimiter": seen.form.delimiter,
        "columns": [{"name": column, "taken_for": word} for column, word in seen.columns.items()],
        "rows": [{"line": row.line, "cells": row.cells} for row in seen.first],
        "problems": [asdict(row) | {"message": reason_text(row.reason)} for row in seen.bad],
        "tried": seen.tried,
        "faults": seen.faults,
    }


def account_json(account: Account) -> Json:
    """Never a secret."""
    return {
        "id": str(account.pk),
        "organisation": account.organisation.slug,
        "lent_by": None,
        "adapter": account.adapter,
        "channel": account.channel,
        "name": account.name,
        "settings": nest_imap(account.settings),
        "unknown_policy": account.unknown_policy,
        "rate_per_minute": account.rate_per_minute,
        "domain_rates": account.domain_rates,
        "warm_up": account.warm_up or None,
        "weight": account.weight,
        "share": account.share,
        "state": account.state,
        "trouble": account.trouble,
        "trouble_since": moment(account.trouble_since),
        "hook_urls": hook_urls(account),
    }


def lent_account_json(account: Account) -> Json:
    """An account of one above: that it is there, and no more than whoever may send through it needs to know."""
    hidden: Json = {"settings": {}, "domain_rates": {}, "warm_up": None, "trouble": "", "hook_urls": {}}
    return {**account_json(account), "lent_by": account.organisation.slug, **hidden}


def hook_urls(account: Account) -> dict[str, str]:
    return {kind: f"{settings.BASE_URL}/hooks/{account.hook_key}/{kind}" for kind in ("events", "inbound", "status")}


def campaign_json(campaign: Campaign) -> Json:
    """Expects topics, segments, services and contents prefetched."""
    return {
        "id": str(campaign.pk),
        "organisation": campaign.organisation.slug,
        "name": campaign.name,
        "state": campaign.state,
        "goal": campaign.goal,
        "audience": {
            "topics": sorted(topic.slug for topic in campaign.topics.all()),
            "exclude": sorted(topic.slug for topic in campaign.excluded_topics.all()),
            "kinds": campaign.kinds,
            "segment": str(campaign.segment_id) if campaign.segment_id else None,
            "exclude_segments": [str(segment.pk) for segment in campaign.excluded_segments.all()],
        },
        "channels": {
            "mode": campaign.channel_mode,
            "order": campaign.channels,
            "fallback": campaign.fallback,
            "fallback_after": campaign.fallback_after,
        },
        "contents": [
            {
                "channel": content.channel,
                "language": content.language,
                "variant": content.variant,
                "format": content.format,
                "subject": content.subject,
                "body": content.body,
                "account": str(content.account_id) if content.account_id else None,
                "preheader": content.preheader,
                "calendar": content.calendar or None,
                "pictures": content.pictures,
            }
            for content in campaign.contents.all()
        ],
        "schedule": {
            "at": moment(campaign.starts_at),
            "timezone": campaign.timezone,
            "not_after": moment(campaign.not_after),
            "pressing": campaign.is_pressing,
        },
        "experiment": {"holdout": campaign.holdout},
        "tracking": campaign.tracking,
        "utm": campaign.utm,
        "attribution_days": campaign.attribution_days,
        "services": sorted(service.slug for service in campaign.services.all()),
        "created_at": moment(campaign.created_at),
        "edited_at": moment(campaign.edited_at),
    }


def picture_json(picture: Picture) -> Json:
    return {
        "id": str(picture.pk),
        "organisation": picture.organisation.slug,
        "key": picture.key,
        "url": url_of(picture),
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.size,
        "alt": picture.alt,
    }


def branding_json(branding: Branding) -> Json:
    look = look_of(branding.organisation)
    return {
        "organisation": branding.organisation.slug,
        "own": {
            "name": branding.name,
            "logo": branding.logo.key if branding.logo else "",
            "colour": branding.colour,
            "link_colour": branding.link_colour,
            "footer": branding.footer,
        },
        "effective": {
            "name": look.name or branding.organisation.name,
            "logo": url_of(look.logo) if look.logo else "",
            "colour": look.colour,
            "link_colour": look.link_colour,
            "footer": look.footer,
        },
    }


def notice_template_json(template: NoticeTemplate) -> Json:
    return {
        "id": str(template.pk),
        "slug": template.slug,
        "organisation": template.organisation.slug,
        "name": template.name,
        "lawful_basis": template.lawful_basis,
        "contents": [
            {
                **{key: value for key, value in content.items() if key != "written"},
                "account": str(content["account"]) if content["account"] else None,
            }
            for content in template.contents
        ],
        "created_at": moment(template.created_at),
        "changed_at": moment(template.changed_at),
    }


def notice_json(found: NoticeFate) -> Json:
    """Never what it said: `data` is its caller's, and may be a secret of the person's."""
    notice, delivery = found.notice, found.delivery
    return {
        "id": str(notice.pk),
        "organisation": notice.organisation.slug,
        "template": notice.template.slug if notice.template else None,
        "lawful_basis": notice.lawful_basis,
        "channel": notice.channel,
        "language": delivery.language,
        "address": notice.value,
        "subscriber": str(notice.subscriber_id) if notice.subscriber_id else None,
        "state": found.state,
        "reason": delivery.reason,
        "receipt": delivery.receipt,
        "uncertain": delivery.uncertain,
        "attempts": delivery.attempts,
        "provider_id": delivery.provider_id,
        "delivery": delivery.public_id,
        "created_at": moment(notice.created_at),
        "settled_at": moment(delivery.settled_at),
        "receipt_at": moment(delivery.receipt_at),
    }


def event_json(event: Event) -> Json:
    return {
        "id": str(event.id),
        "kind": event.kind,
        "at": moment(event.at),
        "channel": event.channel,
        "delivery": f"{event.run_id}-{event.delivery}" if event.delivery else None,
        "link": event.link,
        "verdict": event.verdict,
        "reason": event.reason,
        "source": event.source,
    }


def reply_json(reply: Reply) -> Json:
    return {
        "id": str(reply.pk),
        "kind": reply.kind,
        "channel": reply.channel,
        "sender": reply.sender,
        "subject": reply.subject,
        "text": reply.text,
        "language": language_of(reply.text or reply.subject),
        "campaign": str(reply.campaign_id) if reply.campaign_id else None,
        "delivery": f"{reply.run_id}-{reply.delivery}" if reply.delivery else None,
        "subscriber": str(reply.subscriber_id) if reply.subscriber_id else None,
        "matched_by": reply.matched_by,
        "conversation": str(reply.conversation_id) if reply.conversation_id else None,
        "answered_at": moment(reply.answered_at),
        "received_at": moment(reply.received_at),
    }


def source_json(source: Source) -> Json:
    return {
        "id": str(source.pk),
        "name": source.name,
        "url": source.url,
        "topic": source.topic.slug,
        "language": source.language,
        "trouble": source.trouble,
        "read_at": moment(source.read_at),
        "next_at": moment(source.next_at),
    }


def sandbox_json(message: SandboxMessage) -> Json:
    raw = bytes(message.raw).decode("utf-8", "replace") or message.body
    return {
        "id": str(message.pk),
        "channel": message.channel,
        "to": message.recipient,
        "from": message.sender,
        "subject": message.subject,
        "text": message.body,
        "raw": raw,
        "at": moment(message.at),
    }


def conversion_json(conversion: Conversion) -> Json:
    return {"id": str(conversion.pk), "name": conversion.name, "at": conversion.at.isoformat()}
