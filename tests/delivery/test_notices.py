"""Notices over the real ledger: a row, a batch of its own, the priority lane; what stops one, and what does not."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from channels.base import Message
from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Address, Subscriber
from outreach.audience.suppression import suppress
from outreach.campaigns.models import NoticeTemplate, Run
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Account
from outreach.core.vocabulary import Lane, Role
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.engine import work
from outreach.delivery.kept import KeptEngine
from outreach.delivery.models import Batch, Delivery, Notice, Pace
from outreach.delivery.notice_call import NoticeCall, missing_data
from outreach.delivery.notice_templates import create_template
from outreach.delivery.notices import send_notice
from outreach.delivery.render import compile_run
from outreach.delivery.retention import forget_notice_data
from outreach.delivery.runs import cancel_run, hold_run, pause_run, resume_run
from outreach.delivery.sweep import sweep
from outreach.events import one_time
from tests.delivery.dying_worker import file_door
from tests.delivery.test_kill import run_worker
from tests.delivery.world import World, fates, let_leases_run_out, make_due

Published = list[tuple[str, tuple[object, ...], str]]
BODY = "Здравейте, {{ subscriber.name }}: {{ data.code }}"
TEXT = {"channel": "email", "language": "bg", "subject": "Код", "body": BODY}
SMS = {"channel": "sms", "language": "bg", "body": "{{ data.code }}"}


def a_template(world: World, *contents: dict[str, Any], slug: str = "code") -> NoticeTemplate:
    wanted = {"slug": slug, "name": "Code", "lawful_basis": "contract", "contents": list(contents) or [TEXT]}
    return create_template(product_itself(world.organisation), wanted)


def send(world: World, value: str = "Maria@example.org", **changes: Any) -> Notice:
    wanted: dict[str, Any] = {
        "to": {"channel": "email", "value": value},
        "template": "code",
        "data": {"code": "12"},
        **changes,
    }
    return send_notice(product_itself(world.organisation), NoticeCall(**wanted))


def fate(notice: Notice) -> tuple[str, str, bool, int]:
    row = Delivery.objects.get(run=notice.run_id, id=notice.delivery)
    return row.state, row.reason, row.uncertain, row.attempts


def run_of(notice: Notice) -> Run:
    return Run.objects.get(pk=notice.run_id)


def really_rendered(world: World) -> list[Message]:
    """What the peer got when rendered by the delivery's own renderer."""
    world.send_all(
        Lane.NOTICES, compile_run=lambda frozen, run: compile_run(frozen, run_id=run, base_url=settings.BASE_URL)
    )
    return world.box().messages


def test_a_notice_is_a_row_with_a_batch_and_leaves_first(world: World, published: Published) -> None:
    a_template(world)
    world.people(3)
    campaign = world.fanned_out()
    published.clear()

    notice = send(world)

    assert published == [("outreach.work", ("notices",), "notices")]
    [batch] = Batch.objects.filter(run=notice.run_id)
    assert (batch.lane, batch.state, batch.account_id) == ("notices", "ready", world.accounts["email"].pk)
    with world.engine() as engine:
        assert engine.serve_next(Lane.CAMPAIGNS)
    assert (fate(notice), fates(campaign)) == (("accepted", "", False, 1), {("email", "planned", ""): 3})
    assert [message.to for message in world.box().messages] == ["Maria@example.org"]
    assert check_ledger().problems == []


def test_the_text_is_filled_with_the_data_and_offers_no_way_out(world: World) -> None:
    a_template(world)
    person = world.people(1, channels=[])[0]
    world.add_address(person, "email")
    person_call = {"subscriber": str(person.pk)}

    send(world, to=person_call, data={"code": "<b>12</b>"})

    [message] = really_rendered(world)
    assert "Здравейте, Person: <b>12</b>" in message.text
    assert "&lt;b&gt;12&lt;/b&gt;" in message.html
    assert [url for url in ("/u/", "/p/", "/v/", "/o/", "/c/") if url in message.html + message.text] == []
    names = {name for name, _ in message.headers}
    assert names == {"Auto-Submitted", "Feedback-ID", "X-Outreach-Delivery"}


