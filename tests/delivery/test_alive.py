"""A database that went back, or a long absence: nothing is sent before people were asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from outreach.core.models import Alert, Installation
from outreach.delivery.alive import LastSeen, alive, reasons_to_hold
from outreach.delivery.connection import Identity, connect, identity
from outreach.delivery.runs import resume_run
from tests.delivery.world import World, campaign_of, fates

HERE = Identity(system="7", timeline=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GRACE = timedelta(minutes=15)


def seen(here: Identity, ago: timedelta | None) -> LastSeen:
    return LastSeen(here=here, alive_at=None if ago is None else NOON - ago, now=NOON)


def test_reasons_to_hold() -> None:
    nowhere = Identity(system="", timeline=0)
    assert reasons_to_hold(seen(nowhere, None), HERE, grace=GRACE) == {}
    assert reasons_to_hold(seen(HERE, timedelta(minutes=1)), HERE, grace=GRACE) == {}
    assert reasons_to_hold(seen(HERE, timedelta(minutes=16)), HERE, grace=GRACE) == {
        "code": "away",
        "from": "2026-11-22T11:44:00+00:00",
        "to": "2026-11-22T12:00:00+00:00",
    }
    other = {"code": "other_database", "now": "2026-11-22T12:00:00+00:00"}
    assert reasons_to_hold(seen(Identity(system="8", timeline=1), None), HERE, grace=GRACE) == other
    assert reasons_to_hold(seen(Identity(system="7", timeline=2), None), HERE, grace=GRACE) == other


def test_the_first_time_it_only_notes_who_we_are(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    assert alive() == []
    with connect() as link:
        here = identity(link)
    [installation] = Installation.objects.all()
    assert (installation.system_identifier, installation.timeline) == (here.system, here.timeline)
    assert installation.alive_at is not None
    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 1}


def test_after_a_long_absence_runs_are_held_until_somebody_says_go(world: World) -> None:
    world.people(2)
    run = world.fanned_out()
    alive()
    Installation.objects.update(alive_at=datetime.now(UTC) - timedelta(hours=2))
    assert world.send_all() == 0  # nobody leases before the absence was looked at

    assert alive() == [run.pk]
    run.refresh_from_db()
    assert (run.state, campaign_of(run).state, run.trouble["code"]) == ("held", "held", "away")
    assert world.send_all() == 0
    assert Alert.objects.get().facts["from"] < Alert.objects.get().facts["to"]

    assert alive() == []
    resume_run(run.pk)
    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 2}


def test_a_run_of_another_database_is_held_and_never_leased(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    type(run).objects.filter(pk=run.pk).update(system_identifier="another")
    assert world.send_all() == 0
    assert alive() == [run.pk]
    resume_run(run.pk)
    assert alive() == []
    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 1}
