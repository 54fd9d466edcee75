from __future__ import annotations

from channels.base import Message, OutcomeKind
from tests.channels.contract import Case, Recorded, Situation
from tests.channels.smpp_peer import DRIP, DROP, GARBAGE, HUGE, LEAVE, SHORT, STALL, THROTTLED, Nack, message_centre

#: Name, what the message centre answers: kind, reason, scope.
ANSWERS: tuple[tuple[str, object, OutcomeKind, str, str], ...] = (
    ("taken", 0, OutcomeKind.ACCEPTED, "", "message"),
    ("too-long", 0x01, OutcomeKind.UNSUPPORTED, "unsupported", "message"),
    ("not-bound-any-more", 0x04, OutcomeKind.TEMPORARY, "temporary", "account"),
    ("out-of-order", 0x08, OutcomeKind.TEMPORARY, "temporary", "message"),
    ("foreign-sender", 0x0A, OutcomeKind.ACCOUNT, "account_problem", "message"),
    ("no-such-number", 0x0B, OutcomeKind.PERMANENT, "invalid_address", "message"),
    ("queue-full", 0x14, OutcomeKind.TEMPORARY, "rate_limited", "account"),
    ("submit-failed", 0x45, OutcomeKind.PERMANENT, "refused", "message"),
    ("sender-of-wrong-type", 0x48, OutcomeKind.ACCOUNT, "account_problem", "message"),
    ("number-of-wrong-type", 0x50, OutcomeKind.PERMANENT, "invalid_address", "message"),
    ("throttled", THROTTLED, OutcomeKind.TEMPORARY, "rate_limited", "account"),
    ("not-now", 0x64, OutcomeKind.TEMPORARY, "temporary", "message"),
    ("never", 0x65, OutcomeKind.PERMANENT, "refused", "message"),
    ("unknown-error", 0xFF, OutcomeKind.PERMANENT, "refused", "message"),
    ("operators-own", 0x0406, OutcomeKind.PERMANENT, "refused", "message"),
    ("not-understood", Nack(status=0x03), OutcomeKind.PERMANENT, "refused", "message"),
    ("leaves", LEAVE, OutcomeKind.UNKNOWN, "no_answer", "message"),
)

CASE = Case(
    adapter="smpp",
    peer=message_centre,
    message=Message(id="m", to="+359881234567", text="Новата услуга работи."),
    recorded=[
        Recorded(name=name, answer=answer, kind=kind, reason=reason, scope=scope)
        for name, answer, kind, reason, scope in ANSWERS
    ],
    troubles={
        Situation.DROPPED: DROP,
        Situation.SILENT: STALL,
        Situation.SLOW: DRIP,
        Situation.HUGE: HUGE,
        Situation.NOT_UNDERSTOOD: GARBAGE,
        Situation.CUT_SHORT: SHORT,
    },
    waits=("channels.smpp_link.ANSWER_SECONDS", "channels.smpp_link.CONNECT_SECONDS"),
    unsupported=(
        Message(id="empty", to="+359881234567", text=" \n"),
        Message(id="endless", to="+359881234567", text="ж" * 671),
    ),
)
