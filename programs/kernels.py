"""Which of TensorFlow's kernels compute on a CPU."""

from __future__ import annotations

import os
import platform
import sys

SWITCH = "TF_ENABLE_ONEDNN_OPTS"


def prefer_onednn() -> None:
    """Has TensorFlow compute with oneDNN, before it is imported, unless the user has said.

    TensorFlow does so by itself only on processors that it knows to be newer ones. Its own kernels
    trained `small` slower on all that were tried: docs/recipe.md has the ratios.
    """
    if platform.machine() in ("x86_64", "AMD64") and "tensorflow" not in sys.modules:
        os.environ.setdefault(SWITCH, "1")


def in_use() -> str | None:
    """Returns whose kernels compute, and how to have the others; None where TensorFlow decides."""
    switch = os.environ.get(SWITCH, "").lower()
    if switch in ("1", "true"):
        return f"oneDNN's kernels compute ({SWITCH}=0: TensorFlow's own)."
    if switch in ("0", "false"):
        return f"TensorFlow's own kernels compute ({SWITCH}=1: oneDNN's)."
    return None
