"""The whole road with real processes: slow, so there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace

import psycopg
import pytest

from outreach.core.errors import Invalid, StateConflict
from outreach.management import demo
from outreach.management.own_database import refuse_tables


@pytest.mark.road
def test_demo_goes_the_whole_road_and_adds_up() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "outreach.cli", "demo", "--subscribers", "60", "--json"],
        env={name: value for name, value in os.environ.items() if not name.startswith("OUTREACH_")},
        capture_output=True,
        timeout=240,
        check=False,
    )

    result = json.loads(answer.stdout)
    accepted = result["primary"]["accepted"]
    assert (answer.returncode, result["problems"], result["counters_equal"], result["in_hand"]) == (0, [], True, 0)
    assert result["audience"] == sum(result["primary"].values())
    assert sum(result[peer] for peer in ("mailbox", "phone", "social", "feed")) == accepted
    assert (result["opens"], result["clicks"], result["replies"]) > (0, 0, 0)


@pytest.mark.parametrize("subscribers", [0, 11, 10**9])
def test_demo_takes_a_sensible_number_of_people(subscribers: int) -> None:
    with pytest.raises(Invalid):
        demo.handle(Namespace(subscribers=subscribers, json=False))


def test_demo_refuses_a_database_with_tables(database_server: str) -> None:
    with psycopg.connect(database_server) as link:
        link.execute("CREATE TABLE IF NOT EXISTS somebodys_own (id int)")

    with pytest.raises(StateConflict):
        refuse_tables(database_server)

    with psycopg.connect(database_server) as link:
        link.execute("DROP TABLE somebodys_own")
