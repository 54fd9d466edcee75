"""What every test stands on: one private PostgreSQL a run, settings that do not depend on the machine, no network.

The environment is set while this file is imported, before pytest-django sets Django up: so `DJANGO_SETTINGS_MODULE`
stands here and not in pyproject.toml. Workers of pytest-xdist inherit the folder, and with it the one server.
`DATABASE_URL_TEST` names a system PostgreSQL to use instead.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.migrated import put_migrated_cluster
from tests.tables import empty_tables

if TYPE_CHECKING:
    from tests.channels.mail_server import MailExchange

ROOT = Path(__file__).resolve().parent.parent
STARTED_HERE = "OUTREACH_TEST_DATA" not in os.environ
#: Not below pytest's own folder, which the database's user may not enter when root runs the tests.
DATA = Path(os.environ.setdefault("OUTREACH_TEST_DATA", "") or tempfile.mkdtemp(prefix="outreach-test-"))

os.environ.update(
    DJANGO_SETTINGS_MODULE="outreach.settings",
    OUTREACH_TEST_DATA=str(DATA),
    OUTREACH_DATA=str(DATA),
    OUTREACH_SECRET_KEY="the tests' own key, known to everybody",
    OUTREACH_BASE_URL="http://outreach.test",
    OUTREACH_DEBUG="false",
    OUTREACH_SANDBOX="false",
    OUTREACH_RESOLVER="none",
    OUTREACH_ALLOW_PRIVATE="127.0.0.0/8,::1/128",
    DATABASE_URL=os.environ.get("DATABASE_URL_TEST", ""),
    BROKER_URL="",
    LC_ALL="",
    LC_MESSAGES="C",
)


def pytest_configure() -> None:
    """Load the settings, so that pytest-django sets Django up; hash passwords cheaply: half a second is by design."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse cases of one name: where it keeps groups together, pytest-xdist runs one of them and says nothing."""
    doubled = sorted(name for name, count in Counter(item.nodeid for item in items).items() if count > 1)
    if doubled:
        raise pytest.UsageError(f"Several cases have the same name: {', '.join(doubled)}")


def pytest_unconfigure() -> None:
    if STARTED_HERE:
        shutil.rmtree(DATA, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """The address of the run's PostgreSQL; all workers share the one embedded server, and the last stops it.

    Its database is migrated already: those of the tests are copies of it.
    """
    from django.db import connections

    from outreach.core.database import EmbeddedDatabase
    from outreach.core.postgres import NAME

    if url := os.environ["DATABASE_URL"]:
        yield url
        return
    put_migrated_cluster(DATA)
    connections["default"].settings_dict["TEST"]["TEMPLATE"] = NAME
    with EmbeddedDatabase(DATA, durable=False) as embedded:
        yield embedded.url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, database_server: str) -> None:
    """Have the server up before pytest-django makes the test database on it."""


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


def _guarded(connect: Any) -> Any:
    def connect_on_loopback(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(str(address[0])):
            raise PermissionError(f"tests do not leave this machine, but something connects to {address}")
        return connect(self, address)

    return connect_on_loopback


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """After a test that commits, empty what it filled: Django's flush empties all tables, in half a second a time."""
    from django.test import TransactionTestCase

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: empty_tables())
        yield


@pytest.fixture(autouse=True)
def nobodys_language() -> None:
    """What a request or a command of an earlier test left as this thread's language is forgotten."""
    from django.utils import translation

    translation.deactivate()


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """An empty data folder for a test that starts an installation of its own."""
    folder = Path(tempfile.mkdtemp(prefix="outreach-own-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def contracts() -> Path:
    """The providers' published contracts, where this machine has them."""
    from tests.contract_checks import contracts_folder

    folder = contracts_folder()
    if folder is None:
        pytest.skip("no provider contracts here: set OUTREACH_CONTRACTS")
    return folder


@pytest.fixture
def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def running_mail_exchange() -> Iterator[MailExchange]:
    """Postfix and Dovecot, started once."""
    from tests.channels.mail_server import mail_exchange, why_absent

    if reason := why_absent():
        pytest.skip(reason)
    with mail_exchange() as exchange:
        yield exchange


@pytest.fixture
def exchange(running_mail_exchange: MailExchange) -> MailExchange:
    """Postfix and Dovecot, with nothing in the mailboxes."""
    running_mail_exchange.empty()
    return running_mail_exchange
