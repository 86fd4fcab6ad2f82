"""How many operations a model takes, counted from its convolutions."""

from __future__ import annotations

import math

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
    """Counts the multiply-adds of all convolutions from one frame to the next, batch 1."""
    height, width, _ = model.image_shape
    pixels = -(-(height or 1) // model.encoder.stride) * -(-(width or 1) // model.encoder.stride)
    scale_pixels = [pixels * 4**n for n in range(model.num_downsamplings, -1, -1)]
    total = 0
    for stage, count in zip([model.encoder.stem, *model.encoder.stages], scale_pixels, strict=True):
        total += math.prod(stage.kernel.shape) * count
    kernels = [weight for weight in model.cell.weights if len(weight.shape) == 4]
    if model.merge is not None:
        kernels.append(model.merge.kernel)
    total += sum(math.prod(kernel.shape) for kernel in kernels) * pixels
    for stage, count in zip(model.decoder.stages, reversed(scale_pixels[1:]), strict=True):
        total += math.prod(stage.kernel.shape) * count  # A transposed one works per input pixel.
    return total + math.prod(model.decoder.head.kernel.shape) * scale_pixels[0]
