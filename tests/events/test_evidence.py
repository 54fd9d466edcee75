from __future__ import annotations

from typing import Any

import pytest

from outreach.delivery.models import Attempt, Delivery
from outreach.events.evidence import take_signs_of_life

pytestmark = pytest.mark.django_db


def known(sent: Any) -> Any:
    return Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery)


def test_an_opened_message_was_handed_over(sent: Any) -> None:
    known(sent).update(state="unknown", reason="no_answer")
    assert take_signs_of_life([(sent.run.pk, sent.delivery), (sent.run.pk, sent.delivery + 1)]) == 1
    assert known(sent).get().state == "accepted"
    assert Attempt.objects.count() == 1


def test_what_is_certain_needs_no_evidence(sent: Any) -> None:
    assert take_signs_of_life([(sent.run.pk, sent.delivery)]) == 0
    assert take_signs_of_life([]) == 0
    assert Attempt.objects.count() == 0
