"""Whom somebody wrote to, and who wrote or used a service, an import that is taken back does not take out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from outreach.audience.models import Subscriber
from outreach.audience.undo_people import holds
from outreach.campaigns.models import Run, Service
from outreach.core import clock
from outreach.events.models import Conversion, Reply


def test_the_ledger_replies_and_conversions_hold_people(sent: Any) -> None:
    now = clock.now()
    people = [Subscriber.objects.create(organisation=sent.organisation) for _ in range(3)]
    Reply.objects.create(organisation=sent.organisation, account=sent.account, subscriber=people[0], kind="human",
                         channel="email", external_id="1", received_at=now)  # fmt: skip
    service = Service.objects.create(organisation=sent.organisation, slug="tax", name={}, url="https://example.org")
    Conversion.objects.create(
        organisation=sent.organisation, service=service, name="used", subscriber=people[1], at=now
    )
    ids = [sent.subscriber.pk, *(person.pk for person in people)]

    found = {key for look in holds for key in look(ids, now)}
    Run.objects.filter(pk=sent.run.pk).update(finished_at=now - timedelta(seconds=1))
    ended = {key for look in holds for key in look(ids, now)}

    assert (found, ended) == ({sent.subscriber.pk, people[0].pk, people[1].pk}, {people[0].pk, people[1].pk})
