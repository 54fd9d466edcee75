from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from outreach.core import postgres
from outreach.core.database import EmbeddedDatabase, django_settings, running_database
from outreach.core.postgres import Cluster, DatabaseUnavailable, socket_folder

ROOT = Path(__file__).resolve().parents[2]


def servers_of(folder: Path) -> list[int]:
    """Process ids of the servers whose command line names this data folder."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(folder / "postgres") in (process.info["cmdline"] or []):
            found.append(process.pid)
    return found


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as link:
        cursor = link.execute(question.encode())
        return cursor.fetchone() if cursor.description else None


def wait_for(claim: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped installation, to be copied: making a cluster takes longer than copying one."""
    folder = Path("/tmp") / f"outreach-template-{os.getpid()}"
    folder.mkdir()
    with EmbeddedDatabase(folder, durable=False) as embedded:
        ask(embedded.url, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('щука')")
    tmp_path_factory.mktemp("unused")
    return folder


@pytest.fixture(scope="module", autouse=True)
def template_removed() -> object:
    yield
    shutil.rmtree(Path("/tmp") / f"outreach-template-{os.getpid()}", ignore_errors=True)


@pytest.fixture
def folder(template: Path, data_folder: Path) -> Path:
    return shutil.copytree(template, data_folder / "installation")


def test_starts_for_the_first_user_and_stops_after_the_last(folder: Path) -> None:
    with EmbeddedDatabase(folder, durable=False) as first:
        with EmbeddedDatabase(folder, durable=False):
            one = servers_of(folder)
        still = servers_of(folder)
        assert (len(one), still, ask(first.url, "SELECT word FROM kept")) == (1, one, ("щука",))

    assert servers_of(folder) == []


def test_last_user_stops_what_another_started(folder: Path) -> None:
    starter = EmbeddedDatabase(folder, durable=False)
    starter.__enter__()
    with EmbeddedDatabase(folder, durable=False):
        starter.__exit__()
        assert len(servers_of(folder)) == 1

    assert servers_of(folder) == []


def test_only_this_user_gets_in_by_the_socket_alone(folder: Path) -> None:
    with EmbeddedDatabase(folder, durable=False) as embedded:
        settings = ask(
            embedded.url, "SELECT current_setting('listen_addresses'), current_setting('synchronous_commit')"
        )
    rules = (folder / "postgres" / "pg_hba.conf").read_text()

    assert (settings, rules, (folder / "postgres").stat().st_mode & 0o777) == (
        ("", "on"),
        "local all all peer map=outreach\n",
        0o700,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_stranger_is_kept_out(folder: Path) -> None:
    with EmbeddedDatabase(folder, durable=False) as embedded:
        for path, mode in ((folder / "postgres", 0o755), (folder / "postgres" / postgres.SOCKET_FILE, 0o777)):
            path.chmod(mode)
        os.setegid(65534)
        os.seteuid(65534)
        try:
            with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
                ask(embedded.url, "SELECT 1")
        finally:
            os.seteuid(0)
            os.setegid(0)


def test_two_commands_at_once_start_one_server(folder: Path) -> None:
    at_once, seen = threading.Barrier(4), []

    def use() -> None:
        at_once.wait()
        with EmbeddedDatabase(folder, durable=False):
            at_once.wait()
            seen.append(servers_of(folder))
            at_once.wait()

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()

    assert ({tuple(servers) for servers in seen}, len(seen[0]), servers_of(folder)) == ({tuple(seen[0])}, 1, [])


def test_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    with EmbeddedDatabase(folder) as embedded:
        ask(embedded.url, "INSERT INTO kept VALUES ('кит')")
        os.kill(servers_of(folder)[0], signal.SIGKILL)
        wait_for(lambda: not embedded.is_running())
        embedded.ensure()

        assert ask(embedded.url, "SELECT string_agg(word, ' ') FROM kept") == ("щука кит",)
    assert servers_of(folder) == []


def test_command_after_a_killed_command_uses_its_server_and_stops_it(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from outreach.core.database import *; "
        "EmbeddedDatabase(Path(sys.argv[1])).__enter__(); print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, cwd=ROOT) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.kill()
    left = servers_of(folder)
    with EmbeddedDatabase(folder, durable=False):
        assert (len(left), servers_of(folder)) == (1, left)

    assert servers_of(folder) == []


def test_supervisors_server_dies_with_it_and_the_next_waits_for_its_end(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from outreach.core.database import *; "
        "EmbeddedDatabase(Path(sys.argv[1]), with_parent=True).__enter__(); print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, cwd=ROOT) as command:
        assert command.stdout is not None
        command.stdout.readline()
        first = servers_of(folder)
        command.kill()
    with EmbeddedDatabase(folder, durable=False) as embedded:
        assert (ask(embedded.url, "SELECT 1"), servers_of(folder) != first) == ((1,), True)


def test_folder_copied_while_in_use_serves_beside_the_original(folder: Path, data_folder: Path) -> None:
    with EmbeddedDatabase(folder) as original:
        ask(original.url, "CHECKPOINT")
        copy = shutil.copytree(folder, data_folder / "copy", ignore=shutil.ignore_patterns(".s.PGSQL*"))
        with EmbeddedDatabase(copy, durable=False) as copied:
            ask(copied.url, "INSERT INTO kept VALUES ('copy')")
            words = [ask(each.url, "SELECT count(*) FROM kept") for each in (original, copied)]

    assert words == [(1,), (2,)]


def test_stale_pid_of_another_program_does_not_keep_it_from_starting(folder: Path) -> None:
    (folder / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{folder / 'postgres'}\n1\n5432\n\n\n0 0\nready\n"
    )
    with EmbeddedDatabase(folder, durable=False) as embedded:
        assert ask(embedded.url, "SELECT 1") == (1,)


def test_interrupted_first_start_leaves_nothing_half_made(data_folder: Path) -> None:
    half = data_folder / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedDatabase(data_folder, durable=False) as embedded:
        assert (ask(embedded.url, "SELECT upper('щука')"), half.exists()) == (("ЩУКА",), False)


def test_long_path_of_the_data_folder_gets_a_short_socket(folder: Path, data_folder: Path) -> None:
    long = folder.rename(data_folder / ("x" * 100))
    with EmbeddedDatabase(long, durable=False) as embedded:
        answer = ask(embedded.url, "SELECT word FROM kept")
    sockets = socket_folder(long)
    shutil.rmtree(sockets)

    assert (answer, sockets.parent) == (("щука",), Path("/tmp"))


def test_server_that_cannot_start_says_why(folder: Path) -> None:
    (folder / "postgres" / "local.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(DatabaseUnavailable, match="shared_buffers"), EmbeddedDatabase(folder):
        pass


def test_operators_own_settings_count(folder: Path) -> None:
    (folder / "postgres" / "local.conf").write_text("work_mem = 3MB\n")
    with EmbeddedDatabase(folder, durable=False) as embedded:
        assert ask(embedded.url, "SHOW work_mem") == ("3MB",)


def test_database_url_starts_nothing(data_folder: Path) -> None:
    with running_database(data_folder, url="postgresql://u@h/d") as url:
        assert (url, list(data_folder.iterdir())) == ("postgresql://u@h/d", [])


def test_settings_for_django_of_either_kind(tmp_path: Path) -> None:
    common = {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    embedded = django_settings(None, tmp_path)
    given = django_settings("postgresql://u:p@h:5433/d", tmp_path)

    assert embedded == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "outreach",
        "USER": "outreach",
        "HOST": str(socket_folder(tmp_path)),
        **common,
    }
    assert {name: given[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", *common)} == {
        "NAME": "d",
        "USER": "u",
        "PASSWORD": "p",
        "HOST": "h",
        "PORT": 5433,
        **common,
    }


def test_server_runs_as_another_user_than_root(monkeypatch: pytest.MonkeyPatch) -> None:
    account = postgres.server_account()
    assert (account is None) == (os.geteuid() != 0)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Cluster(data=Path("/nowhere")).account is None
