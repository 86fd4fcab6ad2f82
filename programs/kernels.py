"""Which of TensorFlow's kernels compute on a CPU."""

from __future__ import annotations

import os
import platform
import sys

SWITCH = "TF_ENABLE_ONEDNN_OPTS"


def prefer_onednn() -> None:
    """Has TensorFlow compute with oneDNN, before it is imported, unless the user has said.

    TensorFlow does so by itself only on processors that it knows to be newer ones. Its own kernels
    trained `small` slower on all that were tried (docs/recipe.md).
    """
    if platform.machine() in ("x86_64", "AMD64") and "tensorflow" not in sys.modules:
        os.environ.setdefault(SWITCH, "1")


def in_use() -> str:
    """Returns whose kernels compute, and how to have the others."""
    if os.environ.get(SWITCH) == "1":
        return f"oneDNN's kernels compute ({SWITCH}=0: TensorFlow's own)."
    return f"TensorFlow's own kernels compute ({SWITCH}=1: oneDNN's)."
