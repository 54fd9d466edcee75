"""What becomes of a row: pure rules from an outcome, or from a worker's death, to the hand-over state. No I/O.

The settle, the inheritance and the simulation all ask here; nothing else decides a hand-over state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from channels.base import Outcome, OutcomeKind
from outreach.core.vocabulary import DeliveryState, Reason, UnknownPolicy
from outreach.delivery import retry

#: A message is tried for so long where the run itself names no end.
GIVE_UP_AFTER: Final = timedelta(hours=48)
#: How often a batch may be taken over from a worker that died with ids in hand before people must look.
PARKED_AFTER: Final = 3
#: Rows by their ids that one second's batch takes up after quiet hours; about as many as a batch of fan-out has.
TOGETHER: Final = 1_000
#: Reasons that speak against us or our text rather than against one recipient.
AGAINST_US: Final = frozenset({Reason.POLICY, Reason.REFUSED, Reason.RENDERING, Reason.UNSUPPORTED})
REASONS: Final = frozenset(Reason.values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What is known of a row that was handed over."""

    #: Was already in a dead worker's hands once, or got no answer once.
    uncertain: bool
    #: Tries that were answered or lost before this one.
    attempts: int
    #: The account's UnknownPolicy.
    policy: str
    #: The database's time.
    now: datetime
    #: The run's `not_after`, or GIVE_UP_AFTER from the row's birth.
    give_up_at: datetime
    #: Whether it is the run that ends then (and the row is merely too late).
    ends_with_run: bool = False
    #: In [0, 1): spreads retries.
    jitter: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The state a row gets."""

    state: str
    reason: str = ""
    uncertain: bool = False
    #: Set for rows that go to a retry batch.
    retry_at: datetime | None = None
    #: Whether this counts as an attempt: an account that does not work took nothing.
    tried: bool = True

    @property
    def due_at(self) -> datetime | None:
        """When its retry batch is due, which it shares with others: the whole minute, after quiet hours the second."""
        if self.retry_at is None or self.reason == Reason.QUIET_HOURS:
            return self.retry_at
        return retry.due_minute(self.retry_at)


def put_off(row_id: int, *, until: datetime, not_after: datetime | None, uncertain: bool) -> Verdict:
    """The state of a row whose person is not to be disturbed `until` then: it waits, or ends where its run does before.

    Many quiet hours end alike: rows of one batch of fan-out stay together, the next ones follow a second later.
    """
    if not_after is not None and until >= not_after:
        return Verdict(state=DeliveryState.SKIPPED, reason=Reason.QUIET_HOURS, uncertain=uncertain, tried=False)
    due = until + timedelta(seconds=row_id // TOGETHER % 60)
    return Verdict(
        state=DeliveryState.DEFERRED, reason=Reason.QUIET_HOURS, uncertain=uncertain, retry_at=due, tried=False
    )


def is_plain(outcome: Outcome, state: str) -> bool:
    """Whether it is a first try that was accepted: `accepted` without more ado, as nearly every row."""
    return outcome.kind is OutcomeKind.ACCEPTED and state == DeliveryState.PLANNED


def judge(outcome: Outcome, case: Case) -> Verdict:
    """The state that an adapter's outcome means."""
    return _JUDGES[outcome.kind](outcome, case)


def inherit(*, uncertain: bool, policy: str, is_running: bool, reason: str = Reason.LOST_IN_HAND) -> Verdict:
    """The state of a row that was in somebody's hands when he died, or that got no answer.

    At most one more try, flagged, and only where the policy and the run allow it: nobody is handed the same delivery
    more than twice.
    """
    if uncertain or policy != UnknownPolicy.RESEND or not is_running:
        return Verdict(state=DeliveryState.UNKNOWN, reason=reason, uncertain=True)
    return Verdict(state=DeliveryState.DEFERRED, reason=reason, uncertain=True)


def is_parked(inherited: int) -> bool:
    """Whether a batch taken over so often waits for people: one of its messages may kill its worker."""
    return inherited >= PARKED_AFTER


