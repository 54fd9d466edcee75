"""An installation of its own for the crash tests, whose processes can be killed or frozen one by one.

It is `outreach run` as an operator starts it: embedded PostgreSQL with durable commits, web, two worker parents (two
children for campaigns, one for notices), beat. What is killed, `outreach run`'s own supervisor starts again; only a
Redis is started again here. Leases last a few seconds (OUTREACH_LEASE), so that nothing waits for minutes.
"""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import psutil
import psycopg

from tests.faults.compare import Fate
from tests.migrated import put_migrated_cluster
from tests.road.installation import Installation, free_ports, wait_until

T = TypeVar("T")

#: Seconds. Long enough for a window on a busy machine, short enough to wait for.
LEASE: Final = 4.0
CHILDREN: Final = 2
#: Role -> a part of the command line of the process that has it.
PARENTS: Final = {
    "worker parent": ("outreach-worker", "--queues=campaigns"),
    "notices parent": ("outreach-worker", "--queues=notices"),
    "beat": ("outreach-beat",),
    "web": ("outreach-web",),
}
BODY: Final = """# Hello, {{ subscriber.name }}

The new service is open. [See how](https://gov.example/card) or [read more](https://gov.example/more).
"""


@dataclass(frozen=True, kw_only=True)
class Blast:
    """A campaign under way."""

    campaign: int
    run: int
    policy: str


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A committed window that nobody settled yet."""

    batch: int
    fence: int
    #: Process id of the worker child that took it.
    worker: int
    #: `RUN-ID`s.
    ids: frozenset[str]


class Place:
    """A running installation in a temporary folder; a context manager."""

    def __init__(self, *, broker: str = "embedded", lease: float = LEASE, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="outreach-faults-"))
        self.broker = broker
        self.redis: subprocess.Popen[bytes] | None = None
        self._redis_port = free_ports(1)
        self._accounts: dict[tuple[int, str], str] = {}
        self.people_count = 0
        redis = {"BROKER_URL": f"redis://127.0.0.1:{self._redis_port}/0"} if broker == "redis" else {}
        self.installation = Installation(
            data=self.folder / "data",
            environment={
                "OUTREACH_SANDBOX": "false",
                "OUTREACH_LEASE": str(lease),
                "OUTREACH_WORKERS": str(CHILDREN),
                **redis,
                **environment,
            },
        )

    def __enter__(self) -> Self:
        self.installation.data.mkdir()
        put_migrated_cluster(self.installation.data)
        try:
            if self.broker == "redis":
                self.start_redis()
            self.installation.start()
            self._command("setup", "--organisation", "town", "--name", "Town", "--admin", "a@town.example")
            token = self._command("token", "--organisation", "town", "--role", "administrator")
            self.installation.token = token.strip().splitlines()[-1]
            self.installation.make("/topics", {"slug": "news", "name": {"en": "News"}})
            self.wait_until_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for process in self._ours():
                with suppress(psutil.NoSuchProcess):
                    process.resume()
            self.installation.stop()
        finally:
            if self.redis is not None:
                self.redis.kill()
                self.redis.wait()
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_redis(self) -> None:
        """A Redis that keeps nothing on the disk: killed and started again, its data is wiped."""
        command = ["redis-server", "--port", str(self._redis_port), "--bind", "127.0.0.1", "--save", ""]
        self.redis = subprocess.Popen([*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)

    # --- its processes ---

    def processes(self, role: str) -> list[psutil.Process]:
        """Those that have a role now: one of PARENTS, `worker child`, `postgres` (the postmaster) or `backend`."""
        if role == "worker child":
            return [child for parent in self.processes("worker parent") for child in parent.children()]
        if role == "postgres":
            return _alive(int((self.installation.data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        if role == "backend":
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'outreach-ledger'"
            return [process for (pid,) in self.query(query) for process in _alive(pid)]
        return [process for process in self._children() if all(part in _words(process) for part in PARENTS[role])]

    def kill(self, role: str, *, draw: random.Random | None = None) -> int:
        """SIGKILL one process of a role, the broker's included; its id."""
        if role == "broker":
            return self._wipe_broker()
        process = self.pick(role, draw=draw)
        process.kill()
        return int(process.pid)

    def pick(self, role: str, *, draw: random.Random | None = None) -> psutil.Process:
        """One process of a role; waits until there is one."""
        found = wait_until(lambda: self.processes(role), seconds=30, what=f"a {role} runs")
        return (draw or random.Random(0)).choice(sorted(found, key=lambda process: process.pid))

    def freeze(self, role: str, *, draw: random.Random | None = None) -> int:
        """SIGSTOP one process of a role; its id, for `thaw`."""
        process = self.pick(role, draw=draw)
        process.suspend()
        return int(process.pid)

    def thaw(self, pid: int) -> None:
        """SIGCONT what was frozen."""
        for process in _alive(pid):
            process.resume()

    def _wipe_broker(self) -> int:
        if self.redis is None:
            self.query("DELETE FROM broker.message RETURNING id")
            return 0
        self.redis.kill()
        self.redis.wait()
        killed = self.redis.pid
        self.start_redis()
        return killed

    def is_whole(self) -> bool:
        """Whether every process is there, and the web answers."""
        try:
            counts = [len(self.processes(role)) for role in PARENTS]
            children = len(self.processes("worker child"))
        except (psutil.NoSuchProcess, FileNotFoundError):
            return False
        return counts == [1] * len(PARENTS) and children >= CHILDREN and self.installation.is_up()

    def wait_until_whole(self) -> None:
        wait_until(self.is_whole, seconds=90, what="every process runs again")

    def _children(self) -> list[psutil.Process]:
        pid = self.installation.pid
        return psutil.Process(pid).children() if pid else []

    def _ours(self) -> list[psutil.Process]:
        pid = self.installation.pid
        return psutil.Process(pid).children(recursive=True) if pid and psutil.pid_exists(pid) else []

    # --- what is sent ---

    def people(self, count: int) -> None:
        """Import so many people with an e-mail address each, all subscribed."""
        path = self.folder / "people.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["email", "name", "language", "consent_source", "consent_at", "consent_text_version"])
            for number in range(count):
                name = f"Person {number}"
                rows.writerow([f"p{number}@citizens.example", name, "en", "form", "2026-01-05T10:00:00+02:00", "v1"])
        self._command("import", str(path), "--organisation", "town", "--topic", "news", "--json")
        self.people_count = count

    def draft(self, port: int, *, policy: str = "resend") -> int:
        """A campaign to everybody over the SMTP peer at `port`, not started; its id."""
        content = {"channel": "email", "language": "en", "subject": "News for {{ subscriber.name }}", "body": BODY}
        made = self.installation.make(
            "/campaigns",
            {
                "name": "Faults",
                "goal": "knows",
                "audience": {"topics": ["news"]},
                "channels": {"mode": "all", "order": ["email"]},
                "contents": [{**content, "account": self.account(port, policy=policy)}],
            },
        )
        return int(made["id"])

    def blast(self, port: int, *, policy: str = "resend") -> Blast:
        """Start a campaign to everybody over the SMTP peer at `port`."""
        campaign = self.draft(port, policy=policy)
        status, answer = self.installation.api("POST", f"/campaigns/{campaign}/start")
        assert status == 200, answer
        return self.started(campaign, policy=policy)

    def started(self, campaign: int, *, policy: str = "resend") -> Blast:
        """The blast of a campaign that was started."""
        query = "SELECT id FROM outreach_run WHERE campaign_id = %s AND kind = 'campaign'"
        rows = wait_until(lambda: self.query(query, [campaign]), what="the run exists")
        return Blast(campaign=campaign, run=rows[0][0], policy=policy)

    def account(self, port: int, *, policy: str) -> str:
        """The account that sends to a peer on this port; made when first asked for."""
        if (port, policy) not in self._accounts:
            settings = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "Town <news@town.example>"}
            made = self.installation.make(
                "/accounts",
                {"adapter": "smtp", "name": f"Peer {port} {policy}", "settings": settings, "unknown_policy": policy},
            )
            self._accounts[port, policy] = made["id"]
        return self._accounts[port, policy]

    def state(self, blast: Blast) -> str:
        return str(self.query("SELECT state FROM outreach_run WHERE id = %s", [blast.run])[0][0])

    def finish(self, blast: Blast, *, seconds: float = 90, hastened: bool = True) -> None:
        """Wait for the end; if hastened, what waits for its minute, or for people to look at it, does not have to."""

        def is_over() -> bool:
            if hastened:
                self.hasten(blast)
            return self.state(blast) in {"finished", "cancelled"}

        try:
            wait_until(is_over, seconds=seconds, what="the run ends")
        except AssertionError as err:
            raise AssertionError(f"{err}\n{self.story(blast)}") from err

    def hasten(self, blast: Blast) -> None:
        """Let the time of every batch that waits have come, and let parked ones go on, as people do."""
        self.query(
            """
            UPDATE outreach_batch SET due_at = due_at - interval '1 day', state = 'ready',
                inherited = CASE WHEN state = 'parked' THEN 0 ELSE inherited END
            WHERE run_id = %s AND (state = 'parked' OR (state = 'ready' AND due_at > clock_timestamp())) RETURNING id
            """,
            [blast.run],
        )

    # --- what came of it ---

    def hands(self, *, worker: int | None = None) -> list[Hand]:
        """The windows that are in somebody's hands now, or in one worker child's."""
        rows = self.query(
            """
            SELECT b.id, b.fence, split_part(h.worker, ':', -1)::int, b.run_id, b.in_hand
            FROM outreach_batch b JOIN LATERAL (
                SELECT worker FROM outreach_hand h WHERE h.batch_id = b.id AND h.fence = b.fence
                ORDER BY h.id DESC LIMIT 1
            ) AS h ON true
            WHERE b.in_hand <> '{}'
            """
        )
        return [
            Hand(batch=batch, fence=fence, worker=pid, ids=frozenset(f"{run}-{id_}" for id_ in ids))
            for batch, fence, pid, run, ids in rows
            if worker in (None, pid)
        ]

    def fates(self, blast: Blast) -> list[Fate]:
        """Every row of the run."""
        query = "SELECT run_id || '-' || id, target, state, reason, uncertain FROM outreach_delivery WHERE run_id = %s"
        return [
            Fate(id=id_, target=target, state=state, reason=reason, uncertain=uncertain)
            for id_, target, state, reason, uncertain in self.query(query, [blast.run])
        ]

    def ledger_check(self, blast: Blast) -> str:
        """`outreach ledger --check`: '' where it adds up, else what it says."""
        done = self.installation.run("ledger", str(blast.campaign), "--check")
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def story(self, blast: Blast) -> str:
        """Where a run stands, for a failure's message."""
        rows = self.query(
            "SELECT id, state, fence, due_at, lease_until, cardinality(in_hand), inherited FROM outreach_batch"
            " WHERE run_id = %s AND state <> 'done' ORDER BY id",
            [blast.run],
        )
        log = self.installation.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"run {blast.run} is {self.state(blast)}", *map(str, rows), *log])

    def query(self, query: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a statement that returns some; waits for a database that is away."""

        def ask() -> list[tuple[Any, ...]]:
            with psycopg.connect(self.database, autocommit=True) as link:
                return link.execute(query, params).fetchall()

        return through_absence(ask)

    @property
    def database(self) -> str:
        """The embedded PostgreSQL's address."""
        return f"postgresql://outreach@/outreach?host={self.installation.data / 'postgres'}"

    def _command(self, *arguments: str) -> str:
        done = self.installation.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def through_absence(ask: Callable[[], T], *, seconds: float = 60) -> T:
    """Ask again until the database is there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _alive(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid)]
    return []


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
