from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest
from django.conf import settings

from outreach.audience.models import Topic
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Organisation
from outreach.management import importing


@pytest.fixture
def topic(db: None) -> Topic:
    owner = Organisation.objects.create(slug="ministry", name={"bg": "Министерство"})
    return Topic.objects.create(organisation=owner, slug="e-services", name={"bg": "Е-услуги"})


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path / "data")


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    importing.add_arguments(parser)
    return importing.handle(parser.parse_args([*arguments, "--organisation", "ministry", "--topic", "e-services"]))


def test_import_prints_what_became_of_the_rows(
    topic: Topic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("имейл;име\nana@example.bg;Ана\nняма;Никой\n".encode("cp1251"))

    code = run(str(path), "--json")

    answer = json.loads(capsys.readouterr().out)
    assert (code, {**answer, "id": "", "seconds": 0}) == (
        0,
        {
            "id": "", "state": "done", "rows": 2, "created": 1, "updated": 0, "unchanged": 0, "rejected": 1,
            "rejected_file": f"{path}.rejected.csv", "seconds": 0,
        },
    )  # fmt: skip
    assert Path(answer["rejected_file"]).read_text(encoding="utf-8-sig").splitlines()[1] == (
        "3,email,bad_email,This is not an e-mail address such as name@example.org.,няма;Никой"
    )


def test_import_says_it_in_words_and_writes_no_empty_file(
    topic: Topic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email\nana@example.bg\n")

    assert run(str(path)) == 0

    assert capsys.readouterr().out == "1 rows: 1 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert not Path(f"{path}.rejected.csv").exists()


def test_import_of_a_file_that_is_not_there_is_worded(topic: Topic, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        run(str(tmp_path / "none.csv"))

    assert list(caught.value.fields) == ["file"]


def test_import_needs_an_organisation_that_exists(db: None, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        run(str(tmp_path / "none.csv"))
