"""What will happen next to a delivery, and what its doubt means: codes and times. Pure; `telling` words them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from outreach.core.vocabulary import CLOSED, AccountState, BatchState, CampaignState, DeliveryState
from outreach.delivery.verdicts import GIVE_UP_AFTER
from outreach.effectiveness.story import Known


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """One thing that a delivery waits for."""

    #: See `telling.PROSPECTS`.
    code: str
    #: When it ends, where that is known.
    at: datetime | None = None
    #: Another's words: why an account is paused.
    detail: str = ""


def doubt(known: Known) -> str:
    """What `uncertain` means: `unknown`, `may_be_twice`, `one_more_try`, `was_settled`; '' where all is plain."""
    delivery = known.delivery
    if delivery.state == DeliveryState.UNKNOWN:
        return "unknown"
    if not delivery.uncertain:
        return ""
    if delivery.state not in CLOSED:
        return "one_more_try"
    return "may_be_twice" if len(known.hands) > 1 or delivery.attempts > 1 else "was_settled"


def prospects(known: Known) -> list[Prospect]:
    """What comes next for an open delivery, or one kept for a digest; a closed one's doubt may still be cleared."""
    if known.delivery.state == DeliveryState.UNKNOWN:
        return [Prospect(code="waits_for_evidence")]
    if known.kept is not None and not (known.kept.told_at or known.kept.dropped):
        return [Prospect(code="daily" if known.kept.days == 1 else "weekly", at=known.kept.due_at)]
    if known.delivery.state in CLOSED:
        return []
    if known.is_in_hand:
        return [_in_hand(known)]
    waits = [*_stopped(known), *_account(known), *_batch(known)]
    return [*(waits or [Prospect(code="next")]), *_rules(known)]


def _in_hand(known: Known) -> Prospect:
    until = known.batch.lease_until if known.batch else None
    return Prospect(code="in_hand" if until is None or until > known.now else "lease_ran_out", at=until)


def _stopped(known: Known) -> Iterator[Prospect]:
    if known.run.state != CampaignState.RUNNING:
        yield Prospect(code=f"run_{known.run.state}")


def _account(known: Known) -> Iterator[Prospect]:
    account = known.account
    if account is not None and account.state == AccountState.PAUSED:
        yield Prospect(code="account_paused", detail=account.trouble)
    if account is not None and account.rest_until is not None and account.rest_until > known.now:
        yield Prospect(code="account_rests", at=account.rest_until)


def _batch(known: Known) -> Iterator[Prospect]:
    batch = known.batch
    if batch is None:
        return
    if batch.state == BatchState.PARKED:
        yield Prospect(code="batch_parked")
    elif batch.state == BatchState.LEASED:
        yield Prospect(code="batch_leased", at=batch.lease_until)
    elif batch.due_at > known.now:
        yield Prospect(code="due", at=batch.due_at)


def _rules(known: Known) -> Iterator[Prospect]:
    """What holds for its next try, whenever that is."""
    if known.delivery.uncertain:
        yield Prospect(code="alone")
    end = known.delivery.created_at + GIVE_UP_AFTER
    if known.run.not_after and known.run.not_after < end:
        yield Prospect(code="ends_with_run", at=known.run.not_after)
    else:
        yield Prospect(code="given_up", at=end)