def test_neither_consent_nor_a_topic_is_needed_and_nobody_becomes_a_subscriber(world: World) -> None:
    a_template(world)
    person = world.people(1, channels=[])[0]
    world.add_address(person, "email", state="unconfirmed")

    known, unknown = send(world, to={"subscriber": str(person.pk)}), send(world)
    world.send_all(Lane.NOTICES)

    assert [fate(known), fate(unknown)] == [("accepted", "", False, 1)] * 2
    assert (Subscriber.objects.count(), Address.objects.count()) == (1, 1)


def test_suppression_holds_from_above_and_until_the_last_moment(world: World) -> None:
    a_template(world, TEXT, SMS)
    by_mail, by_phone, to_another = (
        send(world),
        send(world, to={"channel": "sms", "value": "088 123 4567"}),
        send(world, "other@example.org"),
    )
    suppress(world.council, "email", "maria@example.org", "complaint")
    suppress(None, "sms", "+359881234567", "stop")

    world.send_all(Lane.NOTICES)

    assert [fate(one)[:2] for one in (by_mail, by_phone, to_another)] == [
        ("skipped", "suppressed"),
        ("skipped", "suppressed"),
        ("accepted", ""),
    ]
    assert check_ledger().problems == []


@pytest.mark.parametrize(
    ("reason", "state"), [("complaint", "accepted"), ("stop", "accepted"), ("hard_bounce", "skipped")]
)
def test_who_asks_for_their_own_data_gets_the_link_though_suppressed_and_nothing_else(
    world: World, reason: str, state: str
) -> None:
    a_template(world)
    (person,) = world.people(1)
    suppress(None, "email", person.addresses.get().normalised, reason)
    usual = send(world, to={"subscriber": str(person.pk)})
    for _time in range(2):
        one_time.send_link(person, one_time.EXPORT)
    wish = Notice.objects.exclude(pk=usual.pk).get()

    world.send_all(Lane.NOTICES)

    assert [fate(wish)[0], fate(usual)[:2]] == [state, ("skipped", "suppressed")]
    with clock.frozen(clock.now() + one_time.BETWEEN_SUPPRESSED / 2):
        one_time.send_link(person, one_time.EXPORT)
    assert Notice.objects.count() == 2


def test_a_bad_address_and_an_erased_person_are_not_written_to(world: World) -> None:
    a_template(world)
    bad, erased, gone = world.people(3)
    value = bad.addresses.get().value
    calls = [{"subscriber": str(person.pk)} for person in (bad, erased, gone)]
    notices = [send(world, to=to) for to in (*calls, {"channel": "email", "value": value})]
    Address.objects.filter(subscriber=bad).update(state="bouncing")
    erase_subscriber(product_itself(world.organisation), erased)
    Address.objects.filter(subscriber=gone).delete()

    world.send_all(Lane.NOTICES)

    assert [fate(notice)[:2] for notice in notices] == [
        ("skipped", "invalid_address"),
        ("skipped", "erased"),
        ("skipped", "unreachable"),
        ("skipped", "invalid_address"),
    ]
    kept = Notice.objects.get(pk=notices[1].pk)
    assert (kept.value, kept.normalised, kept.data, kept.address_id) == ("", "", {}, None)


def test_an_erased_person_s_notices_by_address_are_emptied_too(world: World) -> None:
    a_template(world)
    person = world.people(1)[0]
    notice, other = send(world, person.addresses.get().value), send(world)
    world.send_all(Lane.NOTICES)

    erase_subscriber(product_itself(world.organisation), person)

    assert list(Notice.objects.order_by("pk").values_list("pk", "value", "data")) == [
        (notice.pk, "", {}),
        (other.pk, "Maria@example.org", {"code": "12"}),
    ]


