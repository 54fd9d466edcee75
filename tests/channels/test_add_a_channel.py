"""The guide's example is the plug-in package of these tests: installed for real, and held against the contract."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import channels
from channels.base import Field
from outreach.delivery import adapters

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLUGIN = HERE / "example_plugin"
GUIDE = ROOT / "docs" / "how-to" / "add-a-channel.md"
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

needs_uv = pytest.mark.skipif(UV is None, reason="uv is not installed: `make dev` installs it")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example plug-in is installed into, as `pip install outreach-pager` would."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source")
    target = folder / "installed"
    options = ("--quiet", "--offline", "--no-deps", "--python", sys.executable, "--target", target)
    done = subprocess.run(
        [str(UV), "pip", "install", *options, folder / "source"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def plugged_in(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process with the plug-in among its packages; afterwards without."""
    monkeypatch.syspath_prepend(installed)
    forget()
    yield
    forget()
    sys.modules.pop("outreach_pager", None)


def forget() -> None:
    for cached in (channels.get, channels._installed, adapters.describe):
        cached.cache_clear()


def test_guide_shows_the_plug_in_and_its_case_as_they_are() -> None:
    shown = re.findall(r"```(?:python|toml)\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    adapter = (PLUGIN / "outreach_pager" / "__init__.py").read_text("utf-8")
    package = (PLUGIN / "pyproject.toml").read_text("utf-8")
    assert shown == [adapter, package, (HERE / "case_pager.py").read_text("utf-8")]


@needs_uv
@pytest.mark.usefixtures("plugged_in")
def test_plug_in_is_found_by_its_entry_point_and_its_form_can_be_drawn() -> None:
    assert "pager" in channels.names()
    description = adapters.describe("pager")
    assert (description.label, description.channel) == ("Pager", "sms")
    assert description.fields == (
        Field(name="host", label="Gateway", help="The name of the gateway."),
        Field(name="port", label="Port", kind="number", default="4444"),
        Field(name="password", label="Password", secret=True, help="The gateway's own."),
    )
    with pytest.raises(channels.UnknownAdapter, match="Did you mean 'pager'"):
        channels.get("pagr")


@needs_uv
def test_plug_in_keeps_the_whole_contract(installed: Path) -> None:
    """In a process of its own, which finds the plug-in as every installation would: among its packages."""
    # Without Django and our settings for pytest: an adapter needs neither, and they would take ten seconds.
    lean = ("-c", os.devnull, "--rootdir", ROOT, "--import-mode=importlib", "-W", "error", "-p", "no:cacheprovider")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": f"{installed}{os.pathsep}{ROOT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *lean, "-k", "pager", HERE / "test_contract.py"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    counted = re.search(r"(\d+) passed", done.stdout)
    assert counted is not None
    assert int(counted[1]) >= 30, done.stdout


def test_without_the_plug_in_nothing_of_it_is_offered() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import channels, json; print(json.dumps(channels.names()))"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
    )
    assert json.loads(done.stdout) == sorted(channels.BUILT_IN)
