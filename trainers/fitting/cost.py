"""What a model costs on this machine, measured in a process of its own.

`trainers.compare` runs `python -m trainers.fitting.cost SETTINGS MEASURED`: it reads the settings
of a training as JSON, and writes what a step and a frame took, and how much memory at most.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from iprnn_tf.files import write_json
from iprnn_tf.models import RecurrentPredictor
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.ingredients import Clock, compiled_model, training_batches
from trainers.measuring.machine import peak_memory

FRAMES = 50  # Streamed, of which the first five warm up.


def measure(config: TrainingConfig, steps: int) -> dict[str, float]:
    """Measures so many training steps, and the streaming of frames.

    Args:
        config: of a training; its batch size counts.
        steps: timed, after two that warm up.

    Returns:
        `step_seconds` and `frame_seconds`, medians, and `peak_bytes` of this process.
    """
    config = dataclasses.replace(config, steps=steps + 2, steps_per_epoch=steps + 2)
    model = compiled_model(config)
    step = training_step_seconds(model, config)
    return {
        "step_seconds": step,
        "peak_bytes": peak_memory(),
        "frame_seconds": streamed_frame_seconds(model),
    }


def training_step_seconds(model: RecurrentPredictor, config: TrainingConfig) -> float:
    """Returns the median time of the steps of a training, but the first two."""
    clock = Clock()
    batch = training_batches(config).take(1).cache().repeat()
    model.fit(batch, steps_per_epoch=config.steps, verbose=0, shuffle=False, callbacks=[clock])
    return statistics.median(np.diff(clock.times)[2:])


def streamed_frame_seconds(model: RecurrentPredictor) -> float:
    """Returns the median time from one frame to the next, at batch 1."""
    step_model = model.step_model()
    outputs: list[Any] = [
        np.zeros((1, *model.image_shape), np.float32),
        *map(ops.convert_to_numpy, model.initial_states(1)),
    ]
    seconds = []
    for _ in range(FRAMES):
        begin = time.perf_counter()
        outputs = step_model.predict_on_batch(outputs)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[5:])


def main(arguments: list[str]) -> None:
    """Measures what the first file says, and writes the second."""
    settings, measured = map(Path, arguments)
    asked = json.loads(settings.read_text())
    write_json(measured, measure(TrainingConfig(**asked["config"]), asked["steps"]))


if __name__ == "__main__":
    main(sys.argv[1:])
