from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils.translation import gettext_lazy

from outreach.cli import COMMANDS, _worded
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import User
from outreach.management.setup import set_up

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = ("outreach-web", "outreach-worker", "outreach-beat", "outreach-sandbox")

#: An address at which no database listens.
NOBODY = "postgresql://u@127.0.0.1:1/d"
#: Each test here is an installation of its own, with real processes: on one worker, one after the other.
pytestmark = pytest.mark.xdist_group("installation")


class Installation:
    """A data folder, and the command run on it."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.url = f"http://127.0.0.1:{port}"
        ours = {name: "" for name in os.environ if name.startswith("OUTREACH_")}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ours},
            "PYTHONPATH": str(ROOT),
            "OUTREACH_DATA": str(data),
            "OUTREACH_PORT": str(port),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "outreach.cli", *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def running(self, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.command("run", *options),
            env={**self.environment, **environment},
            cwd="/",
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()
            wait_for(lambda: self.processes() == {})

    def processes(self) -> dict[str, list[int]]:
        """Process ids of this installation by kind; the database's is `postgres`."""
        found: dict[str, list[int]] = {}
        for process in psutil.process_iter(["cmdline"]):
            if kind := self._kind(process):
                found.setdefault(kind, []).append(process.pid)
        return found

    def _kind(self, process: psutil.Process) -> str:
        line = process.info["cmdline"] or []
        if str(self.data / "postgres") in line:
            return "postgres"
        kind = next((name for name in PROCESSES if name in line), "")
        try:
            return kind if kind and process.environ().get("OUTREACH_DATA") == str(self.data) else ""
        except psutil.Error:
            return ""

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture
def installation(data_folder: Path, free_port: int) -> Installation:
    return Installation(data_folder, free_port)


def wait_for(claim: Callable[[], bool], *, seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def test_run_starts_again_what_is_killed_and_stops_within_thirty_seconds(installation: Installation) -> None:
    with installation.running(OUTREACH_SANDBOX="true") as process:
        wait_for(lambda: installation.answers("/readyz") and len(installation.processes()) == 5)
        for kind in ("outreach-web", "postgres"):
            os.kill(min(installation.processes()[kind]), signal.SIGKILL)
        wait_for(lambda: not installation.answers("/readyz"))
        wait_for(lambda: installation.answers("/readyz") and len(installation.processes()) == 5)

        first = process.stdout.readline() if process.stdout else ""
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        took = time.monotonic() - begin

        assert (code, took < 30, installation.processes()) == (0, True, {})
        assert first == f"Outreach runs at {installation.url} (Ctrl-C stops it)\n"


@pytest.mark.django_db
def test_setup_gives_a_fresh_link_until_one_was_used_and_refuses_a_second_organisation() -> None:
    link = re.compile(r"http://outreach\.test/set-password/\w+/[\w-]+/")
    first, again = (set_up("agency", name="Агенция", admin="Admin@Example.bg") for _ in range(2))
    with pytest.raises(StateConflict, match="set up already"):
        set_up("other", name="X", admin="x@example.bg")
    with pytest.raises(Invalid) as refused:
        set_up("b d", name="X", admin="me")

    assert (bool(link.fullmatch(first)), bool(link.fullmatch(again))) == (True, True)
    assert (set(refused.value.fields), User.objects.count()) == ({"organisation", "admin"}, 1)


def test_setup_token_and_doctor_on_an_empty_installation(installation: Installation) -> None:
    names = ("--organisation", "agency", "--name", "Агенция", "--admin", "Admin@Example.bg")
    made = json.loads(installation.run("setup", *names, "--json").stdout)
    token = installation.run("token", "--organisation", "agency", "--role", "publisher")
    doctor = installation.run("doctor", "--json")

    link = re.compile(re.escape(installation.url) + r"/set-password/\w+/[\w-]+/")
    assert {**made, "link": ""} == {"organisation": "agency", "admin": "Admin@Example.bg", "link": ""}
    assert link.fullmatch(made["link"])
    assert (token.returncode, token.stdout.startswith("out_")) == (0, True)
    assert (doctor.returncode, [finding["check"] for finding in json.loads(doctor.stdout)["findings"]]) == (1, ["beat"])
    assert installation.processes() == {}


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("token", "--organisation", "nobody", "--role", "author"), {}, "outreach migrate"),
        (
            ("token", "--organisation", "x", "--role", "author"),
            {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d"},
            "answer",
        ),
        (("setup", "--organisation", "b d", "--name", "x", "--admin", "me"), {}, "organisation:"),
        (("frobnicate",), {}, "invalid choice"),
        ((), {}, "COMMAND"),
    ],
    ids=["no schema", "no database", "bad values", "unknown command", "no command"],
)
def test_mistakes_are_worded(
    installation: Installation, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    done = installation.run(*arguments, **environment)

    assert (done.returncode != 0, words in done.stderr, "Traceback" in done.stderr) == (True, True, False), done.stderr


def test_each_field_of_a_mistake_is_named() -> None:
    error = Invalid({"file": [gettext_lazy("The file is empty.")], "topic": ["There is no such topic."]})

    assert _worded(error) == (
        "Please correct what is marked.\n  file: The file is empty.\n  topic: There is no such topic."
    )


def test_run_says_that_its_port_is_taken(installation: Installation, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        done = installation.run("run")

    words = f"Cannot listen on port {free_port} of 127.0.0.1: Address already in use. Set OUTREACH_PORT.\n"
    assert (done.returncode, done.stderr) == (1, words)


def test_doctor_says_that_the_database_is_away_and_what_to_do(installation: Installation) -> None:
    done = installation.run("doctor", "--json", DATABASE_URL=NOBODY)
    answer: dict[str, Any] = json.loads(done.stdout)

    assert (done.returncode, answer["ok"]) == (1, False)
    assert [(finding["check"], bool(finding["why"] and finding["remedy"])) for finding in answer["findings"]] == [
        ("database", True)
    ]


def test_doctor_sees_a_readable_key_and_an_open_address(installation: Installation) -> None:
    installation.data.mkdir(exist_ok=True)
    key = installation.data / "secret_key"
    key.write_text("x" * 50)
    key.chmod(0o644)
    done = installation.run("doctor", OUTREACH_BASE_URL="http://outreach.example.bg")

    assert (done.returncode, "chmod 600" in done.stdout, "not encrypted" in done.stdout) == (1, True, True)


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()

    assert [command.name for command in COMMANDS if f"`outreach {command.name}" not in page] == []
