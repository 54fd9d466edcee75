from __future__ import annotations

from channels.base import Message, OutcomeKind
from tests.channels.contract import Case, Recorded, Situation
from tests.channels.smtp_peer import DRIP, DROP, ENDLESS, STALL, mail_server

#: Name, step, reply: kind, reason, scope.
ANSWERS: tuple[tuple[str, str, str, OutcomeKind, str, str], ...] = (
    ("taken", "END", "250 2.0.0 Ok: queued as A1B2", OutcomeKind.ACCEPTED, "", "message"),
    ("no such user", "RCPT", "550 5.1.1 no such user", OutcomeKind.PERMANENT, "unknown_recipient", "message"),
    ("no such domain", "RCPT", "550 5.1.2 no such domain", OutcomeKind.PERMANENT, "unknown_recipient", "message"),
    ("bad address", "RCPT", "501 5.1.3 bad address", OutcomeKind.PERMANENT, "unknown_recipient", "message"),
    ("moved", "RCPT", "550 5.1.6 moved", OutcomeKind.PERMANENT, "unknown_recipient", "message"),
    ("plain 550", "RCPT", "550 no", OutcomeKind.PERMANENT, "unknown_recipient", "message"),
    ("relay denied", "RCPT", "554 5.7.1 relay access denied", OutcomeKind.PERMANENT, "policy", "message"),
    ("mailbox full", "RCPT", "452 4.2.2 mailbox full", OutcomeKind.TEMPORARY, "temporary", "message"),
    ("disabled", "RCPT", "550 5.2.1 disabled", OutcomeKind.PERMANENT, "unknown_recipient", "message"),
    ("greylisted", "RCPT", "450 4.7.1 try later", OutcomeKind.TEMPORARY, "rate_limited", "message"),
    ("no storage", "RCPT", "452 no storage", OutcomeKind.TEMPORARY, "rate_limited", "message"),
    ("lookup failed", "RCPT", "451 4.4.3 lookup failed", OutcomeKind.TEMPORARY, "temporary", "message"),
    ("spam", "END", "550 5.7.1 spam", OutcomeKind.PERMANENT, "policy", "message"),
    ("too big", "END", "552 5.3.4 too big", OutcomeKind.PERMANENT, "refused", "message"),
    ("later", "END", "451 4.3.0 later", OutcomeKind.TEMPORARY, "temporary", "message"),
    ("no data", "DATA", "451 not now", OutcomeKind.TEMPORARY, "temporary", "message"),
    ("goodbye", "MAIL", "421 4.3.2 shutting down", OutcomeKind.TEMPORARY, "rate_limited", "account"),
    ("goodbye at the end", "END", "421 4.3.2 shutting down", OutcomeKind.TEMPORARY, "rate_limited", "account"),
    ("log in first", "MAIL", "530 5.7.0 authentication required", OutcomeKind.ACCOUNT, "account_problem", "message"),
    ("log in first at RCPT", "RCPT", "530 5.7.0 log in", OutcomeKind.ACCOUNT, "account_problem", "message"),
    ("sender refused", "MAIL", "550 5.7.1 not your sender", OutcomeKind.ACCOUNT, "account_problem", "message"),
    ("sender slowed", "MAIL", "450 4.7.1 slow down", OutcomeKind.TEMPORARY, "rate_limited", "account"),
    ("lost at RCPT", "RCPT", DROP, OutcomeKind.TEMPORARY, "temporary", "account"),
    ("lost after the dot", "END", DROP, OutcomeKind.UNKNOWN, "no_answer", "message"),
    ("not SMTP", "END", "HTTP/1.1 200 OK", OutcomeKind.UNKNOWN, "no_answer", "message"),
)

CASE = Case(
    adapter="smtp",
    peer=mail_server,
    message=Message(id="m", to="ana@example.org", subject="Здравей", text="Текст", message_id="m@example.org"),
    recorded=[
        Recorded(name=name, answer={step: reply}, kind=kind, reason=reason, scope=scope)
        for name, step, reply, kind, reason, scope in ANSWERS
    ],
    troubles={
        Situation.DROPPED: {"END": DROP},
        Situation.SILENT: {"END": STALL},
        Situation.SLOW: {"END": DRIP},
        Situation.HUGE: {"END": ENDLESS},
        Situation.NOT_UNDERSTOOD: {"END": "<html>Log in to this network</html>"},
    },
    impossible={Situation.CUT_SHORT: "no reply of SMTP says how long it is"},
    waits=("channels.smtp_wire.REPLY_SECONDS", "channels.smtp_wire.CONNECT_SECONDS"),
    unsupported=(
        Message(id="no-address", to="ana", text="x"),
        Message(id="line-end-in-subject", to="ana@example.org", subject="a\r\nBcc: b@example.org", text="x"),
        Message(id="line-end-in-address", to="a@example.org>\r\nRCPT TO:<b@example.org", text="x"),
    ),
)