def test_the_notices_of_a_day_and_template_share_a_run_that_ends_with_the_day(world: World) -> None:
    a_template(world)
    first, second = send(world), send(world, "b@example.org")
    world.send_all(Lane.NOTICES)
    sweep()

    assert first.run_id == second.run_id
    run = run_of(first)
    assert (run.state, run.audience_count, run.fanned_out_at) == ("running", 2, None)
    Run.objects.update(as_of="2020-01-01T00:00:00Z")
    third = send(world)
    sweep()

    run = run_of(first)
    assert (run.state, run.fanned_out_at is None, third.run_id == run.pk) == ("finished", False, False)
    assert run_of(third).state == "running"
    assert check_ledger().problems == []


def test_a_text_of_its_own_has_a_run_that_ends_with_its_message(world: World) -> None:
    content = {**TEXT, "lawful_basis": "vital_interests"}

    notice, other = send(world, template="", content=content), send(world, template="", content=content)
    world.send_all(Lane.NOTICES)

    assert [run_of(one).state for one in (notice, other)] == ["finished", "finished"]
    assert notice.run_id != other.run_id
    assert check_ledger().problems == []


def test_refusals_of_others_do_not_stop_a_notice(world: World) -> None:
    a_template(world)
    world.fails_for = {f"p{number}@example.org" for number in range(60)}
    refused = [send(world, f"p{number}@example.org") for number in range(60)]

    world.send_all(Lane.NOTICES)
    taken = send(world)
    world.send_all(Lane.NOTICES)

    assert (fate(refused[-1]), fate(taken)) == (("rejected", "rendering", False, 1), ("accepted", "", False, 1))
    assert run_of(taken).state == "running"


def test_a_stopped_run_keeps_what_it_has_and_new_notices_go_into_another(world: World) -> None:
    a_template(world)
    before = send(world)
    hold_run(before.run_id, {"code": "away"})

    after = send(world)
    world.send_all(Lane.NOTICES)

    assert before.run_id != after.run_id
    assert (fate(before)[0], fate(after)[0]) == ("planned", "accepted")
    resume_run(before.run_id)
    world.send_all(Lane.NOTICES)
    assert fate(before)[0] == "accepted"
    pause_run(after.run_id)
    third = send(world)
    cancel_run(third.run_id)
    sweep()
    assert fate(third)[:2] == ("cancelled", "run_cancelled")
    assert check_ledger().problems == []


def test_notices_have_their_share_of_a_limit_that_a_blast_used_up(world: World) -> None:
    a_template(world)
    Account.objects.update(rate_per_minute=60)
    send(world)
    world.send_all(Lane.NOTICES)
    world.people(100)
    blast = world.fanned_out()
    for _ in range(10):  # ten rounds of a bucket that is full again at once
        with connect() as link:
            link.execute("UPDATE outreach_pace SET tokens = 15 WHERE lane = 'campaigns'")
        make_due(blast)
        world.send_all()
    assert sum(count for _, count in Pace.objects.get(lane="campaigns").grants) == 54

    notices = [send(world, f"n{number}@example.org") for number in range(5)]
    world.send_all(Lane.NOTICES)

    assert {fate(notice)[0] for notice in notices} == {"accepted"}
    assert fates(blast)["email", "planned", ""] == 46


def test_a_notice_past_every_limit_waits_for_room_for_one(world: World) -> None:
    a_template(world)
    Account.objects.update(rate_per_minute=2)
    for _ in range(2):
        send(world)
    world.send_all(Lane.NOTICES)

    late = send(world)
    world.send_all(Lane.NOTICES)

    assert fate(late)[0] == "planned"
    [batch] = Batch.objects.filter(state="ready")
    with connect() as link:
        row = link.execute(
            "SELECT due_at > clock_timestamp(), due_at < clock_timestamp() + interval '61 s' FROM outreach_batch"
            " WHERE id = %s",
            [batch.pk],
        ).fetchone()
    assert row == (True, True)


