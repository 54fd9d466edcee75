"""Snapshots: of few people taken at once, of many by a job that may die anywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outreach.audience import snapshots
from outreach.audience.models import Segment, SnapshotMember, Subscriber
from outreach.audience.segments import change_segment, create_segment, usable_segments
from outreach.audience.snapshots import list_snapshot, resume_snapshots, take_snapshot
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def english(ministry: Organisation) -> list[int]:
    """Of seven people four who speak English; others' people lie between them."""
    others = Organisation.objects.create(slug="others")
    made = []
    for number in range(7):
        made.append(Subscriber.objects.create(organisation=ministry, language="en" if number % 2 == 0 else "bg").pk)
        Subscriber.objects.create(organisation=others, language="en")
    return made[::2]


def begun(ministry: Organisation) -> Segment:
    actor = product_itself(ministry)
    return take_snapshot(actor, create_segment(actor, name="English", where={"language": {"in": ["en"]}}))


def members(taken: Segment) -> list[int]:
    return list(
        SnapshotMember.objects.filter(segment=taken).order_by("subscriber").values_list("subscriber", flat=True)
    )


def test_few_people_are_listed_at_once(ministry: Organisation, english: list[int]) -> None:
    taken = begun(ministry)
    assert (members(taken), taken.is_whole, taken.listed, taken.taking) == (english, True, 4, {})
    assert taken in usable_segments(ministry)


def test_a_snapshot_is_named_by_the_hour_where_it_is_taken(ministry: Organisation) -> None:
    with clock.frozen(datetime(2026, 5, 1, 22, 30, tzinfo=UTC)):
        assert begun(ministry).name == "English, as of 02.05.2026 01:30:00"


def test_many_are_listed_by_a_job_as_of_the_time_it_was_asked_for(
    ministry: Organisation, english: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be called again at any time; no campaign takes it before it is whole, and who comes later is not in it."""
    monkeypatch.setattr(snapshots, "CHUNK", 3)
    taken = begun(ministry)
    assert (members(taken), taken.state, 0 < taken.share_listed < 1) == (english[:1], "queued", True)
    assert taken not in usable_segments(ministry)
    Subscriber.objects.create(organisation=ministry, language="en")
    for _ in range(2):
        list_snapshot(taken.pk)
    taken.refresh_from_db()
    assert (members(taken), taken.is_whole, taken.listed, taken.share_listed) == (english, True, 4, 1.0)
    assert taken in usable_segments(ministry)
    list_snapshot(taken.pk + 1)  # one that is gone


def test_what_a_dead_worker_left_is_taken_up_behind_its_last_chunk(
    ministry: Organisation, english: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CHUNK", 3)
    taken = begun(ministry)
    Segment.objects.filter(pk=taken.pk).update(state="running", lease_until=clock.now() + timedelta(minutes=1))
    list_snapshot(taken.pk)
    assert (members(taken), resume_snapshots()) == (english[:1], 0)
    Segment.objects.filter(pk=taken.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    assert resume_snapshots() == 1
    list_snapshot(taken.pk)
    assert (members(taken), Segment.objects.get(pk=taken.pk).listed) == (english, 4)


def test_a_snapshot_renamed_while_it_is_taken_goes_on(
    ministry: Organisation, english: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CHUNK", 3)
    taken = begun(ministry)
    read_before = Segment.objects.get(pk=taken.pk)
    list_snapshot(taken.pk)
    change_segment(product_itself(ministry), read_before, name="Speakers")
    while not Segment.objects.get(pk=taken.pk).is_whole:
        list_snapshot(taken.pk)
    assert (members(taken), Segment.objects.get(pk=taken.pk).name) == (english, "Speakers")


def test_nothing_is_built_on_half_a_snapshot(
    ministry: Organisation, english: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CHUNK", 3)
    actor, taken = product_itself(ministry), begun(ministry)
    with pytest.raises(StateConflict, match="not whole yet"):
        take_snapshot(actor, taken)
    with pytest.raises(Invalid) as refused:
        create_segment(actor, name="Of half", where={"snapshot": {"in": [str(taken.pk)]}})
    assert refused.value.fields == {"where": ["This snapshot is not whole yet."]}
    while not Segment.objects.get(pk=taken.pk).is_whole:
        list_snapshot(taken.pk)
    assert create_segment(actor, name="Of all", where={"snapshot": {"in": [str(taken.pk)]}}).is_whole
