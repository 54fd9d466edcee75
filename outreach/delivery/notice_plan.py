"""The plan that notices are sent by, and the run that keeps it: a template's notices of one day share a run.

So a notice costs a row and a batch, not a run; its text is compiled once, and a changed template is another plan.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from outreach.campaigns.models import Run
from outreach.campaigns.planning import look_facts, sender_facts
from outreach.campaigns.senders import resolve_accounts, usable_accounts
from outreach.core import clock
from outreach.core.errors import StateConflict
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import CampaignState, ChannelMode, Pictures, RunKind, Tracking
from outreach.delivery import queries
from outreach.delivery.connection import Link, fetch_one, identity


class NoAccountForNotice(StateConflict):
    """There is no account to send through for this channel."""

    message = _("There is no account to send this through. Add one of the channel.")


def plan_of(
    organisation: Organisation, contents: Sequence[Mapping[str, Any]], *, name: str, notice: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that rendering needs, in the shape of `campaigns.planning.freeze`, before accounts are chosen."""
    return {
        "campaign": {"id": 0, "name": name, "goal": ""},
        "organisation": {
            "id": organisation.pk,
            "slug": organisation.slug,
            "name": organisation.name,
            "timezone": organisation.timezone,
        },
        "topics": [],
        "topic_names": {},
        "topic_slugs": {},
        "excluded_topics": [],
        "kinds": [],
        "mode": ChannelMode.ALL.value,
        "channels": list(dict.fromkeys(content["channel"] for content in contents)),
        "accounts": {},
        "senders": {},
        "contents": [{"variant": "", **content} for content in contents],
        **look_facts(organisation, [text["body"] for text in contents if text.get("pictures") == Pictures.ATTACHED]),
        "fallback_language": organisation.language,
        # Whom a service writes to because it must is not measured.
        "tracking": Tracking.NONE.value,
        "holdout": 0.0,
        "services": [],
        "notice": dict(notice),
    }


def with_accounts(plan: Mapping[str, Any], organisation: Organisation) -> dict[str, Any]:
    """The plan with the account of each text: its own while there is such a one, else the organisation's.

    Raises:
        NoAccountForNotice: a channel has none.
    """
    named = {content["account"] for content in plan["contents"] if content["account"]}
    own = {account.pk: account for account in usable_accounts(organisation).filter(pk__in=named)} if named else {}
    nearest = resolve_accounts(organisation, plan["channels"])
    missing = [channel for channel in plan["channels"] if channel not in nearest]
    if missing:
        raise NoAccountForNotice(channels=missing)
    contents = [
        {**content, "account": (own.get(content["account"]) or nearest[content["channel"]]).pk}
        for content in plan["contents"]
    ]
    used: dict[int, Account] = {**{account.pk: account for account in nearest.values()}, **own}
    return {
        **plan,
        "accounts": {channel: account.pk for channel, account in nearest.items()},
        "senders": {str(key): sender_facts(account) for key, account in sorted(used.items())},
        "contents": contents,
    }


def digest_of(plan: Mapping[str, Any]) -> str:
    """Tells plans apart."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def find_run(link: Link, organisation: Organisation, plan: Mapping[str, Any], *, is_single: bool) -> int:
    """The run of today that takes notices of this plan; made where there is none, or where it is to hold a `single`."""
    digest = digest_of(plan)
    if is_single:
        return _make_run(link, organisation, plan, digest)
    wanted = {"digest": digest, "organisation": organisation.pk}
    row = fetch_one(link, queries.FIND_NOTICE_RUN, **wanted)
    if row is None:
        fetch_one(link, queries.LOCK_NOTICE_RUN, digest=digest)
        row = fetch_one(link, queries.FIND_NOTICE_RUN, **wanted)
    return int(row[0]) if row else _make_run(link, organisation, plan, digest)


def _make_run(link: Link, organisation: Organisation, plan: Mapping[str, Any], digest: str) -> int:
    here = identity(link)
    now = clock.now()
    run = Run.objects.create(
        organisation=organisation,
        kind=RunKind.NOTICE,
        occurrence=now,
        state=CampaignState.RUNNING,
        salt=secrets.token_bytes(16),
        frozen=dict(plan),
        digest=digest,
        as_of=now,
        started_at=now,
        system_identifier=here.system,
        timeline=here.timeline,
    )
    return run.pk
