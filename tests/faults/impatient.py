"""The forked workers of `armed.py`, of which some wait for a silent peer for seconds rather than for half a minute."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

from tests.faults import armed

#: Seconds without a word after which an impatient worker gives a connection up.
SILENCE: Final = 3.0


class ImpatientWorkers(armed.Workers):
    """Workers that also know the verb `carry_on_impatiently`."""

    def __init__(self, database: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.impatient", database],
            cwd=armed.ROOT,
            env={**os.environ, "PYTHONPATH": str(armed.ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def carry_on_impatiently(run: int) -> None:
    from channels import smtp_wire

    setattr(smtp_wire, "REPLY_SECONDS", SILENCE)  # noqa: B010 -- a constant, but for this process
    armed.carry_on(run)


if __name__ == "__main__":
    armed.prepare(sys.argv[1])
    armed.VERBS[carry_on_impatiently.__name__] = carry_on_impatiently
    armed.serve()
