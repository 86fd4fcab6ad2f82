"""How many operations a model takes, counted from its convolutions."""

from __future__ import annotations

import math

import keras

from iprnn_tf.models import IPRNN
from trainers.configuration.training_config import TrainingConfig

TRAINING_FACTOR = 3  # Forward, gradient of the input, gradient of the weights.


def training_operations(model: IPRNN, config: TrainingConfig) -> int:
    """Counts the floating-point operations of all convolutions in training on one sequence."""
    frames = config.context_frames + config.horizon - 1
    return TRAINING_FACTOR * 2 * multiply_adds_per_step(model) * frames


def operations_of_steps(model: IPRNN, config: TrainingConfig, steps: int) -> int:
    """Counts those of the first steps of a run."""
    return sum(
        count * stage.batch_size * training_operations(model, stage)
        for stage, count in config.stages_of(steps)
    )


def multiply_adds_per_step(model: IPRNN) -> int:
    """Counts the multiply-adds of all convolutions from one frame to the next, batch 1.

    What else a memory does, as the attention of E3D-LSTM, isn't counted.
    """
    height, width, _ = model.image_shape
    pixels = -(-(height or 1) // model.encoder.stride) * -(-(width or 1) // model.encoder.stride)
    scale_pixels = [pixels * 4**n for n in range(model.num_downsamplings, -1, -1)]
    total = 0
    for stage, count in zip([model.encoder.stem, *model.encoder.stages], scale_pixels, strict=True):
        total += math.prod(stage.kernel.shape) * count
    total += multiply_adds_per_pixel(model.cell.weights) * pixels
    if model.merge is not None:
        total += math.prod(model.merge.kernel.shape) * pixels
    for stage, count in zip(model.decoder.stages, reversed(scale_pixels[1:]), strict=True):
        total += math.prod(stage.kernel.shape) * count  # A transposed one works per input pixel.
    return total + math.prod(model.decoder.head.kernel.shape) * scale_pixels[0]


def multiply_adds_per_pixel(weights: list[keras.Variable]) -> int:
    """Counts those of a memory's convolutions, of which 3D ones go over as many frames as deep."""
    shapes = [weight.shape for weight in weights if len(weight.shape) in (4, 5)]
    depth = max((shape[0] for shape in shapes if len(shape) == 5), default=1)
    return sum(math.prod(shape) * (depth if len(shape) == 5 else 1) for shape in shapes)
