"""How many operations a model takes, counted from its convolutions."""

from __future__ import annotations

import math

from iprnn_tf.models import RecurrentPredictor
from trainers.configuration.training_config import TrainingConfig

TRAINING_FACTOR = 3  # Forward, gradient of the input, gradient of the weights.


def training_operations(model: RecurrentPredictor, config: TrainingConfig) -> int:
    """Counts the floating-point operations of all convolutions in training on one sequence."""
    frames = config.context_frames + config.horizon - 1
    return TRAINING_FACTOR * 2 * multiply_adds_per_step(model) * frames


def operations_of_steps(model: RecurrentPredictor, config: TrainingConfig, steps: int) -> int:
    """Counts those of the first steps of a run."""
    return sum(
        count * stage.batch_size * training_operations(model, stage)
        for stage, count in config.stages_of(steps)
    )


def multiply_adds_per_step(model: RecurrentPredictor) -> int:
    """Counts the multiply-adds of all convolutions from one frame to the next, batch 1."""
    return sum(math.prod(shape) * pixels for shape, pixels in model.convolutions())
