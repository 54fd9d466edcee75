"""Whose message was it? From what a provider or a person gives back to the delivery it speaks of.

Only deliveries of the account's own organisation and below are ever found: an account hears about its own messages.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Address
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.models import Account
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import DeliveryState, Language, Receipt, RunKind
from outreach.delivery import tokens
from outreach.delivery.letters import signature_of
from outreach.delivery.models import Delivery, Notice
from outreach.delivery.tokens import TokenKind

#: `RUN-ID` of a delivery.
_PUBLIC_ID: Final = re.compile(r"(\d{1,18})-(\d{1,18})")
#: The deterministic Message-ID that `delivery.letters` makes: `RUN-ID.SIGNATURE@host`.
_MESSAGE_ID: Final = re.compile(r"<?((\d{1,18})-(\d{1,18}))\.([0-9a-f]{16})@[^\s<>]+>?")
#: How far back an answer without a token is looked for.
REMEMBERED: Final = timedelta(days=90)
#: How long after a message left a report that gives nothing of it back may speak of it: servers try for five days (RFC
#: 5321, section 4.5.4.1). Anybody can write such a report.
RETURNED_WITHIN: Final = timedelta(days=10)
#: Newest runs that are looked through for an answer without a token.
NEWEST_RUNS: Final = 50
#: Newest notices to one address that are looked through for a receipt.
NEWEST_NOTICES: Final = 100
#: Recipients of a test send, which are numbered: alone they say whose it is of nothing.
_NAMED: Final = tuple(f"n:{number}" for number in range(20))
#: States of a delivery that its recipient may have got.
_MAY_HAVE_ARRIVED: Final = (
    DeliveryState.ACCEPTED,
    DeliveryState.UNKNOWN,
    DeliveryState.PLANNED,
    DeliveryState.DEFERRED,
)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A delivery, and what led to it."""

    delivery: Delivery
    #: `token`, `message_id`, `address` or `post`.
    by: str


def match_public_id(account: Account, text: str) -> Match | None:
    """The delivery of `RUN-ID`, which is not signed: only for what a verified call-back of the provider says."""
    found = _PUBLIC_ID.fullmatch(text.strip())
    return _get(account, run=int(found[1]), delivery=int(found[2]), by="token") if found else None


def match_callback(account: Account, text: str) -> Match | None:
    """The delivery of a call-back token, the unguessable part of its URL."""
    token = tokens.read(text, TokenKind.CALLBACK)
    return _get(account, run=token.run, delivery=token.delivery, by="token") if token else None


def match_message_ids(account: Account, ids: Iterable[str]) -> Match | None:
    """The delivery whose Message-ID is among these; one that we did not sign is not believed."""
    for text in ids:
        run, delivery = read_message_id(text) or (0, 0)
        if run and (match := _get(account, run=run, delivery=delivery, by="message_id")):
            return match
    return None


def read_message_id(text: str) -> tuple[int, int] | None:
    """Run and delivery of a Message-ID of ours; None where it is none, or we did not sign it."""
    found = _MESSAGE_ID.search(text)
    if found is None or not hmac.compare_digest(found[4], signature_of(found[1])):
        return None
    return int(found[2]), int(found[3])


def match_provider_id(account: Account, provider_id: str) -> Match | None:
    """The account's recent delivery that the provider calls so; asked only where nothing better came back."""
    if not provider_id:
        return None
    runs = _recent_runs(account)
    posts = [f"a:{account.pk}:{language}" for language in ("", *Language.values)]
    known = Delivery.objects.filter(run_id__in=runs, provider_id=provider_id)
    delivery = known.filter(target__in=posts).first() or known.filter(account=account).first()
    return Match(delivery=delivery, by="post") if delivery else None


