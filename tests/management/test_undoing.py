"""`outreach undo-import` says what it would do and changes nothing; with `--yes` it does just that."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from outreach.audience.import_intake import receive_import
from outreach.audience.import_trace import ImportUndo
from outreach.audience.imports import run_import
from outreach.audience.models import Import, Subscriber, Topic
from outreach.core.access import product_itself
from outreach.core.errors import NotFound, StateConflict
from outreach.core.models import Organisation
from outreach.management import undoing

COUNTS = {
    "people": 2, "removed": 2, "kept": 0, "gone": 0, "ended": 2, "subscribed": 0, "addresses": 0, "restored": 0,
    "newer": 0,
}  # fmt: skip


@pytest.fixture
def job(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    monkeypatch.setattr(settings, "DATA", tmp_path)
    owner = Organisation.objects.create(slug="ministry", name={"en": "Ministry"})
    Organisation.objects.create(slug="elsewhere", name={"en": "Elsewhere"})
    topic = Topic.objects.create(organisation=owner, slug="e-services", name={"en": "E-services"})
    content = io.BytesIO(b"email\nana@example.bg\nboris@example.bg\n")
    made = receive_import(product_itself(owner), topic, content, "people.csv")
    run_import(made.pk)
    return made


def run(*arguments: str, organisation: str = "ministry") -> int:
    parser = ArgumentParser()
    undoing.add_arguments(parser)
    return undoing.handle(parser.parse_args([*arguments, "--organisation", organisation]))


def living() -> int:
    return Subscriber.objects.filter(erased_at=None).count()


def test_it_is_listed_looked_at_and_then_taken_back(job: Import, capsys: pytest.CaptureFixture[str]) -> None:
    key = str(job.pk)
    Import.objects.filter(pk=job.pk).update(created_at=datetime(2026, 5, 1, 22, 30, tzinfo=UTC))
    codes = [run(), run(key), run(key, "--json")]
    listed, said = capsys.readouterr().out.split("\n", 1)
    before = living()
    codes += [run(key, "--yes"), run(key, "--json")]
    done = capsys.readouterr().out

    assert codes == [0] * 5
    assert (listed.startswith(f"{key}  2026-05-02 01:30  "), listed.partition("people")[2]) == (
        True,
        ".csv, into “E-services”: 2 created, 0 updated.",
    )
    lines = said.splitlines()
    assert lines[:-1] == [
        "Taking “people.csv” back would do this:",
        "  People taken out again: 2",
        "  Subscriptions that end: 2",
        "  Old values put back: 0",
        "Nothing is changed yet. Messages that were sent stay sent. Go on with --yes.",
    ]
    assert json.loads(lines[-1]) == {"id": key, "state": None, "why_not": "", "is_exact": True, **COUNTS}
    assert done.splitlines()[:2] == ["“people.csv” is taken back:", "  People taken out again: 2"]
    assert json.loads(done.splitlines()[-1])["state"] == "done"
    assert (before, living()) == (2, 0)


def test_one_that_a_dead_worker_left_is_gone_on_with_and_one_that_is_done_is_not(job: Import) -> None:
    ImportUndo.objects.create(job=job, state="running", lease_until="2026-01-01T00:00:00Z")

    assert run(str(job.pk), "--yes") == 0
    assert living() == 0
    with pytest.raises(StateConflict, match="taken back already"):
        run(str(job.pk), "--yes")


def test_why_it_cannot_be_is_said(job: Import, capsys: pytest.CaptureFixture[str]) -> None:
    Import.objects.filter(pk=job.pk).update(state="running")

    assert run(str(job.pk)) == 1
    assert capsys.readouterr().out == "The import has not ended yet.\n"


@pytest.mark.parametrize(("key", "organisation"), [("0", "ministry"), ("x", "ministry"), ("", "elsewhere")])
def test_only_ones_own_is_found(job: Import, key: str, organisation: str) -> None:
    with pytest.raises(NotFound):
        run(key or str(job.pk), "--yes", organisation=organisation)

    assert living() == 2
