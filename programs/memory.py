"""How much memory a program has held, on any system."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")  # Of Linux.


def peak_memory() -> int:
    """Returns the most bytes of main memory that this process has held so far."""
    return _told_by_linux() or _told_by_windows() or _told_by_unix()


def _told_by_linux() -> int | None:
    # Before `getrusage`, whose peak starts at that of the process which started this one.
    peak = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(peak[1]) * 1024 if peak else None


def _told_by_windows() -> int | None:
    return getattr(psutil.Process().memory_info(), "peak_wset", None)


def _told_by_unix() -> int:
    import resource  # Windows has none.

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