@pytest.mark.parametrize(("channel", "policy"), [("email", "resend"), ("sms", "hold")])
def test_a_worker_that_dies_with_a_notice_leaves_it_in_doubt_by_its_policy(
    world: World, tmp_path: Path, channel: str, policy: str
) -> None:
    a_template(world, TEXT, SMS)
    value = "maria@example.org" if channel == "email" else "+359881234567"
    notice = send(world, to={"channel": channel, "value": value})
    outbox = tmp_path / "outbox"
    outbox.touch()

    assert run_worker(outbox, "handover.after:kill:nth=1") == -signal.SIGKILL
    assert Batch.objects.get(run=notice.run_id).in_hand == [notice.delivery]
    let_leases_run_out()
    work(Lane.NOTICES, door=file_door(outbox, 100))

    received = len(outbox.read_text().splitlines())
    expected = {"resend": (("accepted", "", True), 2), "hold": (("unknown", "lost_in_hand", True), 1)}
    assert (fate(notice)[:3], received) == expected[policy]
    assert check_ledger().problems == []


def test_an_engine_is_kept_between_notices_and_closed_when_idle(world: World) -> None:
    a_template(world)
    opened: list[int] = []

    def door() -> Any:
        return world.door(open_session=lambda account: opened.append(account) or world._open(account))  # type: ignore[func-returns-value]

    kept = KeptEngine(idle=60.0)
    for number in range(3):
        send(world, f"n{number}@example.org")
        assert kept.work(Lane.NOTICES, door=door, seconds=10.0) == 1
    assert (len(opened), kept.is_open) == (1, True)
    kept.close()
    assert kept.is_open is False
    brief = KeptEngine(idle=0.01)
    send(world)
    brief.work(Lane.NOTICES, door=door, seconds=10.0)
    timer = brief._timer
    assert timer is not None
    timer.join(10)
    assert (len(opened), brief.is_open, len(world.box().messages)) == (2, False, 4)


def test_what_a_notice_told_is_forgotten_once_it_cannot_leave_any_more(world: World) -> None:
    a_template(world)
    old, new, stuck = send(world), send(world), None
    world.send_all(Lane.NOTICES)
    stuck = send(world)
    Notice.objects.filter(pk__in=[old.pk, stuck.pk]).update(created_at="2020-01-01T00:00:00Z")

    assert forget_notice_data() == 1

    assert dict(Notice.objects.values_list("pk", "data")) == {
        old.pk: {},
        new.pk: {"code": "12"},
        stuck.pk: {"code": "12"},
    }


def test_a_notice_of_another_s_person_is_refused(world: World) -> None:
    a_template(world)
    from outreach.core.models import Organisation

    elsewhere = Subscriber.objects.create(organisation=Organisation.objects.create(slug="elsewhere"), name="Eve")

    with pytest.raises(Invalid) as caught:
        send(world, to={"subscriber": str(elsewhere.pk)})

    assert set(caught.value.fields) == {"to/subscriber"}
    assert not Notice.objects.exists()


def test_an_author_may_not_send(world: World) -> None:
    a_template(world)
    author = Actor(organisation=world.organisation, roles=frozenset({Role.AUTHOR}))

    with pytest.raises(Forbidden):
        send_notice(author, NoticeCall(to={"channel": "email", "value": "a@b.bg"}, template="code", data={}))


@pytest.mark.parametrize(
    ("wanted", "data", "missing"),
    [
        (set(), {}, []),
        ({("a",)}, {"a": ""}, []),
        ({("a",)}, {"a": None}, [("a",)]),
        ({("a",), ("a", "b")}, {}, [("a",)]),
        ({("a",), ("a", "b")}, {"a": {}}, [("a", "b")]),
        ({("a", "0", "b")}, {"a": [{"b": 1}]}, []),
        ({("a", "1")}, {"a": ["x"]}, [("a", "1")]),
        ({("a", "b")}, {"a": "text"}, [("a", "b")]),
    ],
)
def test_missing_data(wanted: set[tuple[str, ...]], data: Any, missing: list[tuple[str, ...]]) -> None:
    assert missing_data(frozenset(wanted), data) == missing
