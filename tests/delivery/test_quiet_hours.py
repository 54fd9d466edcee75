"""Quiet hours: what would disturb waits in the ledger until they end, is never lost, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience.models import Subscriber
from outreach.core.vocabulary import Reason
from outreach.delivery.check import check_ledger
from outreach.delivery.models import Attempt, Batch, Delivery
from outreach.delivery.verdicts import TOGETHER, put_off
from outreach.effectiveness.receipts import receipt
from outreach.effectiveness.telling import tell
from tests.delivery.world import World, fates, make_due

#: In UTC, by whose clock the tests' people live.
DAY = timedelta(days=1)


def minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute


def hours_around(moment: datetime, *, ends_in: timedelta) -> dict[str, Any]:
    """Quiet hours that began two hours ago and end in so long."""
    begins, ends = moment - timedelta(hours=2), moment + ends_in
    return {"quiet_from": minute(begins), "quiet_to": minute(ends), "timezone": "UTC"}


def wake(people: Sequence[Subscriber]) -> None:
    Subscriber.objects.filter(pk__in=[person.pk for person in people]).update(quiet_from=None, quiet_to=None)


def test_a_message_waits_until_the_quiet_hours_end_and_is_sent_then(world: World) -> None:
    now = datetime.now(UTC)
    quiet = world.people(2, **hours_around(now, ends_in=timedelta(hours=3)))
    [awake, over] = [
        *world.people(1),
        *world.people(1, quiet_from=minute(now - 2 * DAY / 24), quiet_to=minute(now - DAY / 24), timezone="UTC"),
    ]
    run = world.fanned_out()

    world.send_all()

    end = now.replace(second=0, microsecond=0) + timedelta(hours=3)
    [later] = Batch.objects.filter(run=run, is_retry=True)
    waiting = Delivery.objects.filter(batch=later).order_by("subscriber_id")
    assert sorted(message.to for message in world.box().messages) == sorted(
        f"person{person.pk}@example.org" for person in (awake, over)
    )
    assert end <= later.due_at < end + timedelta(minutes=1)
    assert [(row.subscriber_id, row.state, row.reason, row.attempts, row.uncertain) for row in waiting] == [
        (person.pk, "deferred", "quiet_hours", 0, False) for person in quiet
    ]
    assert set(Attempt.objects.filter(run=run).values_list("kind", "reason")) == {("put_off", "quiet_hours")}
    run.refresh_from_db()
    assert (run.state, check_ledger(run.campaign).problems) == ("running", [])

    wake(quiet)
    make_due(run)
    world.send_all()

    run.refresh_from_db()
    assert (fates(run), run.state) == ({("email", "accepted", ""): 4}, "finished")
    assert check_ledger(run.campaign).problems == []


def test_a_receipt_says_why_a_message_waits_and_until_when(world: World) -> None:
    world.people(1, **hours_around(datetime.now(UTC), ends_in=timedelta(hours=3)))
    run = world.fanned_out()
    world.send_all()
    row = Delivery.objects.get(run=run)

    found = receipt(world.organisation, row.public_id)

    [settled] = [tell(step, write_time=datetime.isoformat) for step in found.steps if step.kind == "settled"]
    assert (settled.title, "In the person's quiet hours" in settled.text, settled.tone) == ("Put off", True, "warn")
    assert row.batch_id is not None
    due = Batch.objects.get(pk=row.batch_id).due_at
    assert next((each.code, each.at) for each in found.next) == ("due", due)


def test_a_message_whose_campaign_ends_before_is_closed_with_the_reason(world: World) -> None:
    now = datetime.now(UTC)
    world.people(1, **hours_around(now, ends_in=timedelta(hours=3)))
    world.people(1, **hours_around(now, ends_in=timedelta(hours=1)))
    run = world.fanned_out(not_after=now + timedelta(hours=2))

    world.send_all()

    assert fates(run) == {("email", "skipped", "quiet_hours"): 1, ("email", "deferred", "quiet_hours"): 1}
    assert world.box().messages == []
    assert check_ledger(run.campaign).problems == []


def test_a_window_of_only_quiet_people_does_not_end_the_batch_and_opens_nothing(world: World) -> None:
    quiet = world.people(5, **hours_around(datetime.now(UTC), ends_in=timedelta(hours=3)))
    world.people(1)
    world.window = 2
    run = world.fanned_out()

    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 1, ("email", "deferred", "quiet_hours"): len(quiet)}


def test_who_lives_by_the_organisation_s_clock_is_quiet_by_it(world: World) -> None:
    """Quiet in Sofia at this hour; in Tokyo the clock shows another one."""
    world.organisation.timezone = "Europe/Sofia"
    world.organisation.save()
    hours = hours_around(datetime.now(ZoneInfo("Europe/Sofia")), ends_in=timedelta(minutes=50)) | {"timezone": ""}
    world.people(1, **hours)
    world.people(1, **hours | {"timezone": "Asia/Tokyo"})
    run = world.fanned_out()

    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 1, ("email", "deferred", "quiet_hours"): 1}


def test_a_test_send_does_not_wait(world: World) -> None:
    [person] = world.people(1, **hours_around(datetime.now(UTC), ends_in=timedelta(hours=3)))
    value = f"person{person.pk}@example.org"
    recipients = [{"channel": "email", "value": value, "language": "bg"}]
    world.fanned_out(kind="test", frozen={**world.frozen(), "recipients": recipients})
    world.send_all("notices")
    assert [message.to for message in world.box().messages] == [value]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(row=st.integers(1, 2**60), ahead=st.integers(0, 10_000), end=st.none() | st.integers(-10_000, 10_000))
def test_what_is_put_off_is_never_lost_and_never_early(row: int, ahead: int, end: int | None) -> None:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    until = now + timedelta(minutes=ahead)
    not_after = None if end is None else now + timedelta(minutes=end)
    verdict = put_off(row, until=until, not_after=not_after, uncertain=False)
    assert (verdict.reason, verdict.tried) == (Reason.QUIET_HOURS, False)
    if not_after is not None and until >= not_after:
        assert (verdict.state, verdict.due_at) == ("skipped", None)
    else:
        assert verdict.state == "deferred"
        assert verdict.due_at is not None
        assert until <= verdict.due_at < until + timedelta(minutes=1)
        neighbour = put_off(row // TOGETHER * TOGETHER, until=until, not_after=not_after, uncertain=False)
        assert neighbour.due_at == verdict.due_at
