from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.audience.models import Address, Suppression
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.audience.suppression import is_suppressed, suppress
from outreach.audience.suppression_list import (
    Wanted,
    add_entry,
    entries_about,
    entries_csv,
    may_take_off,
    newest_entries,
    read_hash,
    take_off,
)
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import Role


@pytest.fixture
def town(ministry: Organisation) -> Organisation:
    return Organisation.objects.create(slug="town", name={"en": "Town"}, parent=ministry)


def author(organisation: Organisation) -> Actor:
    return Actor(organisation=organisation, roles=frozenset({Role.AUTHOR}))


def found(organisation: Organisation, text: str = "", **wanted: str) -> list[str]:
    """The notes of what is found."""
    return [entry.note for entry in newest_entries(organisation, Wanted(text=text, **wanted))]


@given(digest=st.binary(min_size=32, max_size=32))
def test_hash_is_read_as_it_is_written(digest: bytes) -> None:
    assert (read_hash(digest.hex()), read_hash(digest.hex().upper() + " ")) == (digest, digest)


@given(text=st.text())
def test_what_is_no_hash_is_none(text: str) -> None:
    assert read_hash(text) is None or len(text.strip()) == 64


def test_added_address_is_kept_as_a_hash_and_holds_below(actor: Actor, town: Organisation) -> None:
    entry, is_new = add_entry(actor, channel="sms", value="088 812 3456", note="asked by letter")
    again, is_newer = add_entry(actor, channel="sms", hash=bytes(entry.digest).hex(), note="again")

    assert (is_new, is_newer, again.pk, again.note) == (True, False, entry.pk, "asked by letter")
    assert is_suppressed(town, "sms", "+359888123456")
    audited = [(row.action, row.facts) for row in AuditEntry.objects.all()]
    assert audited == [("suppression.added", {"channel": "sms"})]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"channel": "email", "value": "nobody"}, "value"), ({"channel": "pigeon", "value": "a@b.bg"}, "channel"),
        ({"channel": "email"}, "value"), ({"channel": "email", "value": "a@b.bg", "hash": "ab"}, "value"),
        ({"channel": "email", "hash": "ab"}, "hash"),
        ({"channel": "email", "value": "a@b.bg", "note": "x" * 201}, "note"),
    ],
)  # fmt: skip
def test_bad_entry_says_so_at_its_field(actor: Actor, given: dict[str, str], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        add_entry(actor, **given)

    assert (list(refused.value.fields), Suppression.objects.count()) == ([path], 0)


def test_list_that_holds_for_others_is_kept_by_administrators(ministry: Organisation, town: Organisation) -> None:
    with pytest.raises(Forbidden):
        add_entry(author(ministry), channel="email", value="a@b.bg")
    entry, _new = add_entry(author(town), channel="email", value="a@b.bg")

    assert (may_take_off(author(ministry), entry), may_take_off(author(town), entry)) == (True, True)
    national, _new = add_entry(product_itself(ministry), channel="email", value="a@b.bg")
    assert (may_take_off(author(ministry), national), may_take_off(product_itself(town), national)) == (False, False)
    with pytest.raises(Forbidden):
        take_off(author(ministry), national, why="asked")


def test_address_is_found_as_people_write_it_and_by_hash(actor: Actor, town: Organisation) -> None:
    stranger = Organisation.objects.create(slug="elsewhere")
    entry, _new = add_entry(actor, channel="sms", value="+359888123456", note="national")
    add_entry(product_itself(town), channel="email", value="a@b.bg", note="town")
    add_entry(product_itself(stranger), channel="email", value="a@b.bg", note="elsewhere")

    assert found(actor.organisation) == ["town", "national"]
    assert (found(town), found(stranger)) == (["town", "national"], ["elsewhere"])
    assert (found(town, "088 812 34 56"), found(town, bytes(entry.digest).hex())) == (["national"], ["national"])
    assert (found(town, "A@B.bg"), found(town, "other@b.bg")) == (["town"], [])
    assert (found(town, reason="stop"), found(town, channel="email")) == ([], ["town"])


def test_pages_join_without_a_gap_or_a_repetition(actor: Actor, town: Organisation) -> None:
    for number in range(7):
        add_entry(product_itself(town) if number % 2 else actor, channel="email", value=f"{number}@b.bg")
    seen: list[int] = []
    before: int | None = None
    while page := newest_entries(town, Wanted(), before=before, limit=3):
        seen += [entry.pk for entry in page]
        before = seen[-1]

    assert seen == sorted(Suppression.objects.values_list("pk", flat=True), reverse=True)


def test_address_that_bounced_is_written_to_again_once_it_is_off(actor: Actor, ministry: Organisation) -> None:
    data = SubscriberData(addresses=[AddressData(channel="email", value="ana@example.org")])
    upsert_subscriber(actor, data)
    suppress(ministry, "email", "ana@example.org", "hard_bounce")
    Address.objects.update(state="bouncing")
    entry = Suppression.objects.get()
    with pytest.raises(Invalid):
        take_off(actor, entry, why=" ")
    take_off(actor, entry, why="The mailbox  was full of errors of ours")

    assert (Suppression.objects.count(), Address.objects.get().state) == (0, "active")
    last = AuditEntry.objects.latest("pk")
    assert (last.action, last.facts) == (
        "suppression.removed",
        {"channel": "email", "reason": "hard_bounce", "why": "The mailbox was full of errors of ours"},
    )


@pytest.mark.parametrize("reason", ["stop", "complaint", "erased"])
def test_own_decision_of_a_person_is_taken_off_by_an_administrator(ministry: Organisation, reason: str) -> None:
    suppress(ministry, "sms", "+359888123456", reason)
    entry = Suppression.objects.get()

    assert (may_take_off(author(ministry), entry), may_take_off(product_itself(ministry), entry)) == (False, True)
    with pytest.raises(Forbidden):
        take_off(author(ministry), entry, why="They called")


def test_entries_about_a_person_are_told_by_address(actor: Actor, ministry: Organisation) -> None:
    addresses = [AddressData(channel="email", value="ana@example.org"), AddressData(channel="sms", value="0888123456")]
    person, _new = upsert_subscriber(actor, SubscriberData(addresses=addresses))
    suppress(None, "sms", "+359888123456", "stop")
    mine = list(person.addresses.order_by("channel"))

    held = entries_about(ministry, mine)

    assert {key: entry.reason for key, entry in held.items()} == {mine[1].pk: "stop"}


def test_download_holds_no_address_and_no_formula(actor: Actor) -> None:
    entry, _new = add_entry(actor, channel="email", value="ana@example.org", note="=1+1")

    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO("".join(entries_csv(actor.organisation))[1:])))

    assert rows == [
        {
            "organisation": "ministry", "channel": "email", "hash": bytes(entry.digest).hex(), "reason": "manual",
            "source": "staff", "note": "'=1+1", "since": entry.created_at.isoformat(),
        }
    ]  # fmt: skip
