"""Provider call-backs: verified, stored before the answer, applied once, kept while their delivery is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _

import channels
from channels.base import EventWord, ForgedHook, Hook, ProviderEvent
from outreach.core import clock
from outreach.core.away import is_away
from outreach.core.errors import OutreachError
from outreach.core.models import Account
from outreach.core.vocabulary import Channel, EventKind
from outreach.delivery.adapters import plain_account
from outreach.delivery.models import Delivery
from outreach.events import optout
from outreach.events.calls import MOST_TRIES, from_json, keep_events, look_at_alerts, note_failure
from outreach.events.effects import Told, is_settled, resolve_doubt, take_effect, without_addresses
from outreach.events.matching import (
    match_callback,
    match_provider_id,
    match_public_id,
    match_receipt,
    speaks_for_message,
)
from outreach.events.models import HookCall
from outreach.events.replies import take_reply_event
from outreach.events.storable import credible

#: Provider events that become an event of ours; the others have a road of their own or none.
KINDS: Final[Mapping[EventWord, EventKind]] = {
    EventWord.DELIVERED: EventKind.DELIVERED,
    EventWord.BOUNCED: EventKind.BOUNCED,
    EventWord.DELAYED: EventKind.DELAYED,
    EventWord.REJECTED: EventKind.REJECTED,
    EventWord.COMPLAINED: EventKind.COMPLAINED,
    EventWord.OPENED: EventKind.OPENED,
    EventWord.CLICKED: EventKind.CLICKED,
    EventWord.READ: EventKind.READ,
    EventWord.UNKNOWN: EventKind.UNKNOWN,
}
#: How long a call waits for a delivery that nobody knows.
KEPT_WAITING: Final = timedelta(days=7)
#: Younger ones are tried each time: as a rule they came before our own commit.
FRESH: Final = timedelta(minutes=1)
#: Longest between two tries.
SELDOMEST: Final = timedelta(hours=1)
#: Why nothing came of a call whose delivery nobody knew in that time.
NO_MESSAGE: Final = "no_message"
#: Calls that one run of the task takes on.
MOST_AT_ONCE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class HookResult:
    """What became of one call-back's events."""

    #: Applied now.
    applied: int
    #: Kept, since their delivery is not known yet.
    waiting: int
    #: Kept, with the reason why they could not be applied.
    failed: int
    #: Known before; without effect.
    repeated: int


class Forged(OutreachError):
    """The signature is not the provider's."""

    status = 400
    message = _("The signature is not the provider's.")


def accept_hook(
    account: Account, *, kind: str, url: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]
) -> HookResult:
    """Verify a call-back, store its events, and apply what can be applied.

    `url` is the public one, as the provider signed it; names in `headers` are in lower case.

    Raises:
        Forged: the signature is not the provider's; nothing was stored.
    """
    hook = Hook(kind=kind, url=url, body=body, headers=headers, query=query)
    try:
        told = channels.find(account.adapter).parse_events(hook, plain_account(account))
    except ForgedHook as err:
        raise Forged(account=account.pk) from err
    return take_events(account, [_with_delivery(account, hook, event) for event in told])


def take_events(account: Account, told: Sequence[ProviderEvent]) -> HookResult:
    """Store what a provider told, and apply what can be applied; what is known already has no effect.

    Each by itself: one that fails is kept with the reason, and keeps no other from being applied.
    """
    fresh, known = keep_events(account.pk, told)
    results = [try_call(pk) for pk in fresh]
    counts = {name: results.count(name) for name in ("applied", "waiting", "failed")}
    return HookResult(**counts, repeated=known)