def match_receipt(account: Account, provider_id: str, address: str) -> Match | None:
    """As `match_provider_id`, where the recipient is known too: found by index, however many receipts there are."""
    try:
        normalised = normalise(account.channel, address) if provider_id else ""
    except BadAddress:
        return None
    if not normalised:
        return None
    sent = Delivery.objects.filter(
        run_id__in=_recent_runs(account),
        target__in=[*_targets(account, account.channel, normalised), *_NAMED],
        channel=account.channel,
        account=account,
    ).filter(_is_called(provider_id))
    delivery = sent.first()
    return Match(delivery=delivery, by="post") if delivery else None


def _is_called(provider_id: str) -> Q:
    """The id is the message's, or that of one of its parts."""
    first, last, between = (f"{provider_id} ", f" {provider_id}", f" {provider_id} ")
    is_part = Q(provider_id__startswith=first) | Q(provider_id__endswith=last) | Q(provider_id__contains=between)
    return Q(provider_id=provider_id) | is_part


def speaks_for_message(delivery: Delivery, provider_id: str, *, is_failure: bool) -> bool:
    """Whether what is told of one part holds for the message: the last part's does, and the first failure."""
    parts = delivery.provider_id.split()
    if len(parts) < 2 or provider_id not in parts:
        return True
    return delivery.receipt != Receipt.BOUNCED if is_failure else provider_id == parts[-1]


def _targets(account: Account, channel: str, normalised: str) -> list[str]:
    """The ledger's targets of everybody who has the address, and of the notices that went to it."""
    subtree = Address.objects.filter(organisation__path__startswith=account.organisation.path)
    people = subtree.filter(channel=channel, normalised=normalised).values_list("subscriber_id", flat=True)
    notices = Notice.objects.for_organisation(account.organisation).filter(digest=address_digest(channel, normalised))
    newest = notices.order_by("-pk").values_list("pk", flat=True)[:NEWEST_NOTICES]
    return [*(f"s:{person}" for person in people), *(f"n:{key}" for key in newest)]


def match_address(account: Account, channel: str, address: str, *, within: timedelta = REMEMBERED) -> Match | None:
    """The latest message that went to this address by this channel, as long ago as `within` at most."""
    try:
        normalised = normalise(channel, address)
    except BadAddress:
        return None
    subtree = Address.objects.filter(organisation__path__startswith=account.organisation.path)
    people = list(subtree.filter(channel=channel, normalised=normalised).values_list("subscriber_id", flat=True))
    targets = [f"s:{subscriber}" for subscriber in people]
    sent = Delivery.objects.filter(run_id__in=_recent_runs(account), target__in=targets, channel=channel)
    lately = Q(settled_at=None) | Q(settled_at__gte=clock.now() - within)
    found = sent.filter(lately, state__in=_MAY_HAVE_ARRIVED).order_by("-run_id", "-id").first() if targets else None
    return Match(delivery=found, by="address") if found else None


def sent_lately(account: Account, channel: str, address: str, *, since: datetime) -> list[Delivery]:
    """What went to this address by this channel since then, notices too; the newest first.

    No test sends: they have numbers for recipients, so one of them would be anybody's.
    """
    try:
        normalised = normalise(channel, address)
    except BadAddress:
        return []
    runs = Run.objects.filter(pk__in=_recent_runs(account)).exclude(kind=RunKind.TEST).values_list("pk", flat=True)
    sent = Delivery.objects.filter(
        run_id__in=list(runs), target__in=_targets(account, channel, normalised), channel=channel
    )
    found = [row for row in sent.filter(state__in=_MAY_HAVE_ARRIVED) if (row.settled_at or row.created_at) >= since]
    return sorted(found, key=lambda row: row.settled_at or row.created_at, reverse=True)


def _get(account: Account, *, run: int, delivery: int, by: str) -> Match | None:
    if not Run.objects.for_organisation(account.organisation).filter(pk=run).exists():
        return None
    found = Delivery.objects.filter(run_id=run, id=delivery).first()
    return Match(delivery=found, by=by) if found else None


def _recent_runs(account: Account) -> list[int]:
    recent = Run.objects.for_organisation(account.organisation).filter(as_of__gte=clock.now() - REMEMBERED)
    return list(recent.order_by("-pk").values_list("pk", flat=True)[:NEWEST_RUNS])
