"""Loading whatever holds a trained predictor: a run directory, a `.keras` file or a preset."""

from __future__ import annotations

import difflib
import json
import shlex
from pathlib import Path
from typing import Any

import keras

from iprnn_tf.models.predictor import VideoPredictor
from iprnn_tf.presets import METADATA, PRESETS, is_preset, locate, read_metadata

RUN_MODEL, RUN_CONFIG = "model.keras", "config.json"  # In a run directory.


def load_model(source: str | Path, dtype: str | None = None) -> VideoPredictor:
    """Loads a predictor from a run directory, a `.keras` file or a preset.

    Args:
        source: a folder that `trainers.train` wrote, a file that `model.save` wrote, or what
            `VideoPredictor.from_preset` takes.
        dtype: precision of the layers, such as "float32"; by default that of the file, and
            float32 for presets.

    Raises:
        ValueError: if there is none, or it can't be read.
    """
    if is_preset(source):
        return VideoPredictor.from_preset(source, dtype or "float32")
    path = Path(source)
    file = path / RUN_MODEL if path.is_dir() else path
    if not file.is_file():
        raise ValueError(
            "A model is a run directory with a checkpoint, a .keras file or a preset "
            f"({', '.join(PRESETS)}, or a folder, .zip file or https address of one). "
            f"Received: {path}, and there is no file {file}. " + _way_to_a_model(path)
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
    return model if dtype is None else model.in_precision(dtype)


def settings_in(config_file: Path) -> dict[str, Any]:
    """Returns the settings of a run; folders that moved along with it are found again.

    Raises:
        OSError, AttributeError, KeyError, TypeError, ValueError: if the file is missing or damaged.
    """
    made = json.loads(config_file.read_text())
    settings = dict(made["config"])
    ways = made.get("relative", {})
    moved = {name: (config_file.parent / way).resolve() for name, way in ways.items()}
    if any(folder.exists() for folder in moved.values()):
        gone = {name: str(moved[name]) for name in moved if not Path(settings[name]).exists()}
        settings |= gone
    return settings


def _way_to_a_model(path: Path) -> str:
    if (path / RUN_CONFIG).is_file():
        return f"Finish this run with: python -m trainers.train --resume={shlex.quote(str(path))}"
    meant = difflib.get_close_matches(str(path), PRESETS, n=1)
    return f"Did you mean {meant[0]}?" if meant else "Train one with trainers.train."


def training_settings(source: str | Path) -> dict[str, Any] | None:
    """Returns the settings a model was trained with, or None where nothing beside it tells.

    Args:
        source: as for `load_model`; a `.keras` file may lie in its run directory.

    Raises:
        ValueError: if what tells can't be read.
    """
    preset = is_preset(source)
    path = Path(source)
    config_file = (path if path.is_dir() else path.parent) / RUN_CONFIG
    if not preset and not config_file.exists():
        return None
    try:
        if preset:
            return dict(read_metadata(locate(source))["training"]["config"])
        return settings_in(config_file)
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        wanted = f"{METADATA} of a preset, in training.config," if preset else str(config_file)
        raise ValueError(
            f"The {wanted} says how the model was trained. "
            f"Received: {source} ({type(error).__name__}: {error}). Write it again with "
            f"trainers.{'release' if preset else 'train'}."
        ) from error
