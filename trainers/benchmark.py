"""Measures how fast training, streaming and the data pipeline are on this machine.

    python -m trainers.benchmark speed
    python -m trainers.benchmark speed --config=small --batch_size=8
    python -m trainers.benchmark data                              # synthetic video, 0.2 and 2 GB
    python -m trainers.benchmark data --dataset=video --data_dir=my_videos/

Speeds are given as operations of all convolutions over time, and as fractions of what one
convolution of the memory's own shape and one product of large matrices reach in the same run.
Memory is the accelerator's where there is one, else the process's. `data` prepares real video in
a temporary folder here and reads windows of it. Nothing else should run meanwhile. What each takes:
`speed --help` and `data --help`.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

import keras
from absl import flags

from iprnn_tf.data import DRAWN, FOOTAGE
from programs import command_line
from programs.commands import command
from programs.console import console
from programs.tables import aligned
from trainers.configuration.recipes import CONFIGS
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.cost import streamed_frame_seconds, training_step_seconds
from trainers.fitting.ingredients import compiled_model
from trainers.measuring import data_benchmark
from trainers.measuring.machine import convolution_rate, matmul_rate, peak_memory
from trainers.measuring.operations import multiply_adds_per_step, training_operations

PRECISIONS = ("float32", "bfloat16")


def main(arguments: Sequence[str]) -> None:
    """Runs the benchmark that the first argument names."""
    name, *rest = arguments or [""]
    if {"--help", "-h"} & set(arguments) and name not in BENCHMARKS:
        command_line.parse(__doc__ or "", lambda values: None, ["--help"])
    if name not in BENCHMARKS:
        raise ValueError(
            f"Name a benchmark first: {', '.join(BENCHMARKS)}. "
            f"Received: {' '.join(arguments) or 'nothing'}. See --help."
        )
    define, measure = BENCHMARKS[name]
    report = measure(command_line.parse(__doc__ or "", define, rest))
    console.conclude(report, None, command("trainers.train", **NEXT[name]))


def _measure_data(values: flags.FlagValues) -> str:
    return data_benchmark.measure(values.dataset, values.data_dir, values.gigabytes)


def _measure_speed(values: flags.FlagValues) -> str:
    config = CONFIGS[values.config]
    if values.batch_size:
        config = dataclasses.replace(config, batch_size=values.batch_size)
    console.say(
        f"{values.config}: {config.num_layers} x {config.filters} filters, "
        f"{config.kernel_size}x{config.kernel_size}, batch {config.batch_size}, "
        f"{config.context_frames} -> {config.horizon} frames; Keras on "
        f"{keras.backend.backend()}, {os.cpu_count()} CPU cores."
    )
    rows = [_speed(config, precision, values.steps) for precision in PRECISIONS]
    return (
        f"{aligned([list(rows[0]), *(list(row.values()) for row in rows)])}\n\n"
        f"Peak memory: {peak_memory() / 2**30:.1f} GiB.\n"
        f"Pipeline: {_pipeline_rate(config):,.0f} sequences/s of uint8 frames."
    )


def _define_flags(values: flags.FlagValues) -> None:
    drawn = [name for name, config in CONFIGS.items() if config.dataset in DRAWN]  # Need no files.
    flags.DEFINE_enum("config", "paper", drawn, "Size of the model.", flag_values=values)
    flags.DEFINE_integer(
        "batch_size", None, "By default the configuration's.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer("steps", 6, "Timed training steps.", lower_bound=2, flag_values=values)


def _define_data_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_enum("dataset", "video", list(FOOTAGE), "Whose videos.", flag_values=values)
    flags.DEFINE_string("data_dir", "", "Videos; by default synthetic ones.", flag_values=values)
    flags.DEFINE_float(
        "gigabytes", 2.0, "Of synthetic video, measured beside a tenth.", 0.01, flag_values=values
    )


def _speed(config: TrainingConfig, precision: str, steps: int) -> dict[str, str]:
    console.say(f"Timing {steps} training steps in {precision} ...")
    config = dataclasses.replace(
        config, mixed_precision=precision, steps=steps + 2, steps_per_epoch=steps + 2
    )
    model = compiled_model(config)
    size = model.initial_states(1)[0].shape[1]
    shape = {"size": size, "channels": config.filters, "kernel_size": config.kernel_size}
    before = convolution_rate(precision, config.batch_size, **shape)
    step = training_step_seconds(model, config)
    after = convolution_rate(precision, config.batch_size, **shape)
    ceiling = statistics.mean([before, after])
    matmul = matmul_rate(precision)
    single = convolution_rate(precision, 1, **shape)
    frame = streamed_frame_seconds(model)
    per_frame = 2 * multiply_adds_per_step(model)
    trained = training_operations(model, config) * config.batch_size / step
    return {
        "precision": precision,
        "sequences/s": f"{config.batch_size / step:.1f}",
        "s/sequence": f"{step / config.batch_size:.3f}",
        "GFLOP/s": f"{trained / 1e9:.0f}",
        "convolution GFLOP/s": f"{ceiling / 1e9:.0f}",
        "fraction": f"{trained / ceiling:.2f}",
        "of matmul": f"{trained / matmul:.2f}",
        "ms/streamed frame": f"{1000 * frame:.1f}",
        "its fraction": f"{per_frame / frame / single:.2f}",
    }


def _pipeline_rate(config: TrainingConfig, seconds: float = 5.0) -> float:
    batches = iter(config.build_dataset().frames("train").batch(config.batch_size))
    next(batches)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        next(batches)
        count += config.batch_size
    return count / (time.perf_counter() - begin)


BENCHMARKS = {"speed": (_define_flags, _measure_speed), "data": (_define_data_flags, _measure_data)}
NEXT: dict[str, dict[str, Any]] = {
    "speed": {"dataset": "mnist", "max_minutes": 10},
    "data": {"dataset": "video", "data_dir": "FOLDER", "max_minutes": 10},
}

if __name__ == "__main__":
    command_line.run(main)
