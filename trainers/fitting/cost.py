"""What a model costs on this machine, measured in a process of its own.

`costs_of` runs `python -m trainers.fitting.cost SETTINGS MEASURED`: it reads the settings of a
training as JSON, and writes what a step and a frame took, and how much memory at most.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from iprnn_tf.files import write_json
from iprnn_tf.models import RecurrentPredictor
from programs.console import console
from programs.processes import run_module
from programs.provenance import provenance
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.ingredients import Clock, compiled_model, training_batches
from trainers.measuring.machine import peak_memory

FRAMES = 50  # Streamed, of which the first five warm up.
BATCH, STEPS = 16, 5  # The paper's batch; its 50 steps are reckoned from a few.
_USUAL = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}


def costs_of(
    config: TrainingConfig, settings: dict[str, Any], path: Path, measure: bool = True
) -> dict[str, float]:
    """Times a batch of 16 and weighs one of a single sequence, each in a process of its own.

    Args:
        config: of a training.
        settings: those of them that costs may depend on.
        path: of a file that keeps what was measured; with the same settings, backend and machine
            it isn't measured again.
        measure: whether to measure what isn't known.

    Returns:
        `frame_ms`, `fifty_steps_seconds` and `peak_megabytes`; nothing where these aren't known.
    """
    made = provenance()
    settings = settings | {key: made[key] for key in ("backend", "machine")}
    costs = json.loads(path.read_text()) if path.exists() else {}
    kept = _USUAL | costs.get("settings", {})  # Older files lack settings that came later.
    if {name: kept.get(name) for name in settings} != settings:
        if not measure:
            return {}
        console.say(f"Measuring what {path.name.removesuffix('.cost.json')} costs ...")
        costs = {
            "settings": settings,
            "batch": measured_apart(config, BATCH, STEPS),
            "single": measured_apart(config, 1, 1),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, costs)
    return {
        "frame_ms": 1e3 * costs["batch"]["frame_seconds"],
        "fifty_steps_seconds": 50 * costs["batch"]["step_seconds"],
        "peak_megabytes": costs["single"]["peak_bytes"] / 1e6,
    }


def measured_apart(config: TrainingConfig, batch_size: int, steps: int) -> dict[str, float]:
    """Returns what `measure` does, in a process of its own."""
    alone: dict[str, Any] = {"short_horizon": 0, "short_batch_size": 0, "batch_size": batch_size}
    settings = dataclasses.asdict(dataclasses.replace(config, **alone))
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "asked.json", Path(folder) / "measured.json"
        write_json(asked, {"config": settings, "steps": steps})
        run_module("trainers.fitting.cost", str(asked), str(told))
        costs: dict[str, float] = json.loads(told.read_text())
    return costs


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
