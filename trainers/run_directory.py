"""What a training run leaves behind, and how other programs read it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from iprnn_tf.files import write_json
from iprnn_tf.models import VideoPredictor
from iprnn_tf.presets import METADATA, PRESETS, locate, read_metadata
from trainers.config import DATA_SETTINGS, TrainingConfig

PACKAGES = ("tensorflow", "keras", "numpy", "jax", "torch")


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A folder with everything of one run: how it was made, its weights and its results."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration, seed, versions and commit."""
        return self.path / "config.json"

    @property
    def model_file(self) -> Path:
        """The checkpoint that was best on validation data."""
        return self.path / "model.keras"

    @property
    def state_folder(self) -> Path:
        """What `--resume` goes on from."""
        return self.path / "training_state"

    @property
    def metrics_file(self) -> Path:
        """The results on the test split."""
        return self.path / "metrics.json"

    @property
    def curve_file(self) -> Path:
        """The squared error over lead time, as a picture."""
        return self.path / "error.png"

    @property
    def animation_file(self) -> Path:
        """Predictions of test sequences."""
        return self.path / "predictions.gif"

    def create(self, config: TrainingConfig) -> None:
        """Makes the folder and writes how the run is made.

        Raises:
            OSError: if it can't be written.
        """
        write_json(self.config_file, {"config": dataclasses.asdict(config), **provenance()})

    def check_new(self) -> None:
        """Raises a ValueError if there is something at this place already."""
        if self.path.is_dir() and all(file.name.startswith(".") for file in self.path.iterdir()):
            return
        if self.path.exists():
            raise ValueError(
                f"--output must be a new or empty folder. Received: {self.path}, which exists. "
                f"Choose another, or go on with it: --resume={self.path}."
            )

    def read_config(self) -> TrainingConfig:
        """Returns the configuration that the run was made with.

        Raises:
            ValueError: if the folder isn't a run directory of this version.
        """
        try:
            settings = json.loads(self.config_file.read_text())["config"]
            return TrainingConfig(**settings)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A run directory is what trainers.train writes, with a config.json in it. "
                f"Received: {self.path} ({type(error).__name__}: {error}). "
                "Give the folder of a run, such as runs/mnist-small-20260101-120000."
            ) from error


def load_model(source: str | Path) -> VideoPredictor:
    """Loads a predictor from a run directory, a `.keras` file or a preset.

    Raises:
        ValueError: if there is none, or it can't be read.
    """
    if is_preset(source):
        return VideoPredictor.from_preset(source)
    path = Path(source)
    file = RunDirectory(path).model_file if path.is_dir() else path
    if not file.is_file():
        raise ValueError(
            "A model is a run directory with a checkpoint, a .keras file or a preset "
            f"({', '.join(PRESETS)}, or a folder, .zip file or https address of one). "
            f"Received: {path}, and there is no file {file}. Train first (python -m trainers.train "
            "--dataset=mnist), or go on with a run that was interrupted (--resume=RUN_DIRECTORY)."
        )
    try:
        model = keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever the damage leads to.
        raise ValueError(f"{file} can't be read as a Keras model: {error}") from error
    if not isinstance(model, VideoPredictor):
        raise ValueError(
            "A model is an iprnn_tf.VideoPredictor. "
            f"Received: {file} with a {type(model).__name__}. Save one of ours with model.save()."
        )
    return model


def is_preset(source: str | Path) -> bool:
    """Whether this names a preset, rather than a run directory or a `.keras` file."""
    if str(source) in PRESETS or str(source).startswith(("https://", "http://")):
        return True
    return Path(source).suffix == ".zip" or (Path(source) / METADATA).exists()


def config_of(source: str | Path) -> TrainingConfig | None:
    """Returns how a model was trained, or None where no run directory or preset tells.

    Raises:
        ValueError: if what tells can't be read.
    """
    if is_preset(source):
        return _config_of_preset(source)
    path = Path(source)
    run = RunDirectory(path if path.is_dir() else path.parent)
    return run.read_config() if run.config_file.exists() else None


def _config_of_preset(source: str | Path) -> TrainingConfig:
    metadata = read_metadata(locate(source))
    try:
        config = metadata["training"]["config"]
        return TrainingConfig(**{name: config[name] for name in DATA_SETTINGS if name in config})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The {METADATA} of a preset says in training.config what it was trained on. "
            f"Received: {source} ({type(error).__name__}: {error}). Write it with trainers.release."
        ) from error


def provenance() -> dict[str, Any]:
    """Returns what else decides a result: versions, backend, machine and commit."""
    return {
        "commit": _commit(),
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_cores": os.cpu_count(),
        "accelerators": _accelerators(),
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
