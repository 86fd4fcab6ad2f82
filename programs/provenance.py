"""What else decides a result: versions, backend, machine and commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import keras

from iprnn_tf.data import lazy_tensorflow as tf
from programs.kernels import SWITCH

PACKAGES = ("tensorflow", "keras", "numpy", "jax", "torch")


def provenance() -> dict[str, Any]:
    """Returns what else decides a result: versions, backend, machine and commit."""
    return {
        "commit": _commit(),
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_cores": os.cpu_count(),
        "accelerators": _accelerators(),
        "kernels": os.environ.get(SWITCH),
        "versions": {name: _version(name) for name in ("iprnn_tf", *PACKAGES) if _version(name)},
    }


def _accelerators() -> list[str]:
    if keras.backend.backend() == "jax":
        import jax  # Only where it is the backend.

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    details = tf.config.experimental.get_device_details
    return [
        details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
