from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from outreach.audience.models import Topic
from outreach.audience.profile import AddressData, SubscriberData
from outreach.audience.subscribers import upsert_subscriber
from outreach.core.access import product_itself
from outreach.core.errors import NotFound
from outreach.core.models import Organisation
from outreach.management import exporting


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    exporting.add_arguments(parser)
    return exporting.handle(parser.parse_args([*arguments, "--organisation", "ministry"]))


def test_export_writes_a_file_and_knows_what_is_not_there(db: None, tmp_path: Path) -> None:
    owner = Organisation.objects.create(slug="ministry", name={"bg": "Министерство"})
    Topic.objects.create(organisation=owner, slug="e-services", name={"bg": "Е-услуги"})
    ana = SubscriberData(addresses=[AddressData(channel="email", value="ana@example.bg")], topics=["e-services"])
    upsert_subscriber(product_itself(owner), ana)
    path = tmp_path / "people.ndjson"

    code = run(str(path), "--topic", "e-services", "--format", "ndjson")

    assert (code, [json.loads(line)["email"] for line in path.read_text().splitlines()]) == (0, ["ana@example.bg"])
    for wrong in (["--topic", "none"], ["--segment", "7"], ["--segment", "seven"]):
        with pytest.raises(NotFound):
            run(str(path), *wrong)
