"""A reader answers what a message asked: on the page of its link, or by a reply. A GET never comes here.

Counted once a reader and message: who answers again corrects what they said. What a campaign counts in aggregate keeps
nothing of a person but a digest, which tells a second answer and goes when answers become final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from outreach.campaigns.models import Run, Service
from outreach.core import clock
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import in_language
from outreach.core.vocabulary import EventKind, Question, RunKind, Tracking
from outreach.delivery.compile import CompiledContent
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Delivery
from outreach.delivery.questions import SCALES
from outreach.delivery.tokens import Token
from outreach.events.asked_twice import take_back_from_surveys
from outreach.events.feedback import Feedback
from outreach.events.optout import Person, find_person
from outreach.events.record import Happening, record
from outreach.events.stage_answers import add_answer
from outreach.events.storable import storable_text
from outreach.events.voters import voter_of

#: How long after its message an answer is taken and may be corrected; then it is final, and nobody's.
OPEN_FOR: Final = timedelta(days=90)
LONGEST_TEXT: Final = 2_000


class AnswersClosed(StateConflict):
    """The time to answer is over."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A message that asks, and the reader who may answer."""

    person: Person
    questions: tuple[Question, ...]

    @property
    def is_open(self) -> bool:
        return clock.now() - self.person.run.as_of <= OPEN_FOR

    @property
    def is_counted(self) -> bool:
        """Not in a test send: it is for whoever writes the campaign."""
        return self.person.run.kind != RunKind.TEST

    @property
    def is_gone(self) -> bool:
        """Whether the reader was erased, and the message speaks to nobody."""
        return self.person.subscriber is None and self.person.delivery.subscriber_id is not None

    def service_name(self, language: str) -> str:
        """Name of the service that is asked about; '' where the message names none."""
        named = self.person.run.frozen.get("services") or [{}]
        return in_language(named[0].get("name") or {}, language)


@dataclass(frozen=True, kw_only=True)
class Given:
    """An answer: a number of the question's scale, words, or both."""

    value: int | None = None
    text: str = ""


def find_asked(token: Token) -> Asked | None:
    """What a FEEDBACK token asks of whom; None where the message is gone or asks nothing."""
    person = find_person(token)
    return asked_of(person) if person else None


def asked_of(person: Person) -> Asked | None:
    """What this message asks of the person it went to."""
    questions = questions_in(person.delivery)
    return Asked(person=person, questions=questions) if questions else None


def questions_in(delivery: Delivery) -> tuple[Question, ...]:
    """What the page of answers of the delivery's message asks."""
    return tuple(dict.fromkeys(question for content in _contents_of(delivery) for question in content.questions))


def asks_in(delivery: Delivery) -> tuple[Question, ...]:
    """What the text of the delivery's message itself asks."""
    return tuple(dict.fromkeys(question for content in _contents_of(delivery) for question in content.asks))


def _contents_of(delivery: Delivery) -> list[CompiledContent]:
    """Of the delivery's language, else all that its run sends by the channel."""
    compiled = compiled_run(delivery.run_id)
    contents = [one for one in (compiled.contents() if compiled else ()) if one.source.channel == delivery.channel]
    return [one for one in contents if one.source.language == delivery.language] or contents


@transaction.atomic
def take_answers(asked: Asked, given: Mapping[Question, Given], *, source: str) -> int:
    """Write down what the reader answered; answer how many questions were answered for the first time.

    What is not given stays as it was said before.

    Raises:
        Invalid: nothing is given, or a number that is not on its question's scale, or too much text.
        AnswersClosed
    """
    _check(asked, given)
    if not asked.is_open:
        raise AnswersClosed(run=asked.person.run.pk)
    if not asked.is_counted:
        return 0
    said = {question: one for question, one in given.items() if one.value is not None or one.text}
    new = [question for question, one in said.items() if _keep(asked, question, one, source)]
    record(*(happening(asked, reason=question.value, source=source) for question in new))
    return len(new)


