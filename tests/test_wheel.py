"""The wheel carries everything: installed alone into a clean environment it sets an installation up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(*command: str | Path, data: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OUTREACH_", "DATABASE_"))}
    environment |= {"OUTREACH_DATA": str(data)} if data else {}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, cwd="/", env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(UV is None, reason="uv is not installed: `make dev` installs it")
def test_the_wheel_alone_sets_an_installation_up(tmp_path: Path, data_folder: Path) -> None:
    assert UV is not None
    python = tmp_path / "clean" / "bin" / "python"
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT)
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "clean")
    run(UV, "pip", "install", "--quiet", "--python", python, "-r", ROOT / "requirements.txt")
    run(UV, "pip", "install", "--quiet", "--python", python, "--no-deps", next(tmp_path.glob("*.whl")))

    command = python.parent / "outreach"
    link = run(
        command, "setup", "--organisation", "town", "--name", "Town", "--admin", "a@example.org", data=data_folder
    )
    found = run(
        python, "-c", "import worker, channels, outreach.settings as s; print(s.TEMPLATES_DIR)", data=data_folder
    )

    assert "/set-password/" in link
    assert found.strip().endswith("outreach/_templates")
    assert (Path(found.strip()) / "console").is_dir()