def resolved_by_evidence(evidence: OutcomeKind, *, state: str, uncertain: bool) -> str | None:
    """The state that late evidence gives a row; None leaves it. `accepted` is never taken back."""
    if state == DeliveryState.UNKNOWN:
        return _EVIDENCE_OF_UNKNOWN.get(evidence)
    is_open = state in {DeliveryState.PLANNED, DeliveryState.DEFERRED}
    if is_open and uncertain and evidence is OutcomeKind.ACCEPTED:
        return DeliveryState.ACCEPTED
    return None


_EVIDENCE_OF_UNKNOWN: Final = {
    OutcomeKind.ACCEPTED: DeliveryState.ACCEPTED,
    OutcomeKind.PERMANENT: DeliveryState.REJECTED,
}


class Refusals:
    """The last settled rows of a run in this process: says when a run should pause itself."""

    WATCHED: Final = 200
    LEAST: Final = 50
    SHARE: Final = 0.2

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=self.WATCHED)

    def add(self, verdict: Verdict) -> None:
        self._recent.append(verdict.state == DeliveryState.REJECTED and verdict.reason in AGAINST_US)

    def add_accepted(self, count: int) -> None:
        self._recent.extend([False] * min(count, self.WATCHED))

    def too_many(self) -> bool:
        """More than a fifth of the last 200 were refused for what we are, not for whom we wrote to."""
        return len(self._recent) >= self.LEAST and sum(self._recent) > self.SHARE * len(self._recent)


def _accepted(_: Outcome, case: Case) -> Verdict:
    return Verdict(state=DeliveryState.ACCEPTED, uncertain=case.uncertain)


def _temporary(outcome: Outcome, case: Case) -> Verdict:
    """Try again in a while; where the account as a whole was put off, this row waits with the others, in its batch."""
    concerns_all = outcome.scope == "account"
    pause = retry.delay(case.attempts, retry_after=outcome.retry_after, jitter=case.jitter)
    retry_at = None if concerns_all else case.now + pause
    if (retry_at or case.now) >= case.give_up_at:
        if case.ends_with_run:
            return Verdict(state=DeliveryState.SKIPPED, reason=Reason.EXPIRED, uncertain=case.uncertain)
        return Verdict(state=DeliveryState.REJECTED, reason=Reason.TOO_MANY_ATTEMPTS, uncertain=case.uncertain)
    reason = _known(outcome.reason, Reason.TEMPORARY)
    return Verdict(
        state=DeliveryState.DEFERRED,
        reason=reason,
        uncertain=case.uncertain,
        retry_at=retry_at,
        tried=not concerns_all,
    )


def _permanent(outcome: Outcome, case: Case) -> Verdict:
    return Verdict(
        state=DeliveryState.REJECTED, reason=_known(outcome.reason, Reason.REFUSED), uncertain=case.uncertain
    )


def _unsupported(outcome: Outcome, case: Case) -> Verdict:
    return Verdict(
        state=DeliveryState.REJECTED, reason=_known(outcome.reason, Reason.UNSUPPORTED), uncertain=case.uncertain
    )


def _account(_: Outcome, case: Case) -> Verdict:
    return Verdict(state=DeliveryState.DEFERRED, reason=Reason.ACCOUNT_PROBLEM, uncertain=case.uncertain, tried=False)


def _unknown(_: Outcome, case: Case) -> Verdict:
    return inherit(uncertain=case.uncertain, policy=case.policy, is_running=True, reason=Reason.NO_ANSWER)


def _known(reason: str, otherwise: str) -> str:
    return reason if reason and reason in REASONS else otherwise


_JUDGES: Final[dict[OutcomeKind, Callable[[Outcome, Case], Verdict]]] = {
    OutcomeKind.ACCEPTED: _accepted,
    OutcomeKind.TEMPORARY: _temporary,
    OutcomeKind.PERMANENT: _permanent,
    OutcomeKind.UNSUPPORTED: _unsupported,
    OutcomeKind.ACCOUNT: _account,
    OutcomeKind.UNKNOWN: _unknown,
}