def _check(asked: Asked, given: Mapping[Question, Given]) -> None:
    wrong: dict[str, list[Any]] = {}
    for question, one in given.items():
        scale = SCALES.get(question)
        if question not in asked.questions or (one.value is not None and (not scale or one.value not in scale.values)):
            wrong[question.value] = [_("Choose one of the answers.")]
        if len(one.text) > LONGEST_TEXT:
            wrong["text"] = [_("This is too long: at most %(most)s characters.") % {"most": LONGEST_TEXT}]
    if not wrong and not any(one.value is not None or one.text for one in given.values()):
        wrong[asked.questions[0].value] = [_("Choose an answer or write something.")]
    if wrong:
        raise Invalid(wrong)


def _keep(asked: Asked, question: Question, given: Given, source: str) -> bool:
    """Whether it is the first answer of this reader to the question."""
    said = {"value": given.value} if given.value is not None else {}
    words = {"text": storable_text(given.text)} if given.text else {}
    row, is_new = Feedback.objects.select_for_update().get_or_create(
        voter=voter_of(asked.person.run.pk, asked.person.delivery.target),
        question=question,
        defaults={**_facts(asked), **said, **words, "source": source, "at": clock.now()},
    )
    before = None if is_new else row.value
    if not is_new:
        Feedback.objects.filter(pk=row.pk).update(**said, **words, source=source, changed_at=clock.now())
    if given.value is not None and given.value != before:
        _take_as_evidence(asked, row, given.value, before=before)
    return is_new


def _take_as_evidence(asked: Asked, row: Feedback, value: int, *, before: int | None) -> None:
    person = asked.person
    if before is None and row.service:
        take_back_from_surveys(
            row.question,
            run=person.run,
            service=row.service,
            target=person.delivery.target,
            subscriber=person.subscriber,
        )
    add_answer(
        row.question,
        value,
        before=before,
        organisation=row.organisation_id,
        run=person.run,
        service=row.service,
        subscriber=person.subscriber,
        channel=row.channel,
        language=row.language,
    )


def forget_answers(subscriber_id: int) -> None:
    """Take an erased person out of their answers, and the words: also out of those that only a digest still tells."""
    open_runs = Run.objects.filter(as_of__gte=clock.now() - OPEN_FOR).values_list("pk", flat=True)
    voters = [voter_of(run, f"s:{subscriber_id}") for run in open_runs]
    theirs = Feedback.objects.filter(Q(subscriber=subscriber_id) | Q(voter__in=voters))
    theirs.update(subscriber=None, delivery=None, voter=None, text="")


def _facts(asked: Asked) -> dict[str, Any]:
    run, delivery, subscriber = asked.person.run, asked.person.delivery, asked.person.subscriber
    slugs = [service["slug"] for service in run.frozen.get("services") or ()]
    return {
        "organisation": run.organisation,
        "service": Service.objects.filter(slug=slugs[0]).first() if slugs else None,
        "campaign_id": run.campaign_id,
        "run": run,
        "channel": delivery.channel,
        "language": delivery.language,
        **({"delivery": delivery.id, "subscriber": subscriber} if is_measured(asked) else {}),
    }


def is_measured(asked: Asked) -> bool:
    """Whether the answer may be kept by person."""
    subscriber = asked.person.subscriber
    return asked.person.run.frozen.get("tracking") == Tracking.INDIVIDUAL and bool(
        subscriber and subscriber.is_measured
    )


def happening(asked: Asked, *, reason: str, source: str) -> Happening:
    """That the reader answered, as an event; `reason` is the question, or `survey`."""
    delivery = asked.person.delivery
    return Happening(
        kind=EventKind.ANSWERED,
        run=asked.person.run.pk,
        delivery=delivery.id if is_measured(asked) else 0,
        channel=delivery.channel,
        language=delivery.language,
        reason=reason,
        source=source,
    )
