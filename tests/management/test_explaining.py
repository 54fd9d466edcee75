from __future__ import annotations

import json
from argparse import ArgumentParser

import pytest
from django.utils import translation

from outreach.core.errors import Invalid, NotFound
from outreach.delivery.letters import signature_of
from outreach.delivery.models import Delivery, Hand
from outreach.delivery.settle import worker
from outreach.effectiveness.receipts import as_json, receipt
from outreach.management import explaining
from tests.delivery.world import World


def explain(*arguments: str) -> int:
    parser = ArgumentParser()
    explaining.add_arguments(parser)
    return explaining.handle(parser.parse_args(arguments))


def send_one(world: World, count: int = 1) -> Delivery:
    world.people(count)
    run = world.fanned_out()
    world.send_all()
    return Delivery.objects.filter(run=run).order_by("id")[0]


def test_it_tells_each_commit_in_words(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = send_one(world)
    [hand] = Hand.objects.all()

    assert explain(delivery.public_id) == 0

    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[:2] == [f"Message {delivery.public_id}: Accepted", "  Campaign: Campaign"]
    assert f"person{delivery.subscriber_id}@" not in said
    assert [line.split("  ")[1] for line in lines if line.startswith("20")] == ["Planned", "In hand", "Accepted"]
    words = " ".join(said.split())
    assert f"Committed by {worker()} under fence 1 of batch {hand.batch_id}, in a window of 1, until" in words


def test_it_speaks_bulgarian(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = send_one(world)

    with translation.override("bg"):
        explain(delivery.public_id)

    said = capsys.readouterr().out
    assert said.startswith(f"Съобщение {delivery.public_id}: ")
    assert "Committed" not in said


def test_json_is_what_the_api_answers(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = send_one(world)

    explain(delivery.public_id, "--json")

    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(as_json(receipt(world.council, delivery.public_id))))
    assert [(step["kind"], step["word"], step["fence"]) for step in told["steps"]] == [
        ("planned", "planned", None), ("in_hand", "in_hand", 1), ("settled", "accepted", 1),
    ]  # fmt: skip


def test_it_finds_by_message_id_and_by_the_providers_id(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = send_one(world)
    signature = signature_of(delivery.public_id)

    for name in (f"<{delivery.public_id}.{signature}@example.org>", delivery.provider_id):
        explain(name)
        assert capsys.readouterr().out.startswith(f"Message {delivery.public_id}: ")


@pytest.mark.parametrize("name", ["1-1", "nothing", "<1-1.0000000000000000@example.org>"])
def test_what_is_not_there_is_said(world: World, name: str) -> None:
    with pytest.raises(NotFound):
        explain(name)


def test_a_providers_id_of_several_is_refused(world: World) -> None:
    send_one(world, count=2)
    Delivery.objects.update(provider_id="same")

    with pytest.raises(Invalid) as caught:
        explain("same")

    assert all(row.public_id in str(caught.value.fields) for row in Delivery.objects.all())
