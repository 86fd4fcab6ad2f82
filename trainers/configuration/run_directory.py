"""What a training run leaves behind, and how other programs read it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from iprnn_tf.files import write_json
from iprnn_tf.models import training_settings
from iprnn_tf.models.loading import RUN_CONFIG, RUN_MODEL, settings_in
from iprnn_tf.presets import is_preset
from programs.provenance import provenance
from trainers.configuration.training_config import DATA_SETTINGS, TrainingConfig


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A folder with everything of one run: how it was made, its weights and its results."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration, versions, commit and machine; others it went on with."""
        return self.path / RUN_CONFIG

    @property
    def model_file(self) -> Path:
        """The checkpoint that was best on validation data."""
        return self.path / RUN_MODEL

    @property
    def state_folder(self) -> Path:
        """What `--resume` goes on from."""
        return self.path / "training_state"

    @property
    def metrics_file(self) -> Path:
        """The results on the test split."""
        return self.path / "metrics.json"

    @property
    def learning_file(self) -> Path:
        """The loss and the validations over the steps."""
        return self.path / "learning.csv"

    @property
    def speed_file(self) -> Path:
        """How fast the device was."""
        return self.path / "speed.json"

    @property
    def curve_file(self) -> Path:
        """The squared error over lead time, as a picture."""
        return self.path / "error.png"

    @property
    def animation_file(self) -> Path:
        """Predictions of test sequences."""
        return self.path / "predictions.gif"

    @property
    def results(self) -> list[Path]:
        """What a finished run is for; frames that can't be drawn have no animation."""
        return [
            self.model_file,
            self.metrics_file,
            self.animation_file,
            self.curve_file,
            self.learning_file,
            self.speed_file,
        ]

    def create(self, config: TrainingConfig) -> None:
        """Makes the folder and writes how the run is made.

        Raises:
            OSError: if it can't be written.
        """
        write_json(self.config_file, {**self._settings(config), **provenance()})

    def update(self, config: TrainingConfig) -> None:
        """Writes settings that have become others, such as where the data are now.

        Raises:
            OSError: if it can't be written.
        """
        made = json.loads(self.config_file.read_text())
        write_json(self.config_file, {**made, **self._settings(config)})

    def _settings(self, config: TrainingConfig) -> dict[str, Any]:
        """The settings and, for when all of a project moves, the ways from here to its folders."""
        settings = dataclasses.asdict(config)
        ways = {}
        for name in filter(settings.get, ("data_dir", "source_dir")):
            with contextlib.suppress(ValueError):  # Of Windows, from one drive to another.
                ways[name] = os.path.relpath(settings[name], self.path.resolve())
        return {"config": settings, "relative": ways}

    def note_machine(self, step: int) -> None:
        """Adds with which versions and where the run goes on, if not as it did before.

        Args:
            step: how many there have been.

        Raises:
            OSError: if it can't be written.
        """
        made, here = json.loads(self.config_file.read_text()), provenance()
        earlier = made.get("resumed", [])
        last = earlier[-1] if earlier else made
        if here != {name: last.get(name) for name in here}:
            entry = {"from_step": step, **here}
            write_json(self.config_file, {**made, "resumed": [*earlier, entry]})

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
            return TrainingConfig(**settings_in(self.config_file))
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A run directory is what trainers.train writes, with a config.json in it. "
                f"Received: {self.path} ({type(error).__name__}: {error}). "
                "Give the folder of a run, such as runs/mnist-small-20260101-120000."
            ) from error


def config_of(source: str | Path) -> TrainingConfig | None:
    """Returns how a model was trained, or None where no run directory or preset tells.

    Raises:
        ValueError: if what tells can't be read.
    """
    settings = training_settings(source)
    if settings is None:
        return None
    if is_preset(source):  # Of any version: what it was trained on is all that matters.
        settings = {name: settings[name] for name in DATA_SETTINGS if name in settings}
    try:
        return TrainingConfig(**settings)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "What a model was trained with must be settings of this version. "
            f"Received: {source} ({type(error).__name__}: {error}). Train or release it again."
        ) from error
