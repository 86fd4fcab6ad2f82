"""How far a run on the device is along its schedule, by steps or by the clock."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
from keras import ops

from trainers.configuration.training_config import TrainingConfig

Moments = dict[str, Any]  # Of the steps of an epoch: their numbers, rates and probabilities.


@dataclasses.dataclass
class Pace:
    """How far a run is along its schedule: by its steps or, with `minutes`, by the clock.

    By the clock the schedule of `config.steps` is gone through in the time that there is, whatever
    number of steps that makes.

    Args:
        config: of the run.
        seconds: of training, in earlier pieces.
    """

    config: TrainingConfig
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._begun = time.monotonic() - self.seconds
        self._epoch_seconds = 0.0

    def progress(self, epoch: int) -> float:
        """Returns the part of the run that is over, 1 or more at its end."""
        if self.config.minutes:
            return self.elapsed / self.total
        return epoch / self.config.epochs

    @property
    def total(self) -> float:
        """The seconds of training that there are, by the clock."""
        return 60 * (self.config.minutes - self.config.setup_minutes)

    @property
    def elapsed(self) -> float:
        """The seconds of training so far."""
        return time.monotonic() - self._begun

    def moments(self, epoch: int) -> Moments:
        """Returns what differs from step to step of an epoch."""
        config, count = self.config, self.config.steps_per_epoch
        position = self.progress(epoch) * config.steps
        each = 1.0  # By the clock, until an epoch has told.
        if config.minutes and self._epoch_seconds:
            each = self._epoch_seconds / self.total * config.steps / count
        positions = np.minimum(position + each * np.arange(count), config.steps)
        windows = config.build_windows()
        hidden = windows.context_sampling
        return {
            "number": np.arange(epoch * count, (epoch + 1) * count, dtype="int32"),
            "rate": ops.convert_to_numpy(config.build_schedule()(positions)),
            "use_teacher": windows.teacher_sampling.probability(positions),
            "use_context": hidden.probability(positions) if hidden else np.ones(count, "float32"),
        }

    def note(self, seconds: float) -> None:
        """Notes how long an epoch took, from which the next one is foretold."""
        self._epoch_seconds = seconds
