"""Messages of one content carry what they share, and only where it gives the very texts that were rendered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message
from outreach.delivery.render import CompiledRun, Outgoing, Recipient
from tests.delivery.letter import ANNA, compiled, sender
from tests.delivery.test_slots import PERSONAL, PLAIN, people

BORIS = {**ANNA, "name": "Борис & Ко <b>", "attributes": {"city": "Варна"}}


def run_of(body: str, **changes: Any) -> CompiledRun:
    return compiled(body, senders={"3": sender(adapter="sendgrid")}, **changes)


def recipient(person: dict[str, Any], delivery: int = 99) -> Recipient:
    return Recipient(delivery=delivery, channel="email", language="bg", to="anna@example.org", subscriber=person)


def without_form(message: Message) -> Message:
    return replace(message, form=None, values=())


@pytest.mark.parametrize("tracking", ["none", "aggregate", "individual"])
@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_a_plain_content_has_one_form_for_all(body: str, tracking: str) -> None:
    run = run_of(body, subject="За {{ subscriber.name }}", tracking=tracking)
    anna, boris = (Outgoing(run).render(recipient(person, n)) for n, person in enumerate((ANNA, BORIS)))

    assert anna.form is not None
    assert anna.form is boris.form
    assert anna.form.fill(anna.values) == (anna.subject, anna.text, anna.html)
    assert anna.form.fill(boris.values) == (boris.subject, boris.text, boris.html)
    assert without_form(anna) == run.render(recipient(ANNA, 0))


@pytest.mark.parametrize("body", PERSONAL.values(), ids=PERSONAL)
def test_a_content_that_asks_more_of_a_person_has_none(body: str) -> None:
    run = run_of(body)
    assert Outgoing(run).render(recipient(ANNA)) == run.render(recipient(ANNA))


def test_who_is_measured_one_by_one_has_links_of_their_own_and_no_form() -> None:
    run = run_of(PLAIN["name"], tracking="individual")
    measured = recipient(ANNA)._replace(individual=True)
    assert Outgoing(run).render(measured) == run.render(measured)


@settings(max_examples=60, deadline=None)
@given(person=people(), body=st.sampled_from([*PLAIN.values()]))
def test_the_form_never_gives_another_text(person: dict[str, Any], body: str) -> None:
    run = run_of(body, subject="За {{ subscriber.name }} от {{ subscriber.attributes.city }}", tracking="aggregate")
    message = Outgoing(run).render(recipient(person))

    assert without_form(message) == run.render(recipient(person))
    if message.form is not None:
        assert message.form.fill(message.values) == (message.subject, message.text, message.html)