def apply_waiting(*, most: int = MOST_AT_ONCE) -> int:
    """Apply again what could not be applied when it came; answer how many now were.

    Those that still cannot be are tried again ever less often, so that however many there are, each has its turn; in
    the end it is said of them why nothing came of them.
    """
    now = clock.now()
    is_hoped_for = Q(received_at__gte=now - KEPT_WAITING) | Q(trouble="")
    waiting = HookCall.objects.filter(is_hoped_for, applied_at=None, next_try_at__lte=now, failures__lt=MOST_TRIES)
    due = list(waiting.order_by("next_try_at", "pk").values_list("pk", flat=True)[:most])
    applied = sum(try_call(pk) == "applied" for pk in due)
    waited = ExpressionWrapper((Value(now) - F("received_at") - Value(FRESH)) / 4, output_field=DurationField())
    next_try = ExpressionWrapper(Value(now) + Least(waited, Value(SELDOMEST)), output_field=DateTimeField())
    left = HookCall.objects.filter(pk__in=due, applied_at=None)
    left.update(next_try_at=next_try)
    left.filter(received_at__lt=now - KEPT_WAITING, trouble="").update(trouble=NO_MESSAGE)
    look_at_alerts()
    return applied


def try_call(pk: int, *, is_again: bool = False) -> str:
    """Apply one stored event, as `apply_call` does: `applied`, `waiting`, or `failed` where it keeps why.

    Raises:
        OperationalError, InterfaceError: the database is away.
    """
    try:
        return "applied" if apply_call(pk, is_again=is_again) else "waiting"
    except Exception as err:  # a stranger's words are in it: there is no list of what may be wrong with them
        if is_away(err):
            raise
        note_failure(pk, err)
        return "failed"


@transaction.atomic
def apply_call(pk: int, *, is_again: bool = False) -> bool:
    """Apply one stored event under its row's lock; False while its delivery is not known.

    `is_again`: also one that was applied before, which changes nothing that it did.
    """
    calls = HookCall.objects.select_for_update(of=("self",)).select_related("account__organisation").filter(pk=pk)
    call = (calls if is_again else calls.filter(applied_at=None)).first()
    if call is None or not call.event:
        return True
    event = from_json(call.event)
    if event.word == EventWord.REPLIED:
        take_reply_event(call.account, event)
        _finish(call, keep=False)
        return True
    delivery = _find_delivery(call.account, event)
    if delivery is None:
        return False
    _apply(call, event, delivery)
    if is_settled(delivery):
        # What comes while its worker still has it in hand is taken again afterwards: it may resolve a doubt by then.
        _finish(call, keep=event.word not in {EventWord.OPENED, EventWord.CLICKED})
    return True


def _apply(call: HookCall, event: ProviderEvent, delivery: Delivery) -> None:
    source = call.account.adapter
    if event.word == EventWord.UNSUBSCRIBED:
        if person := optout.person_of(delivery):
            optout.opt_out(person, source=source, evidence={"event": call.event_id})
        return
    kind = KINDS.get(event.word)
    is_failure = kind in {EventKind.BOUNCED, EventKind.REJECTED}
    if not speaks_for_message(delivery, event.provider_id, is_failure=is_failure):
        return
    if kind is None:
        resolve_doubt(delivery, EventKind.DELIVERED, detail=f"{source}: {event.word}")
        return
    told = Told(
        kind=kind,
        at=credible(event.at, call.received_at),
        identity=f"{call.account_id}:{call.event_id}",
        source=source,
        reason=event.reason,
        hard=event.hard,
        address=event.address,
        url=event.url,
        user_agent=event.user_agent,
        machine=event.machine,
        raw=event.raw,
    )
    take_effect(delivery, told)


def _finish(call: HookCall, *, keep: bool = True) -> None:
    """Mark as applied; of what a person did only the key stays, since event or reply say what may be kept."""
    call.applied_at = clock.now()
    call.trouble = ""
    call.event = call.event if keep else {}
    call.save(update_fields=["applied_at", "trouble", "event"])


def _find_delivery(account: Account, event: ProviderEvent) -> Delivery | None:
    match = match_public_id(account, event.message) or (
        match_receipt(account, event.provider_id, event.address)
        if account.channel == Channel.SMS and event.address
        else match_provider_id(account, event.provider_id)
    )
    return match.delivery if match else None


def _with_delivery(account: Account, hook: Hook, event: ProviderEvent) -> ProviderEvent:
    """The event with the delivery that the call's own URL names, where the provider gives nothing back."""
    match = match_callback(account, hook.query.get("d", ""))
    message = match.delivery.public_id if match and event.word != EventWord.REPLIED else event.message
    return replace(event, message=message, raw=without_addresses(event.raw))
