"""A reply as the answer to what a message asked: the last question that went to whoever replies, within a week."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from outreach.core.models import Account
from outreach.core.vocabulary import Channel, Question, ReplyKind
from outreach.events.answer_words import read_answer
from outreach.events.answering import LONGEST_TEXT, Given, asked_of, asks_in, take_answers
from outreach.events.inbound import Inbound
from outreach.events.matching import Match, sent_lately
from outreach.events.optout import person_of

#: How long after a question a reply without a trace of its message may answer it.
REPLY_WITHIN: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a reply answers, and to which message."""

    match: Match
    question: Question
    given: Given


def find_answer(account: Account, inbound: Inbound) -> Answer | None:
    """What the reply answers; None for one that answers no question of ours."""
    if inbound.kind != ReplyKind.REPLY:
        return None
    is_short = read_answer(inbound.text, list(Question)) is not None
    if not is_short and inbound.channel != Channel.SMS:
        return None  # by e-mail words go to whoever reads the inbox
    asking = ((match, asks) for match in _candidates(account, inbound) if (asks := asks_in(match.delivery)))
    match, asks = next(asking, (None, ()))
    return _answer(match, asks, inbound) if match else None


def _answer(match: Match, asks: Sequence[Question], inbound: Inbound) -> Answer | None:
    found = read_answer(inbound.text, asks)
    if found is not None:
        return Answer(match=match, question=found[0], given=Given(value=found[1]))
    if inbound.channel == Channel.SMS and Question.WORDS in asks:
        return Answer(match=match, question=Question.WORDS, given=Given(text=inbound.text[:LONGEST_TEXT]))
    return None


def _candidates(account: Account, inbound: Inbound) -> Iterator[Match]:
    """The message that the reply names; where it names none, those of the last week to its sender, the newest first."""
    if inbound.match is not None and inbound.match.by in {"token", "message_id"}:
        yield inbound.match
        return
    since = inbound.received_at - REPLY_WITHIN
    for delivery in sent_lately(account, inbound.channel, inbound.sender, since=since):
        yield Match(delivery=delivery, by="address")


def mark_answer(inbound: Inbound, answer: Answer | None) -> Inbound:
    """The reply as what it is: one that is an answer and nothing else needs none itself."""
    if answer is None or answer.given.value is None:
        return inbound
    return replace(inbound, kind=ReplyKind.ANSWER, match=answer.match)


def count_answer(answer: Answer, *, source: str) -> None:
    """Count it as if it had been given on the page."""
    person = person_of(answer.match.delivery)
    asked = asked_of(person) if person else None
    if asked is not None and asked.is_open and not asked.is_gone:
        take_answers(asked, {answer.question: answer.given}, source=source)
