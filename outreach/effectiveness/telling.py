"""The words of a receipt, in the reader's language: one sentence a step, for the command, the API and the console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from outreach.core.models import in_language
from outreach.core.vocabulary import (
    Channel,
    DeliveryState,
    EventKind,
    Reason,
    Receipt,
    ReplyKind,
    SuppressionReason,
    Verdict,
)
from outreach.effectiveness.prospects import Prospect
from outreach.effectiveness.story import Step

WriteTime = Callable[[datetime], str]

#: Every word that a step may hold, as people read it.
WORDS: Final[dict[str, Any]] = {
    **dict(Reason.choices),
    **dict(SuppressionReason.choices),
    **dict(DeliveryState.choices),
    **dict(ReplyKind.choices),
    **dict(EventKind.choices),
    **dict(Verdict.choices),
    "temporary": _("The provider asked to try later"),
    "permanent": _("The provider refused it"),
    "account": _("The account does not work"),
    "unsupported": _("The channel cannot carry it"),
    "inherited": _("Taken over from a worker that stopped"),
    "evidence": _("Learnt later"),
    "moved": _("Moved to another account"),
    "put_off": _("Put off"),
    "followed": _("Goes on by another channel"),
    "not_followed": _("No other channel"),
    "told": _("Told in the reader's digest"),
    "not_told": _("Told in no digest"),
    "carries": _("Tells a message"),
    "left_out": _("Leaves a message out"),
}

#: Where a consent was given or withdrawn.
SOURCES: Final[dict[str, Any]] = {
    "import": _("an import"),
    "import_undone": _("an import that was taken back"),
    "form": _("a form"),
    "api": _("another system"),
    "one_click": _("one click in the message"),
    "preferences": _("the preferences page"),
    "page": _("the page behind a message"),
    "stop": _("the answer STOP"),
    "start": _("the answer START"),
    "console": _("this console"),
    "keep": _("the page that asks whether to go on"),
    "sunset": _("no sign for a long time, also after a question"),
}

#: Titles of kinds; the others are titled by their word.
_TITLES: Final[dict[str, Any]] = {
    "in_hand": _("In hand"),
    "late": _("Learnt late: %(word)s"),
    "evidence": _("Learnt later: %(word)s"),
    "attempt": _("Attempt: %(word)s"),
    "receipt": _("Receipt: %(word)s"),
    "event": _("What came back: %(word)s"),
    "reply": _("Reply: %(word)s"),
}
_WORDS_OF: Final[dict[str, dict[str, Any]]] = {
    "receipt": dict(Receipt.choices),
    "settled": WORDS
    | {"unknown": _("The provider did not say whether it took the message"), "returned": _("Not handed over")},
    "withdrawn": {"withdrawn": _("Consent withdrawn"), "suppressed": _("On the suppression list")},
}

_CHOSEN: Final[dict[str, Any]] = {
    "all": _("%(channel)s: the campaign uses every channel that reaches the person."),
    "preferred": _("%(channel)s: the first of the campaign's channels that reaches the person (%(order)s)."),
    "post": _("%(channel)s: one post for everybody who follows."),
    "named": _("%(channel)s: a test send to a named address."),
    "notice": _("%(channel)s: a notice to one person."),
    "digest": _("%(channel)s: the reader asked to get by it together what is new."),
    "wish": _("%(channel)s: the channel by which the person asked to be written to."),
    "fallback": _("%(channel)s: in place of message %(fallback_of)s."),
}
#: Why a message stands in for another.
_FAILURES: Final[dict[str, Any]] = {
    "rejected": _("That message failed: %(cause)s."),
    "skipped": _("That message could not be sent: %(cause)s."),
    "bounced": _("That message came back."),
    "silence": _("Of that message no receipt came within %(cause)s minutes."),
}
_PASSED: Final = _("%(channel)s was passed over: %(reason)s.")
_FOLLOWED: Final = _("By %(channel)s, message %(follower)s.")
_TOLD: Final = _("As message %(digest)s.")
_CARRIES: Final = _("“%(campaign)s”, kept as message %(delivery)s.")
_NOT_FOLLOWED: Final = _("%(channel)s would have been next, message %(follower)s.")

_SETTLED: Final = _("Committed by %(worker)s under fence %(fence)s of batch %(batch)s; in hand since %(since)s.")
_RETURNED: Final = _("The worker had not come to it: it went back into batch %(batch)s, as if never taken.")
_IN_HAND: Final = _(
    "Committed by %(worker)s under fence %(fence)s of batch %(batch)s, in a window of %(size)s, until %(until)s."
)
_IN_HAND_NOW: Final = _("Committed by %(worker)s under fence %(fence)s of batch %(batch)s, in a window of %(size)s.")
_LOST: Final = _(
    "Committed by %(worker)s under fence %(fence)s of batch %(batch)s, in a window of %(size)s. The window was never "
    "settled: its worker stopped, or was overtaken."
)
_LOST_UNTIL: Final = _(
    "Committed by %(worker)s under fence %(fence)s of batch %(batch)s, in a window of %(size)s. The window was never "
    "settled: its worker stopped, or was overtaken; the next one found it at %(until)s."
)
_INHERITED: Final = _("Under fence %(fence)s of batch %(batch)s. Whether the message had left, nobody could say.")
_LATE: Final = _("From the worker of fence %(fence)s, which had lost batch %(batch)s by then: evidence, no outcome.")
_CROSSED: Final = _(
    "It came while the message was in hand, from %(since)s to %(until)s: what is in hand may still leave."
)
_CROSSED_NOW: Final = _("It came while the message was in hand, since %(since)s: what is in hand may still leave.")
_HONOURED: Final = _("It came while the message was in nobody's hand: every later window looks at it.")

_DOUBTS: Final[dict[str, Any]] = {
    "unknown": _(
        "Nobody knows whether the message left: it was in hand when its worker stopped or the provider fell silent. It "
        "is not sent again by itself."
    ),
    "one_more_try": _(
        "The message may have left already: it was in hand when its worker stopped or the provider fell silent. It is "
        "handed over once more, with the same Message-ID, and never a third time."
    ),
    "may_be_twice": _(
        "The message may have left twice: it was in hand when a worker stopped or the provider fell silent, and was "
        "handed over once more. It carries the same Message-ID both times."
    ),
    "was_settled": _(
        "The message was in hand when its worker stopped or the provider fell silent. It was not handed over again."
    ),
}

#: What an open delivery waits for.
PROSPECTS: Final[dict[str, Any]] = {
    "in_hand": _("It is in a worker's hand now, whose lease lasts until %(at)s."),
    "lease_ran_out": _(
        "Its worker's lease ran out at %(at)s: the next worker takes it over, or its own one settles it."
    ),
    "next": _("Its batch is due: the next free worker takes it."),
    "batch_leased": _("A worker has its batch, with a lease until %(at)s, and comes to it in turn."),
    "batch_parked": _("Its batch stopped its worker three times and is parked until somebody has looked at it."),
    "due": _("It is tried again at %(at)s, when its batch is due."),
    "account_paused": _("Its account is paused: %(detail)s"),
    "account_rests": _("Its account rests until %(at)s, since its provider could not be reached."),
    "run_paused": _("The campaign is paused: nothing leaves until it goes on."),
    "run_pausing": _("The campaign is pausing: nothing leaves until it goes on."),
    "run_held": _("The campaign is held: nothing leaves until somebody lets it go on."),
    "run_cancelling": _("The campaign is being cancelled: it will be closed without leaving."),
    "alone": _("It comes last and alone, in a window of one."),
    "daily": _("It is told in the reader's daily digest, which is due at %(at)s."),
    "weekly": _("It is told in the reader's weekly digest, which is due at %(at)s."),
    "ends_with_run": _("The campaign ends at %(at)s: after that it is not sent."),
    "given_up": _("It is given up where no try succeeds until %(at)s."),
    "waits_for_evidence": _(
        "A report of the provider, a bounce, or a click on one of its links may still tell whether it arrived."
    ),
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """A step in words."""

    step: Step
    title: str
    text: str
    #: `good`, `warn`, `bad`, `unsure` or ''.
    tone: str


def tell(step: Step, *, write_time: WriteTime) -> Told:
    """The step in the active language."""
    words = _WORDS_OF.get(step.kind, WORDS)
    word = str(words.get(step.word, step.word))
    title = str(_TITLES.get(step.kind, word)) % {"word": word} if step.kind in _TITLES else word
    sentences = [*_sentences(step, write_time), _reason(step), step.detail]
    return Told(step=step, title=title, text=" ".join(filter(None, sentences)), tone=_tone(step))


def tell_doubt(code: str) -> str:
    """What `uncertain` means, in the active language; '' for no doubt."""
    return str(_DOUBTS[code]) if code else ""


def tell_prospect(prospect: Prospect, *, write_time: WriteTime) -> str:
    """What comes next, in the active language."""
    at = write_time(prospect.at) if prospect.at else "–"
    return str(PROSPECTS.get(prospect.code, prospect.code)) % {"at": at, "detail": prospect.detail}


def _sentences(step: Step, write_time: WriteTime) -> list[str]:
    values: dict[str, Any] = {
        name: write_time(value) if isinstance(value, datetime) else value for name, value in step.facts.items()
    }
    values |= {"fence": step.fence, "batch": step.batch}
    if step.kind == "followed":
        values["channel"] = dict(Channel.choices).get(values["channel"], values["channel"])
    if step.kind == "planned":
        return _planned(step, values)
    chosen = _template(step)
    return [str(chosen) % values] if chosen else []


def _planned(step: Step, values: dict[str, Any]) -> list[str]:
    is_test = values["run_kind"] == "test"
    opening = _("At the fan-out of run %(run)s, a test send.") if is_test else _FANOUT
    opening = _LATER if values["chosen"] == "fallback" else opening
    opening = _TOGETHER if values["chosen"] == "digest" else opening
    channel_names = dict(Channel.choices)
    order = ", ".join(str(channel_names.get(name, name)) for name in values["order"])
    values = values | {"channel": channel_names.get(values["channel"], values["channel"]), "order": order}
    said = [opening, _CHOSEN.get(values["chosen"], _CHOSEN["all"])]
    if values.get("failure"):
        values["cause"] = WORDS.get(values.get("cause", ""), values.get("cause", ""))
        said.append(_FAILURES[values["failure"]])
    if values["draw"] is not None:
        values["draw"] = f"{values['draw']:.4f}"
        said.append(_("Draw %(draw)s, variant “%(variant)s”.") if values["variant"] else _("Draw %(draw)s."))
    if step.batch:
        said.append(_("Batch %(batch)s."))
    if values.get("meant"):
        values["meant"] = in_language(values["meant"])
        said.append(_("Of the topics' people the campaign means: %(meant)s"))
    told = [str(sentence) % values for sentence in said]
    return [*told[:2], *_passed_over(step), *told[2:]] if not values.get("failure") else [*told, *_passed_over(step)]


def _passed_over(step: Step) -> list[str]:
    names = dict(Channel.choices)
    return [
        str(_PASSED) % {"channel": names.get(channel, channel), "reason": WORDS.get(reason, reason)}
        for channel, reason in step.facts.get("passed", ())
    ]


_FANOUT: Final = _("At the fan-out of run %(run)s, planned for %(due)s.")
_LATER: Final = _("Added to run %(run)s later.")
_TOGETHER: Final = _("In run %(run)s, made of what was kept.")


def _template(step: Step) -> str | Promise | None:
    if step.kind == "in_hand":
        if step.word == "lost":
            return _LOST_UNTIL if step.facts["until"] else _LOST
        return _IN_HAND if step.facts["until"] else _IN_HAND_NOW
    if step.kind == "settled" and step.fence:
        return _RETURNED if step.word == "returned" else _SETTLED
    if step.kind == "followed":
        return _FOLLOWED if step.word == "followed" else _NOT_FOLLOWED
    if step.kind == "kept":
        return _TOLD if step.facts else None
    if step.kind == "carries":
        return _CARRIES
    if step.kind == "withdrawn" and not step.facts:
        return _HONOURED
    if step.kind == "withdrawn":
        return _CROSSED if step.facts["until"] else _CROSSED_NOW
    return {"inherited": _INHERITED, "late": _LATE}.get(step.kind)


def _reason(step: Step) -> str:
    if step.word == "withdrawn":
        return str(_THROUGH) % {"source": SOURCES.get(step.reason, step.reason)}
    said = str(WORDS.get(step.reason, step.reason)) if step.reason and step.reason != step.word else ""
    sentence = f"{said}." if said else ""
    return " ".join(filter(None, (sentence, step.facts.get("link", ""))))


_THROUGH: Final = _("Through %(source)s.")


def _tone(step: Step) -> str:
    if step.kind == "in_hand":
        return "unsure" if step.word == "lost" else ""
    return _TONES.get(step.word, "")


_TONES: Final = {
    **dict.fromkeys(("rejected", "bounced", "complained", "permanent", "unsupported"), "bad"),
    **dict.fromkeys(("deferred", "temporary", "delayed", "account", "withdrawn", "suppressed"), "warn"),
    **dict.fromkeys(("unknown", "inherited"), "unsure"),
    **dict.fromkeys(("moved", "put_off", "followed", "not_followed", "not_told", "left_out"), "warn"),
    **dict.fromkeys(("accepted", "delivered", "opened", "clicked", "read", "told"), "good"),
}
