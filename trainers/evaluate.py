"""Measures a predictor on held-out sequences, next to the trivial baselines.

    python -m trainers.evaluate --model=runs/mnist-small-...
    python -m trainers.evaluate --model=model.keras --split=validation
    python -m trainers.evaluate --model=runs/... --data_file=mnist_test_seq.npy

MSE and MAE are summed over a frame; PSNR and SSIM are means of per-frame values. Predictions are
clipped to [0, 1] first. The model is meant to be chosen on validation data, so read the test
split once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from absl import flags

from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.toronto import load_toronto_test_set
from iprnn_tf.data.windows import evaluation_batches
from iprnn_tf.metrics import SSIM_MODES
from iprnn_tf.models import VideoPredictor
from trainers import command_line, results
from trainers.config import TrainingConfig
from trainers.run_directory import RunDirectory, load_model, provenance, write_json


def main(arguments: Sequence[str]) -> None:
    """Measures as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.model:
        raise ValueError("--model is needed: a run directory or a .keras file. See --help.")
    model = load_model(values.model)
    config = _protocol(values, model)
    frames, source = _frames(values, config)
    batches = evaluation_batches(frames, config.context_frames, values.batch_size)
    measured = results.compare(model, batches, _ssim_modes(values.ssim_modes))
    count = int(frames.cardinality())
    output = Path(values.output or _default_output(values))
    write_json(
        output,
        {
            "data": source,
            "sequences": count,
            "context_frames": config.context_frames,
            "clipped": True,
            "results": measured,
            **provenance(),
        },
    )
    own = next(iter(measured))
    print(
        f"\n{source}: {count:,} sequences, predictions clipped to [0, 1].\n\n"
        f"{results.table(measured)}\n\n{own} per lead time:\n\n"
        f"{results.lead_time_table(measured[own])}\n\nWritten to {output}"
    )


def _define_flags(values: flags.FlagValues) -> None:
    define_string = flags.DEFINE_string
    define_string("model", None, "Run directory or .keras file.", flag_values=values)
    flags.DEFINE_enum("split", "test", SPLITS, "Split of the data set.", flag_values=values)
    define_string("data_file", None, "Measure on mnist_test_seq.npy instead.", flag_values=values)
    define_string("protocol", None, "Generator, by default the run's.", flag_values=values)
    flags.DEFINE_list(
        "ssim_modes", list(SSIM_MODES), "Which of the field's SSIMs.", flag_values=values
    )
    flags.DEFINE_integer("batch_size", 50, "Sequences at once.", lower_bound=1, flag_values=values)
    define_string("output", None, "JSON file, by default in the run directory.", flag_values=values)


def _protocol(values: flags.FlagValues, model: VideoPredictor) -> TrainingConfig:
    """What the model was trained on, as far as it is known, or else the paper's 10 to 10."""
    config = TrainingConfig()
    if Path(values.model).is_dir():
        config = RunDirectory(Path(values.model)).read_config()
    if values.protocol:
        config = dataclasses.replace(config, protocol=values.protocol)
    return dataclasses.replace(config, horizon=model.horizon)


def _frames(values: flags.FlagValues, config: TrainingConfig) -> tuple[tf.data.Dataset, str]:
    if not values.data_file:
        frames = config.build_dataset().frames(values.split)
        if values.split == "train":
            raise ValueError(
                "--split: training sequences never end. Use --split=validation or --split=test."
            )
        return frames, f"{config.dataset} ({config.protocol}), {values.split} split"
    length = config.context_frames + config.horizon
    frames = load_toronto_test_set(values.data_file)
    if length > frames.element_spec.shape[0]:
        raise ValueError(
            f"The sequences of {values.data_file} have {frames.element_spec.shape[0]} frames. "
            f"Received: a model of {config.context_frames} + {config.horizon} frames."
        )
    return frames.map(lambda sequence: sequence[:length]), str(values.data_file)


def _ssim_modes(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in SSIM_MODES]
    if unknown:
        raise ValueError(
            f"--ssim_modes are among {', '.join(SSIM_MODES)}. Received: {', '.join(unknown)}."
        )
    return names


def _default_output(values: flags.FlagValues) -> Path:
    model = Path(values.model)
    data = Path(values.data_file).stem if values.data_file else values.split
    name = (
        f"evaluation-{data}-{values.protocol}.json"
        if values.protocol
        else (f"evaluation-{data}.json")
    )
    return (model if model.is_dir() else model.parent) / name


if __name__ == "__main__":
    command_line.run(main)
