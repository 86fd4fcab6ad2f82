"""Running a module in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from programs.command_line import Failure


def run_module(module: str, *arguments: str) -> None:
    """Runs `python -m module arguments`, quietly.

    Raises:
        Failure: if it ends otherwise than well; a crash has a negative exit status.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Failure(f"{module} ended with exit status {done.returncode} ({last}).")
